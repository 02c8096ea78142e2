"""Read one radiograph from a DICOM, PNG, TIFF or JPEG file: the only door through which pixels enter."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from xattn_bmd.errors import RadiographError
from xattn_bmd.types import Radiograph

SMALLEST_SIDE = 32
"""Fewest rows and columns, pixels, that a radiograph can have; anything smaller is an icon or a thumbnail."""

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
)


def read_radiograph(path: str | Path) -> Radiograph:
    """Read one grey-scale radiograph, bone bright, with every step recorded.

    The content of the file decides how it is read, not its name.  DICOM goes through modality LUT, VOI LUT or window,
    and polarity (:mod:`xattn_bmd.data.reading.dicom`); other files hold what was displayed, so bright bone is assumed
    there unless a TIFF declares MinIsWhite.  Linear windows rescale without clipping: every level of the file survives.

    Args:
        path: a DICOM (raw, RLE, JPEG baseline, JPEG 2000), 8- or 16-bit PNG, 8-, 16-bit or float TIFF, or JPEG file.

    Returns:
        pixels ``(H, W)`` float32, spacing in mm where the file states it, and the steps in words.

    Raises:
        RadiographError: if the file is missing, empty, cut short, not an image, without pixels, multi-frame, in colour,
            compressed in a way that needs another package, constant, not finite, or smaller than 32 pixels.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> path = Path(tempfile.mkdtemp()) / "hip.png"
        >>> Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64)).save(path)
        >>> radiograph = read_radiograph(path)
        >>> radiograph.pixels.shape, float(radiograph.pixels.max()), radiograph.spacing_mm
        ((64, 64), 4095.0, None)
    """
    path = Path(path)
    radiograph = _read_as(_file_kind(path), path)
    _require_picture(radiograph, name=path.name)
    return radiograph


def _file_kind(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            head = stream.read(132)
    except OSError as cause:
        raise RadiographError(
            f"A radiograph must be a readable file, but {path.name} {_open_problem(cause)}; "
            "correct the path in the table or restore the file."
        ) from cause
    if not head:
        raise RadiographError(f"A radiograph file holds an image, but {path.name} has 0 bytes; copy it again.")
    if head[128:132] == b"DICM":
        return "DICOM"
    return next((kind for signature, kind in _SIGNATURES if head.startswith(signature)), "DICOM without preamble")


def _open_problem(cause: OSError) -> str:
    if isinstance(cause, FileNotFoundError):
        return "does not exist"
    return "is a folder" if isinstance(cause, IsADirectoryError) else "cannot be opened"


def _read_as(kind: str, path: Path) -> Radiograph:
    # imported here: pydicom, Pillow and tifffile cost start-up time that a run on a finished cache never needs
    if kind.startswith("DICOM"):
        from xattn_bmd.data.reading.dicom import read_dicom

        return read_dicom(path, has_preamble=kind == "DICOM")
    if kind == "TIFF":
        from xattn_bmd.data.reading.tiff import read_tiff

        return read_tiff(path)
    from xattn_bmd.data.reading.raster import read_raster

    return read_raster(path, kind=kind)


def _require_picture(radiograph: Radiograph, *, name: str) -> None:
    pixels = radiograph.pixels
    height, width = pixels.shape
    if min(height, width) < SMALLEST_SIDE:
        raise RadiographError(
            f"A radiograph has at least {SMALLEST_SIDE} rows and columns, but {name} has {height} x {width}; "
            "give the full picture, not its icon."
        )
    lowest, highest = float(pixels.min()), float(pixels.max())
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise RadiographError(
            f"Grey levels must be finite numbers, but {name} holds NaN or infinite ones; export the file again."
        )
    if lowest == highest:
        raise RadiographError(
            f"A radiograph shows more than one grey level, but every pixel of {name} equals {lowest:g}; "
            "export the file again."
        )
