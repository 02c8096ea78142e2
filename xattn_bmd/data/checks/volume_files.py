"""Which of a cohort's files are CT volumes: NIfTI files, and folders with one DICOM series."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from xattn_bmd.config import ImageConfig
from xattn_bmd.data.checks.problem import Problem, listed
from xattn_bmd.errors import ConfigError

NIFTI_SUFFIXES = (".nii.gz", ".nii")
FEWEST_SLICES = 2


def is_volume(path: Path) -> bool:
    """Tell whether a path names a CT volume: a NIfTI file, or a folder.

    Example:
        >>> is_volume(Path("scans/P01.nii.gz")), is_volume(Path("scans/P01.dcm"))
        (True, False)
    """
    return path.name.lower().endswith(NIFTI_SUFFIXES) or path.is_dir()


def volume_name(path: Path) -> str:
    """Return the name of a volume without the suffix of a NIfTI file.

    Example:
        >>> volume_name(Path("scans/P01.nii.gz")), volume_name(Path("scans/1.2.840.7"))
        ('P01', '1.2.840.7')
    """
    suffix = next((suffix for suffix in NIFTI_SUFFIXES if path.name.lower().endswith(suffix)), "")
    return path.name[: len(path.name) - len(suffix)]


def nifti_files(folder: Path) -> list[Path]:
    """Return the NIfTI files below a folder, sorted."""
    found = (path for suffix in ("*.nii", "*.nii.gz") for path in folder.rglob(suffix))
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def series_folders(folder: Path, ids: Collection[str]) -> list[Path]:
    """Return the folders below a folder that are named after an id and hold slices: two files or more."""
    named = (path for path in sorted(folder.rglob("*")) if path.name in ids and path.is_dir())
    return [path for path in named if sum(not file.name.startswith(".") for file in _files(path)) >= FEWEST_SLICES]


def check_one_kind(paths: Mapping[str, Path]) -> list[Problem]:
    """Return the fault of a cohort that shows radiographs and CT volumes.

    Args:
        paths: image file or folder of each id.
    """
    volumes = [name for name, path in paths.items() if is_volume(path)]
    if len(volumes) in (0, len(paths)):
        return []
    radiographs = [name for name in paths if name not in set(volumes)]
    message = (
        f"The images of a cohort are radiographs or CT volumes, but {listed(volumes)} are volumes and "
        f"{listed(radiographs)} are not; make two cohorts of them."
    )
    return [Problem("mixed_images", message, tuple(volumes))]


def require_kind(paths: Mapping[str, Path], image: ImageConfig) -> None:
    """Refuse image settings that are made for the other kind of image.

    Args:
        paths: image file or folder of each id.
        image: image settings.

    Raises:
        ConfigError: if volumes are to be read as radiographs, or the other way round.
    """
    other = [name for name, path in paths.items() if is_volume(path) != image.is_volume]
    if not other:
        return
    if image.is_volume:
        raise ConfigError(
            f"image.slices={image.slices} is for CT volumes (NIfTI files, or a folder with a DICOM series each), but "
            f"{listed(other)} {_verb(other)} a radiograph; set image.slices to 1."
        )
    raise ConfigError(
        f"image.slices is 1, which is for radiographs, but {listed(other)} {_verb(other)} a CT volume; set "
        "image.slices, image.spacing_mm and image.hu_window, as the preset 'ct_quick' does."
    )


def _verb(names: Collection[str]) -> str:
    return "is" if len(names) == 1 else "each are"


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in folder.iterdir() if path.is_file())
