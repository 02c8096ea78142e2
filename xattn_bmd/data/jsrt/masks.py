"""SCR masks: read, joined, enlarged to the radiograph's pixels."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.data.jsrt.film import SIDE
from xattn_bmd.errors import CohortError

MASK_SIDE = 1024
"""Rows and columns of an SCR mask, which covers the same field as the radiograph."""

_TIMES = SIDE // MASK_SIDE


def read_mask(content: bytes, *, name: str) -> NDArray[np.bool_]:
    """Return one SCR mask.

    Args:
        content: the ``.gif`` file.
        name: what messages call it.

    Returns:
        ``(1024, 1024)`` bool, True inside the organ.

    Raises:
        CohortError: if it cannot be decoded, or is not a mask of this size.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=("GIF",)) as image:
            frames = int(getattr(image, "n_frames", 1))
            grey = image.convert("L")
            levels, counts = np.asarray(grey), grey.histogram()
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as cause:
        raise CohortError(
            f"An SCR mask is a GIF file, but {name} cannot be decoded; copy or unpack it again."
        ) from cause
    if levels.shape != (MASK_SIDE, MASK_SIDE) or frames != 1:
        raise CohortError(
            f"An SCR mask is one picture of {MASK_SIDE} x {MASK_SIDE} pixels, but {name} has {frames} of "
            f"{levels.shape[0]} x {levels.shape[1]}; take the original file."
        )
    if found := [level for level in range(1, 255) if counts[level]]:
        raise CohortError(f"An SCR mask has the levels 0 and 255, but {name} has {found[0]}; take the original file.")
    if not counts[255]:
        raise CohortError(
            f"A mask shows where an organ is, but {name} is empty; take the original file, or move it away."
        )
    return levels > 0


def mask_png(parts: Sequence[NDArray[np.bool_]]) -> bytes:
    """Return the union of masks as a PNG file, each of their pixels as 2 x 2 pixels of the radiograph.

    Args:
        parts: masks ``(1024, 1024)``, at least one.

    Returns:
        8-bit grey, 2048 x 2048, 255 inside and 0 outside.
    """
    from PIL import Image

    union = np.logical_or.reduce(parts)
    large = union.repeat(_TIMES, axis=0).repeat(_TIMES, axis=1)
    stream = io.BytesIO()
    Image.fromarray(large.astype(np.uint8) * np.uint8(255)).save(stream, format="PNG")
    return stream.getvalue()
