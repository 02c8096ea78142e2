"""Find the one CT series that is meant among the files of a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xattn_bmd.data.volumes.slice_header import SliceHeader, read_slice_header
from xattn_bmd.errors import VolumeError

_MOST_LISTED = 10


@dataclass(frozen=True)
class Series:
    """The files of one series, in no particular order.

    Attributes:
        slices: their headers.
        steps: what was left out, in words.
    """

    slices: tuple[SliceHeader, ...]
    steps: tuple[str, ...]


def find_series(path: Path, *, series: str | None) -> Series:
    """Return the CT series of a folder, or the one that a file belongs to.

    Args:
        path: a folder with DICOM files directly in it, or one of these files.
        series: SeriesInstanceUID; needed where the folder holds several CT series and no file says which.

    Raises:
        VolumeError: if there is no CT series, several are there and none is named, the named one is absent, or its
            files hold several pictures each.
    """
    folder = path if path.is_dir() else path.parent
    files = scan_files(folder)
    read = {file: read_slice_header(file) for file in files}
    images = [header for header in read.values() if header is not None]
    if not images:
        raise _no_images(folder, files=len(files))
    if series is None and path != folder:
        series = _series_of(path, read.get(path))
    chosen = _chosen(images, series=series, folder=folder)
    slices = [header for header in chosen if not header.scout]
    _require_single_frames(slices, name=folder.name)
    once = tuple({header.digest: header for header in slices}.values())
    steps = _left_out(
        {
            "files of the folder left out: other series, or no images": len(files) - len(chosen),
            "scout views (localizers) left out": len(chosen) - len(slices),
            "files left out that repeat another byte for byte": len(slices) - len(once),
        }
    )
    return Series(slices=once, steps=steps)


def scan_files(folder: Path) -> tuple[Path, ...]:
    """Return the files directly in a folder, by name, without hidden ones; a link to nowhere is a file that is lost."""
    return tuple(sorted(file for file in folder.iterdir() if not file.is_dir() and not file.name.startswith(".")))


def _series_of(path: Path, header: SliceHeader | None) -> str:
    if header is None:
        raise VolumeError(
            f"A CT volume is a folder or a file of a DICOM series, or a NIfTI file (.nii, .nii.gz), but {path.name} "
            "is none of these; give the scan."
        )
    return header.series


def _no_images(folder: Path, *, files: int) -> VolumeError:
    below = sum(1 for entry in folder.iterdir() if entry.is_dir())
    hint = f"; it has {below} folders: give the one that holds the slices" if below else "; give the scan's folder"
    return VolumeError(
        f"A CT series is a folder with DICOM images directly in it, but none of the {files} files of "
        f"{folder.name} is one{hint}."
    )


def _chosen(images: Sequence[SliceHeader], *, series: str | None, folder: Path) -> list[SliceHeader]:
    tomograms = [header for header in images if header.modality == "CT"]
    named = [header for header in images if header.series == series]
    if series is not None and not named:
        raise VolumeError(
            f"The argument series names a series of the folder, but {folder.name} has no {series!r}; "
            f"it has {_listed(images)}."
        )
    found = named or tomograms
    other = {header.modality or "none" for header in found or images if header.modality != "CT"}
    if other:
        raise VolumeError(
            f"A CT volume needs Modality CT, but {folder.name} holds {', '.join(sorted(other))}; give a CT series."
        )
    slices = [header for header in found if not header.scout]
    if not slices:
        raise VolumeError(
            f"A CT volume needs slices, but {folder.name} holds only a scout view (localizer); give the CT series."
        )
    if len({header.series for header in slices}) > 1:
        raise VolumeError(
            f"A volume is made of one series, but {folder.name} holds several: {_listed(slices)}; "
            "name one with the argument series, or give one of its files."
        )
    return [header for header in found if header.series == slices[0].series]


def _listed(images: Sequence[SliceHeader]) -> str:
    counts = Counter((header.series, header.modality, header.technique) for header in images)
    words = [
        f"{name or '(blank)'} ({', '.join(filter(None, (f'{count} images', modality, technique)))})"
        for (name, modality, technique), count in sorted(counts.items())
    ]
    more = f" and {len(words) - _MOST_LISTED} more" if len(words) > _MOST_LISTED else ""
    return ", ".join(words[:_MOST_LISTED]) + more


def _require_single_frames(slices: Sequence[SliceHeader], *, name: str) -> None:
    frames = max(header.frames for header in slices)
    if frames > 1:
        raise VolumeError(
            f"A DICOM series has one slice in each file, but a file of {name} holds {frames} (enhanced multi-frame "
            "CT, which is not read); convert it to single frames or to NIfTI."
        )


def _left_out(counts: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(f"{count} {what}" for what, count in counts.items() if count)
