"""Probabilities at the working spacing, brought back onto a volume's own voxels slice by slice."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.data.volumes.resample import Spacing, weights


def labels_on_grid(
    planes: Iterable[NDArray[np.float32]],
    *,
    seen: tuple[int, int, int],
    seen_mm: Spacing,
    shape: tuple[int, int, int],
    spacing_mm: Spacing,
) -> NDArray[np.uint16]:
    """Return the most probable class of each voxel, probabilities interpolated linearly between the seen ones.

    The two grids share their centre and directions, as :func:`~xattn_bmd.data.volumes.resample.resample` makes them.

    Args:
        planes: ``(K, h, w)`` probabilities of each seen slice, in order; only those in use are kept.
        seen: slices, rows and columns of the seen grid.
        seen_mm: its spacing.
        shape: ``(D, H, W)`` of the wanted grid.
        spacing_mm: its spacing.

    Returns:
        ``(D, H, W)`` uint16, 0 for background.
    """
    from scipy.sparse import csr_array

    slices, rows, columns = (
        csr_array(weights(old, new, ratio=after / before))
        for old, new, before, after in zip(seen, shape, seen_mm, spacing_mm, strict=True)
    )
    labels = np.zeros(shape, dtype=np.uint16)
    source = enumerate(planes)
    kept: dict[int, NDArray[np.float32]] = {}
    for number in range(shape[0]):
        part = slice(slices.indptr[number], slices.indptr[number + 1])
        needed, shares = slices.indices[part], slices.data[part]
        kept = {at: plane for at, plane in kept.items() if at >= needed.min()}
        while max(kept, default=-1) < needed.max():
            at, plane = next(source)
            kept[at] = plane
        mixed = sum(share * kept[int(at)] for at, share in zip(needed, shares, strict=True))
        fine = np.stack([(columns @ (rows @ each).T).T for each in np.asarray(mixed)])
        labels[number] = fine.argmax(axis=0)
    return labels
