"""TIFF files to grey levels, with MinIsWhite honoured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.data.reading.grey_channels import grey_channel
from xattn_bmd.errors import RadiographError
from xattn_bmd.types import Radiograph

_MIN_IS_WHITE = 0
_PALETTE = 3


def read_tiff(path: Path) -> Radiograph:
    """Read an 8-, 16-, 32-bit or float TIFF at its full depth.

    Args:
        path: the file.

    Returns:
        pixels ``(H, W)`` float32, bone bright; spacing None, for a TIFF's resolution describes a print.

    Raises:
        RadiographError: if the file is cut short, has several pages, or is in colour.
    """
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            _require_one_page(file, name=path.name)
            page: Any = file.pages[0]
            photometric, bits = int(page.photometric), int(page.bitspersample)
            array, inverted = _decode(path, page)
    except RadiographError:
        raise
    except MemoryError:
        raise
    except Exception as cause:
        # tifffile meets damaged files with many kinds of exception
        raise _cut_short(path.name) from cause
    if photometric == _PALETTE:
        raise RadiographError(
            f"A radiograph is grey, but the TIFF {path.name} is a colour palette; save it as greyscale."
        )
    levels, steps = _single_channel(array, name=path.name)
    decoded = f"decoded TIFF: {levels.shape[0]} x {levels.shape[1]}, {bits} bits"
    if photometric == _MIN_IS_WHITE:
        levels = levels if inverted else _negative(levels, bits=bits)
        polarity = "MinIsWhite: inverted so that bone is bright"
    else:
        polarity = "bone taken as bright, as displayed"
    return Radiograph(
        pixels=np.ascontiguousarray(levels, dtype=np.float32),
        spacing_mm=None,
        steps=(decoded, *steps, polarity, "spacing not stated"),
    )


def _require_one_page(file: Any, *, name: str) -> None:  # noqa: ANN401
    pages = sum(not page.is_reduced for page in file.pages) or len(file.pages)
    if pages > 1:
        raise RadiographError(
            f"A radiograph is a single picture, but the TIFF {name} holds {pages} pages; export the one that is meant."
        )


def _decode(path: Path, page: Any) -> tuple[NDArray[Any], bool]:  # noqa: ANN401
    """Return the stored array, and whether the decoder has inverted MinIsWhite already."""
    if page.dataoffsets and page.dataoffsets[-1] + page.databytecounts[-1] > path.stat().st_size:
        raise _cut_short(path.name)
    try:
        return page.asarray(), False
    except ValueError as cause:
        if "imagecodecs" not in str(cause):
            raise
    from PIL import Image

    # LZW and JPEG inside TIFF: tifffile needs another package for them, Pillow does not
    with Image.open(path) as image:
        if image.mode not in ("L", "I", "I;16", "I;16B", "F", "RGB"):
            raise _cut_short(path.name)
        return np.asarray(image), image.mode == "L"


def _single_channel(array: NDArray[Any], *, name: str) -> tuple[NDArray[Any], list[str]]:
    array = np.squeeze(array)
    if array.ndim == 2:
        return array, []
    if array.ndim == 3 and array.shape[0] in (3, 4) and array.shape[2] > 4:
        array = np.moveaxis(array, 0, -1)
    if array.ndim == 3 and array.shape[2] == 2:
        return array[..., 0], ["alpha channel dropped"]
    if array.ndim == 3 and array.shape[2] == 4:
        return grey_channel(array[..., :3], name=name), ["equal colour channels taken as grey; alpha channel dropped"]
    return grey_channel(array, name=name), ["equal colour channels taken as grey"]


def _negative(levels: NDArray[Any], *, bits: int) -> NDArray[Any]:
    if np.issubdtype(levels.dtype, np.unsignedinteger):
        return np.asarray((1 << bits) - 1 - levels.astype(np.int64))
    return np.asarray(-levels.astype(np.float64))


def _cut_short(name: str) -> RadiographError:
    return RadiographError(
        f"A TIFF file must be complete, but {name} is cut short, damaged or compressed in an unsupported way; "
        "copy it again or save it uncompressed."
    )
