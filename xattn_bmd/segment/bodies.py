"""One label of vertebral bodies, told apart from head to feet."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.data.volumes.trabecular import erode
from xattn_bmd.errors import VolumeError
from xattn_bmd.types import LabelMap

_MM3_PER_ML = 1000.0
_DROPPED = 65535


def split_bodies(
    labels: LabelMap, *, margin_mm: float = 4.0, smallest_ml: float = 2.0, column_mm: float | None = None
) -> LabelMap:
    """Number vertebral bodies from head to feet, also where thin bridges join neighbours.

    Each body is a core that is left after erosion, with the voxels that lie nearest to it; erosion cuts bridges across
    discs that are thinner than twice the margin.

    Args:
        labels: everything above 0 is vertebral body.
        margin_mm: depth of the erosion.
        smallest_ml: smaller cores are dropped with the voxels around them: what the field cut, and false finds.
        column_mm: cores whose middle lies further than this, seen along the body, from that of the core with the most
            others so near are dropped too: hips and ribs in the field of a whole torso.  None keeps them.

    Returns:
        labels 1, 2, ... from head to feet, named ``body_1``, ``body_2``, ...

    Raises:
        VolumeError: if no core is large enough.

    Example:
        >>> voxels = np.zeros((20, 14, 14), dtype=np.uint16)
        >>> voxels[1:9, 2:12, 2:12] = voxels[11:19, 2:12, 2:12] = 7
        >>> voxels[9:11, 6:8, 6:8] = 7  # a bridge across the disc
        >>> split = split_bodies(LabelMap(voxels, {}, (3.0, 2.0, 2.0), np.eye(4), ()))
        >>> split.labels[:, 3, 3].tolist()
        [0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2, 0]
    """
    from scipy.ndimage import distance_transform_edt, label

    bone = labels.labels > 0
    eroded = erode(bone, labels.spacing_mm, margin_mm=margin_mm)
    cores = _cores(eroded, labels, smallest_ml=smallest_ml, column_mm=column_mm)
    nearest = distance_transform_edt(
        cores == 0, sampling=labels.spacing_mm, return_distances=False, return_indices=True
    )
    split = np.where(bone, cores[tuple(nearest)], 0)
    pieces, _ = label(bone)
    with_core = np.unique(pieces[(cores > 0) & (cores != _DROPPED)])
    split[(split == _DROPPED) | ~np.isin(pieces, with_core)] = 0
    return replace(
        labels,
        labels=split.astype(np.uint16),
        names={f"body_{number}": number for number in range(1, int(split.max()) + 1)},
        steps=(*labels.steps, f"told apart by cores more than {margin_mm:g} mm deep and of {smallest_ml:g} ml or more"),
    )


def _cores(
    eroded: NDArray[np.bool_], labels: LabelMap, *, smallest_ml: float, column_mm: float | None
) -> NDArray[np.intp]:
    """Return large cores numbered from head to feet, and all others under one number of their own."""
    from scipy.ndimage import center_of_mass, label

    pieces, count = label(eroded)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:] * prod(labels.spacing_mm) / _MM3_PER_ML
    large = [number for number in range(1, count + 1) if sizes[number - 1] >= smallest_ml]
    if not large:
        raise VolumeError(
            f"A vertebral body has a core of {smallest_ml:g} ml or more, but the largest here has "
            f"{max(sizes, default=0.0):.2f} ml; look at the labels, or ask for a smaller core."
        )
    middles = np.array(center_of_mass(eroded, pieces, large)) * labels.spacing_mm
    kept = _column(middles, sizes=sizes[np.array(large) - 1], column_mm=column_mm)
    numbers = np.full(count + 1, _DROPPED)
    numbers[0] = 0
    for place, which in enumerate(kept[np.argsort(middles[kept, 0])], start=1):
        numbers[large[which]] = place
    return np.asarray(numbers[pieces])


def _column(middles: NDArray[np.float64], *, sizes: NDArray[np.float64], column_mm: float | None) -> NDArray[np.intp]:
    """Return which cores stand in one column; of two columns of as many cores the one of more bone."""
    if column_mm is None:
        return np.arange(len(middles))
    apart = np.linalg.norm(middles[:, None, 1:] - middles[None, :, 1:], axis=-1)
    near = apart <= column_mm
    seed = max(range(len(middles)), key=lambda row: (near[row].sum(), sizes[near[row]].sum()))
    return np.flatnonzero(near[seed])
