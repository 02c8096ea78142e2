"""PNG and JPEG files to grey levels; what they show is taken as displayed, so bone is bright."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.data.reading.grey_channels import grey_channel
from xattn_bmd.errors import RadiographError
from xattn_bmd.types import Radiograph

if TYPE_CHECKING:
    from PIL.Image import Image

_SCREEN_PIXELS_PER_METRE = {2834, 2835, 3779, 3780}
_GREY_MODES = ("L", "I", "I;16", "I;16B", "I;16L", "F")
_PNG_GREY = 0
_ORIENTATION_TAG = 0x0112


def read_raster(path: Path, *, kind: str) -> Radiograph:
    """Read a PNG or JPEG file at its full depth.

    Args:
        path: the file.
        kind: ``"PNG"`` or ``"JPEG"``, as its first bytes say.

    Returns:
        pixels ``(H, W)`` float32 as stored; spacing from a PNG's pHYs chunk, unless that is a screen's 72 or 96 dpi.

    Raises:
        RadiographError: if the file is cut short, animated, in colour, or has 16 bits with colour or alpha channels.
    """
    if kind == "PNG":
        _require_full_depth(path)
    image, turned = _load(path)
    grey, shown = _grey_levels(image, name=path.name)
    depth = grey.dtype.itemsize * 8
    spacing, spacing_step = _spacing(path) if kind == "PNG" else (None, "spacing not stated")
    steps = (
        f"decoded {kind}: {grey.shape[0]} x {grey.shape[1]}, {depth} bits",
        *turned,
        *shown,
        "bone taken as bright, as displayed",
        spacing_step,
    )
    if spacing and any("quarter" in step for step in turned):
        spacing = spacing[::-1]
    return Radiograph(pixels=grey.astype(np.float32), spacing_mm=spacing, steps=steps)


def _require_full_depth(path: Path) -> None:
    with path.open("rb") as stream:
        head = stream.read(26)
    if len(head) == 26 and head[24] == 16 and head[25] != _PNG_GREY:
        # Pillow would cut these to 8 bits without a word
        raise RadiographError(
            f"A 16-bit PNG radiograph has one grey channel, but {path.name} has colour or alpha channels too; "
            "save it as 16-bit greyscale."
        )


def _load(path: Path) -> tuple[Image, list[str]]:
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            frames = int(getattr(image, "n_frames", 1))
            if frames > 1:
                raise RadiographError(
                    f"A radiograph is a single picture, but {path.name} holds {frames} frames; "
                    "export the one that is meant."
                )
            image.load()
            orientation = int(image.getexif().get(_ORIENTATION_TAG, 1))
            steps = _turned(orientation)
            # exif_transpose copies a picture that stands upright, too
            return (ImageOps.exif_transpose(image) if steps else image), steps
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as cause:
        raise RadiographError(
            f"An image file must be complete, but {path.name} is cut short or damaged and cannot be decoded; "
            "copy it again."
        ) from cause


def _turned(orientation: int) -> list[str]:
    if orientation <= 1 or orientation > 8:
        return []
    return [f"turned as its orientation tag {orientation} says{' (quarter turn)' if orientation > 4 else ''}"]


def _grey_levels(image: Image, *, name: str) -> tuple[NDArray[Any], list[str]]:
    if image.mode in _GREY_MODES:
        return np.asarray(image), []
    if image.mode == "1":
        return np.asarray(image.convert("L")), []
    if image.mode in ("P", "PA", "RGB", "RGBA", "LA"):
        return _from_channels(np.array(image.convert("RGBA")), name=name)
    return grey_channel(np.empty((1, 1, 4)), name=name), []


def _from_channels(array: NDArray[np.uint8], *, name: str) -> tuple[NDArray[np.uint8], list[str]]:
    clear = array[..., 3] == 0
    array[clear, :3] = 0
    grey = grey_channel(array[..., :3], name=name).copy()
    steps = ["equal colour channels taken as grey"]
    if clear.any() and not clear.all():
        grey[clear] = grey[~clear].min()
        steps.append(f"{clear.mean():.1%} of the pixels are transparent: set to the darkest grey of the rest")
    return grey, steps


def _spacing(path: Path) -> tuple[tuple[float, float] | None, str]:
    """Read the pHYs chunk, which Pillow rounds away."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        position = data.find(b"pHYs", 0, max(data.find(b"IDAT"), 0))
        if position < 0:
            return None, "spacing not stated"
        across, down, unit = struct.unpack(">IIB", data[position + 4 : position + 13])
    if unit != 1 or not across or not down:
        return None, "spacing not stated"
    if {across, down} <= _SCREEN_PIXELS_PER_METRE:
        return None, "spacing not stated (the file carries a screen's 72 or 96 dpi)"
    spacing = (1000 / down, 1000 / across)
    return spacing, f"spacing {spacing[0]:.4g} x {spacing[1]:.4g} mm from the pHYs chunk"
