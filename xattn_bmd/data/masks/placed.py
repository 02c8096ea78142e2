"""A mask brought to the place of its radiograph in the square picture: cut, resized and padded with the same frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xattn_bmd.data.preprocess import Frame


def placed_share(mask: NDArray[np.bool_], *, frame: Frame, size: int) -> NDArray[np.float32]:
    """Return a mask as the square picture holds it, before it is mirrored.

    Args:
        mask: ``(H, W)`` bool, as the radiograph's file shows it.
        frame: where the field of the radiograph lies in the picture.
        size: side ``S`` of the picture.

    Returns:
        ``(S, S)`` float32: the share of each pixel that the mask covers, weighted as the picture's grey levels are.
    """
    box = frame.box
    cut = mask[box.top : box.bottom, box.left : box.right].astype(np.float32)
    resized = Image.fromarray(cut).resize((frame.width, frame.height), Image.Resampling.BILINEAR)
    square = np.zeros((size, size), dtype=np.float32)
    square[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width] = np.asarray(resized)
    return square


def placed_mask(mask: NDArray[np.bool_], *, frame: Frame, size: int) -> NDArray[np.uint8]:
    """Return ``(S, S)`` uint8, 1 where the mask covers at least half of a pixel of the square picture.

    Example:
        >>> from xattn_bmd.data.pictures.border import Box
        >>> drawn = np.zeros((64, 32), dtype=bool)
        >>> drawn[16:32, 8:24] = True
        >>> placed = placed_mask(drawn, frame=Frame(Box(0, 64, 0, 32), 32, 16, 0, 8), size=32)
        >>> int(placed.sum()), int(placed[8:16, 12:20].sum())
        (64, 64)
    """
    return (placed_share(mask, frame=frame, size=size) >= 0.5).astype(np.uint8)


def mask_on_radiograph(share: NDArray[np.float32], *, frame: Frame, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return a mask of the square picture on the pixels of its radiograph; :func:`placed_mask` undone.

    Args:
        share: ``(S, S)`` share or probability that each pixel of the square picture lies inside, not mirrored.
        frame: where the field of the radiograph lies in the picture.
        shape: rows and columns of the radiograph.

    Returns:
        ``(H, W)`` bool, True where the share, enlarged linearly, is above a half; False in a border that was cut away.

    Example:
        >>> from xattn_bmd.data.pictures.border import Box
        >>> drawn, frame = np.zeros((64, 32), dtype=bool), Frame(Box(0, 64, 0, 32), 32, 16, 0, 8)
        >>> drawn[16:32, 8:24] = True
        >>> found = mask_on_radiograph(placed_share(drawn, frame=frame, size=32), frame=frame, shape=(64, 32))
        >>> int(found.sum()), int(found[16:32, 8:24].sum())
        (252, 252)
    """
    box = frame.box
    field = share[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width]
    rows, columns = box.shape
    enlarged = Image.fromarray(np.ascontiguousarray(field)).resize((columns, rows), Image.Resampling.BILINEAR)
    mask = np.zeros(shape, dtype=np.bool_)
    mask[box.top : box.bottom, box.left : box.right] = np.asarray(enlarged) > 0.5
    return mask
