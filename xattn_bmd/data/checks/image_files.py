"""Which file belongs to which row: joined by name, never by order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xattn_bmd.data.checks.volume_files import is_volume, nifti_files, series_folders, volume_name
from xattn_bmd.errors import CohortError

IMAGE_SUFFIXES = frozenset({".dcm", ".dicom", ".ima", ".png", ".tif", ".tiff", ".jpg", ".jpeg"})


@dataclass(frozen=True)
class ImageMatch:
    """Result of joining a folder of images with radiograph ids.

    Attributes:
        paths: file of each matched radiograph.
        ambiguous: radiographs for which several files fit, with these files.
        without_row: files that fit no radiograph.
        folder: where the files were looked for; None where no folder was given.
    """

    paths: Mapping[str, Path] = field(default_factory=dict)
    ambiguous: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    without_row: tuple[Path, ...] = ()
    folder: Path | None = None


def match_images(
    ids: Sequence[str], names: Sequence[str | None] | None, *, folder: Path, table_folder: Path | None
) -> ImageMatch:
    """Match files by the names that the table gives them, or, where it has no column of names, by radiograph id.

    A CT volume is a NIfTI file, or a folder with one DICOM series directly in it.

    Args:
        ids: ``(N,)`` radiograph ids.
        names: ``(N,)`` file names, or None.
        folder: folder of the images.
        table_folder: second folder in which names are looked up, or None.

    Raises:
        CohortError: if the folder does not exist.
    """
    if names is None:
        return _with_volumes(match_by_stem(ids, folder=folder), ids, folder=folder)
    named = {radiograph: name for radiograph, name in zip(ids, names, strict=True) if name}
    return match_by_column(named, folder=folder, table_folder=table_folder)


def match_by_stem(ids: Sequence[str], *, folder: Path) -> ImageMatch:
    """Match files whose name without suffix is a radiograph id, in the folder and its subfolders.

    Raises:
        CohortError: if the folder does not exist.
    """
    wanted = set(ids)
    found: dict[str, list[Path]] = {}
    surplus = []
    for path in image_files(folder):
        name = image_name(path)
        if name in wanted:
            found.setdefault(name, []).append(path)
        else:
            surplus.append(path)
    return ImageMatch(
        paths={name: paths[0] for name, paths in found.items() if len(paths) == 1},
        ambiguous={name: tuple(paths) for name, paths in found.items() if len(paths) > 1},
        without_row=tuple(surplus),
        folder=folder,
    )


def match_by_column(names: Mapping[str, str], *, folder: Path, table_folder: Path | None) -> ImageMatch:
    """Match files that the table names.

    Args:
        names: file name of each radiograph, or file or folder of each CT volume, relative to ``folder`` (or else to
            ``table_folder``), or absolute.
        folder: folder of the images; files in it that no row names are listed.
        table_folder: folder of the table, or None.

    Raises:
        CohortError: if the folder does not exist.
    """
    present = image_files(folder)
    roots = [folder] if table_folder is None else [folder, table_folder]
    paths = {}
    for radiograph, name in names.items():
        candidates = [root / name for root in roots if (root / name).exists()]
        if candidates:
            paths[radiograph] = candidates[0]
    used = {path.resolve() for path in paths.values()}
    if any(is_volume(path) for path in paths.values()):
        present = sorted([*present, *nifti_files(folder)])
    surplus = tuple(path for path in present if used.isdisjoint((path.resolve(), path.resolve().parent)))
    return ImageMatch(paths=paths, without_row=surplus, folder=folder)


def _with_volumes(found: ImageMatch, ids: Sequence[str], *, folder: Path) -> ImageMatch:
    """Add the CT volumes of rows that no radiograph fits: ``ID.nii.gz``, ``ID.nii``, or the folder ``ID``.

    NIfTI files beside radiographs are masks, say; where a volume fits a row, those that fit none are listed.
    """
    wanted = set(ids) - found.paths.keys() - found.ambiguous.keys()
    if not wanted:
        return found
    volumes: dict[str, list[Path]] = {}
    surplus = list(found.without_row)
    files, series = nifti_files(folder), series_folders(folder, wanted)
    for path in [*files, *series]:
        volumes.setdefault(volume_name(path), []).append(path)
    fits = {name: tuple(paths) for name, paths in volumes.items() if name in wanted}
    if not fits:
        return found
    slices_of = {path for paths in fits.values() for path in paths}
    surplus = [path for path in surplus if path.parent not in slices_of]
    surplus += [path for path in files if volume_name(path) not in fits and path.parent not in slices_of]
    return ImageMatch(
        paths={**found.paths, **{name: paths[0] for name, paths in fits.items() if len(paths) == 1}},
        ambiguous={**found.ambiguous, **{name: paths for name, paths in fits.items() if len(paths) > 1}},
        without_row=tuple(sorted(surplus)),
        folder=folder,
    )


def image_files(folder: Path) -> list[Path]:
    """Return the image files below a folder, sorted: known suffixes, and DICOM files without a suffix.

    Raises:
        CohortError: if the folder does not exist.
    """
    if not folder.is_dir():
        raise CohortError(f"images names an existing folder, but {folder} is not one; mend the path.")
    return sorted(path for path in folder.rglob("*") if _is_image(path) and path.is_file())


def image_name(path: Path) -> str:
    """Return a file's name without its image suffix; the dots of a DICOM UID are kept.

    Example:
        >>> image_name(Path("images/R01.DCM")), image_name(Path("1.2.840.7"))
        ('R01', '1.2.840.7')
    """
    return path.stem if path.suffix.lower() in IMAGE_SUFFIXES else path.name


def _is_image(path: Path) -> bool:
    if path.name.startswith(".") or path.name == "DICOMDIR":
        return False
    suffix = path.suffix.lower()
    return suffix in IMAGE_SUFFIXES or suffix == "" or suffix[1:].isdecimal()
