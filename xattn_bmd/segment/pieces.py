"""Connected pieces of a segmentation: small ones are dropped, and if wished all but the largest of a label."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.segment.config import KeepPieces


def drop_pieces(labels: NDArray[np.uint16], *, keep: KeepPieces, smallest: float) -> int:
    """Set voxels of pieces that are not kept to 0, in place.

    Voxels of a label that touch, also by an edge or a corner, are one piece.  Of two largest pieces of one size the
    first from the head is kept.

    Args:
        labels: ``(D, H, W)``, 0 for background.
        keep: ``"all"`` pieces of a label that are large enough, or its ``"largest"``.
        smallest: voxels of the smallest piece that is large enough.

    Returns:
        number of dropped pieces.

    Example:
        >>> labels = np.array([[[1, 1, 0, 1, 0, 2]]], dtype=np.uint16)
        >>> drop_pieces(labels, keep="largest", smallest=1), labels.tolist()
        (1, [[[1, 1, 0, 0, 0, 2]]])
    """
    from scipy.ndimage import find_objects, label

    dropped = 0
    for number, box in enumerate(find_objects(labels), start=1):
        if not box:  # None where the number does not occur
            continue
        part = labels[box]
        pieces, count = label(part == number, structure=np.ones((3, 3, 3)))
        # slice by slice: bincount makes eight bytes of every voxel
        sizes = sum(np.bincount(plane.ravel(), minlength=count + 1) for plane in pieces)
        kept = np.asarray(sizes) >= max(1.0, smallest)
        kept[0] = False
        if keep == "largest":
            kept &= np.arange(count + 1) == 1 + np.argmax(np.asarray(sizes)[1:])
        for plane, drawn in zip(pieces, part, strict=True):
            drawn[(plane > 0) & ~kept[plane]] = 0
        dropped += count - int(kept.sum())
    return dropped
