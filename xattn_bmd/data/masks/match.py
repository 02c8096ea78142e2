"""Which mask belongs to which radiograph: joined by id, never by order; a radiograph may have none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xattn_bmd.data.checks.problem import listed
from xattn_bmd.data.masks.truth import truth_regions

MASK_SUFFIXES = (".png", ".nii", ".nii.gz")


@dataclass(frozen=True)
class MaskMatch:
    """Result of joining masks with radiograph ids.

    Attributes:
        paths: mask file of each radiograph that has exactly one.
        ambiguous: radiographs for which several files fit, with these files.
        without_row: files that fit no radiograph.
        without_mask: radiographs that have no mask.
        folder: where the files were looked for; None where no masks were given.
        region: name of the array inside each file, for the truth of simulated radiographs; None for images.
        fault: why nothing could be looked for, in one sentence; None where it could.
    """

    paths: Mapping[str, Path] = field(default_factory=dict)
    ambiguous: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    without_row: tuple[Path, ...] = ()
    without_mask: tuple[str, ...] = ()
    folder: Path | None = None
    region: str | None = None
    fault: str | None = None

    def of(self, ids: Sequence[str]) -> MaskMatch:
        """Return the masks of some of the radiographs; files of the others are no longer told of."""
        wanted = set(ids)
        return MaskMatch(
            paths={name: path for name, path in self.paths.items() if name in wanted},
            ambiguous={name: paths for name, paths in self.ambiguous.items() if name in wanted},
            without_mask=tuple(name for name in self.without_mask if name in wanted),
            folder=self.folder,
            region=self.region,
            fault=self.fault,
        )


def match_masks(ids: Sequence[str], *, folder: Path) -> MaskMatch:
    """Match mask files whose name without suffix is a radiograph id; none is read.

    Args:
        ids: radiograph ids.
        folder: folder of PNG or NIfTI files, with its subfolders; or ``TRUTH/REGION``, where ``TRUTH`` is a folder of
            simulated truth and ``REGION`` an array of its ``ID.npz`` files, as ``truth/neck``.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("a.png", "c.nii.gz"):
        ...     (folder / name).touch()
        >>> found = match_masks(["a", "b"], folder=folder)
        >>> list(found.paths), found.without_mask, [path.name for path in found.without_row]
        (['a'], ('b',), ['c.nii.gz'])
    """
    if folder.is_dir():
        files = sorted(path for path in folder.rglob("*") if _is_mask(path))
        truth = sorted(folder.glob("*.npz"))
        if truth and not files:
            return MaskMatch(folder=folder, fault=_region_fault(folder, None, truth[0]))
        return _joined(ids, files, folder=folder, region=None)
    truth = sorted(folder.parent.glob("*.npz"))
    if not truth:
        return MaskMatch(folder=folder, fault=_folder_fault(folder))
    if fault := _region_fault(folder.parent, folder.name, truth[0]):
        return MaskMatch(folder=folder, fault=fault)
    return _joined(ids, truth, folder=folder.parent, region=folder.name)


def mask_name(path: Path) -> str:
    """Return a file's name without its suffix; the dots of a DICOM UID are kept.

    Example:
        >>> mask_name(Path("masks/R01.NII.GZ")), mask_name(Path("1.2.840.7.png"))
        ('R01', '1.2.840.7')
    """
    name = path.name
    return name[: -len(".nii.gz")] if name.lower().endswith(".nii.gz") else path.stem


def _is_mask(path: Path) -> bool:
    return path.name.lower().endswith(MASK_SUFFIXES) and not path.name.startswith(".") and path.is_file()


def _joined(ids: Sequence[str], files: Sequence[Path], *, folder: Path, region: str | None) -> MaskMatch:
    found: dict[str, list[Path]] = {name: [] for name in ids if name}
    surplus: list[Path] = []
    for path in files:
        found.get(mask_name(path), surplus).append(path)
    return MaskMatch(
        paths={name: paths[0] for name, paths in found.items() if len(paths) == 1},
        ambiguous={name: tuple(paths) for name, paths in found.items() if len(paths) > 1},
        without_row=tuple(surplus),
        without_mask=tuple(name for name, paths in found.items() if not paths),
        folder=folder,
        region=region,
    )


def _folder_fault(folder: Path) -> str:
    return (
        f"masks names an existing folder, or TRUTH/REGION of simulated radiographs, but {folder} is neither; mend the "
        "path."
    )


def _region_fault(folder: Path, region: str | None, first: Path) -> str | None:
    """Say that a region is not in the files of a folder of truth; a damaged file is told of when masks are read."""
    known = truth_regions(first)
    if region in known or (region is not None and not known):
        return None
    named = "no region was named" if region is None else f"{region!r} was asked for"
    return (
        f"Masks of simulated radiographs are one region of their truth, but {named} and {folder} holds "
        f"{listed(known) or 'none'}; give for example {folder / (known[0] if known else 'neck')}."
    )
