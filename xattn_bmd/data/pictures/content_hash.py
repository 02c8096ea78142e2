"""A fingerprint of what a radiograph shows, whatever file, header or units it came in."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.data.pictures.thinned import thinned

_LARGEST_TABLE = 1 << 22


def content_hash(pixels: NDArray[np.float32]) -> str:
    """Return the SHA-256 of the picture's shape and of the rank of each pixel's grey level.

    Of a large picture every n-th row and column is looked at, at least 512 of each: noise alone tells two exposures
    apart there, and all pixels of 5 million take as long as decoding them.

    Ranks stay the same under every rising map of the grey levels, so a DICOM file, its copy with another display
    window, slope or polarity tag, and its lossless PNG export all get one hash.

    Args:
        pixels: ``(H, W)`` finite float32, bone bright.

    Example:
        >>> picture = np.arange(12, dtype=np.float32).reshape(3, 4)
        >>> content_hash(picture) == content_hash(picture / 7 - 1)
        True
    """
    ranks = np.ascontiguousarray(_ranks(thinned(pixels)), dtype="<u4")
    digest = hashlib.sha256(np.asarray(pixels.shape, dtype="<u8").tobytes())
    digest.update(ranks.data)
    return digest.hexdigest()


def _ranks(pixels: NDArray[np.float32]) -> NDArray[np.intp]:
    levels = np.unique(pixels)
    if len(levels) < 2:
        return np.zeros(pixels.shape, dtype=np.intp)
    # one table slot holds one level at most: a look-up is ten times faster than a search
    scale = 2.0 / float(np.diff(levels.astype(np.float64)).min())
    slots = (float(levels[-1]) - float(levels[0])) * scale + 2
    if not slots < _LARGEST_TABLE:
        return np.searchsorted(levels, pixels)
    table = np.zeros(int(slots), dtype=np.intp)
    table[_slot(levels, first=levels[0], scale=scale)] = np.arange(len(levels))
    return table[_slot(pixels, first=levels[0], scale=scale)]


def _slot(values: NDArray[np.float32], *, first: np.float32, scale: float) -> NDArray[np.intp]:
    return ((values.astype(np.float64) - float(first)) * scale).astype(np.intp)
