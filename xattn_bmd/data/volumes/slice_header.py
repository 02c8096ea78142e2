"""What is read of every DICOM file of a folder before any pixel: which series it belongs to and where it lies."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import VolumeError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_TAGS = (
    "Modality",
    "SeriesInstanceUID",
    "ImageType",
    "Rows",
    "Columns",
    "PixelSpacing",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "NumberOfFrames",
    "ConvolutionKernel",
    "KVP",
)
_CT_CLASSES = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1")


@dataclass(frozen=True)
class SliceHeader:
    """One image file of a folder.

    Attributes:
        path: the file.
        digest: SHA-256 of its bytes.
        series: its SeriesInstanceUID; empty where the file has none.
        modality: ``CT`` and others.
        scout: whether it is a localizer, which shows the patient from the side.
        frames: number of pictures in the file.
        shape: ``(rows, columns)``.
        spacing_mm: ``(row, column)``, or None where not stated.
        position: ``(3,)`` centre of the first voxel in mm, or None.
        orientation: ``(2, 3)`` directions of increasing column and row index, or None.
        technique: tube voltage and kernel in words; empty where not stated.
    """

    path: Path
    digest: str
    series: str
    modality: str
    scout: bool
    frames: int
    shape: tuple[int, int]
    spacing_mm: tuple[float, float] | None
    position: NDArray[np.float64] | None
    orientation: NDArray[np.float64] | None
    technique: str


def read_slice_header(path: Path) -> SliceHeader | None:
    """Read the header of one file; None where it holds no image.

    Raises:
        VolumeError: if the file is empty, cannot be opened, or is a DICOM file whose header is damaged.
    """
    content = _content(path)
    has_preamble = content[128:132] == b"DICM"
    try:
        header = _parsed(content, has_preamble=has_preamble)
        if header.get("Rows"):
            return _slice_header(header, path, content)
        other = _is_another_object(header)
    except Exception as cause:
        # pydicom meets damaged files with many kinds of exception
        if has_preamble:
            raise _damaged(path.name) from cause
        return None
    if has_preamble and not other:
        raise _damaged(path.name)
    return None


def _slice_header(header: Dataset, path: Path, content: bytes) -> SliceHeader:
    return SliceHeader(
        path=path,
        digest=hashlib.sha256(content).hexdigest(),
        series=str(header.get("SeriesInstanceUID") or ""),
        modality=str(header.get("Modality") or "")[:16],
        scout="LOCALIZER" in [str(item) for item in header.get("ImageType") or ()],
        frames=int(header.get("NumberOfFrames") or 1),
        shape=(int(header.Rows), int(header.get("Columns") or 0)),
        spacing_mm=_spacing(header),
        position=_numbers(header, "ImagePositionPatient", count=3),
        orientation=_directions(header),
        technique=_technique(header),
    )


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as cause:
        raise VolumeError(f"The files of a scan must be readable, but {path.name} is not; copy it again.") from cause
    if not content:
        raise VolumeError(f"The files of a scan hold data, but {path.name} has 0 bytes; copy the folder again.")
    return content


def _parsed(content: bytes, *, has_preamble: bool) -> Dataset:
    from pydicom import dcmread

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of files that are damaged or no DICOM at all, which are told apart below
        return dcmread(BytesIO(content), force=not has_preamble, stop_before_pixels=True, specific_tags=list(_TAGS))


def _is_another_object(header: Dataset) -> bool:
    """Tell whether a file without rows says that it is no CT slice (a report, a structure set, a directory)."""
    meta = header.file_meta
    # the class stands before the transfer syntax: where that is missing, the class may be cut
    return "TransferSyntaxUID" in meta and str(meta.get("MediaStorageSOPClassUID", "")) not in _CT_CLASSES


def _damaged(name: str) -> VolumeError:
    return VolumeError(f"A DICOM file must be complete, but the header of {name} is damaged; copy it again.")


def _numbers(header: Dataset, tag: str, *, count: int) -> NDArray[np.float64] | None:
    try:
        values = np.array([float(item) for item in header.get(tag) or ()])
    except (TypeError, ValueError):
        return None
    return values if values.shape == (count,) and np.isfinite(values).all() else None


def _spacing(header: Dataset) -> tuple[float, float] | None:
    values = _numbers(header, "PixelSpacing", count=2)
    return (float(values[0]), float(values[1])) if values is not None and (values > 0).all() else None


def _directions(header: Dataset) -> NDArray[np.float64] | None:
    values = _numbers(header, "ImageOrientationPatient", count=6)
    if values is None:
        return None
    directions = values.reshape(2, 3)
    lengths = np.linalg.norm(directions, axis=1)
    upright = np.allclose(lengths, 1, atol=1e-2) and abs(directions[0] @ directions[1]) < 1e-2
    return directions / lengths[:, None] if upright else None


def _technique(header: Dataset) -> str:
    voltage, kernel = header.get("KVP"), header.get("ConvolutionKernel")
    first = kernel if isinstance(kernel, str) or kernel is None else next(iter(kernel), None)
    words = [f"{float(voltage):g} kVp"] if voltage else []
    if first:
        words.append(f"kernel {str(first)[:16]}")
    return ", ".join(words)
