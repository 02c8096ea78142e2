"""Resample a volume, or its labels, to another spacing, in memory for the result and a slice."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import VolumeError
from xattn_bmd.types import LabelMap, Volume

Spacing = tuple[float, float, float]


def resample(volume: Volume, spacing_mm: Spacing) -> Volume:
    """Resample a volume linearly; where voxels grow, each is a mean of what lies around it.

    The new grid shares the volume's centre and directions, and covers its field to the nearest whole voxel.  Where the
    new spacing is coarser, by a factor ``r`` along an axis, the linear interpolation is averaged over a stretch of
    ``sqrt(r² - 1)`` old voxels, so that noise is averaged instead of picked and a straight ramp stays what it was; at
    the border the outermost voxel is repeated.  Slices are read one at a time.

    Args:
        volume: the volume, also a memory map.
        spacing_mm: wanted ``(slice, row, column)`` spacing, mm.

    Returns:
        float32 volume of exactly this spacing.

    Raises:
        VolumeError: if a spacing is not a positive number.

    Example:
        >>> voxels = np.arange(4, dtype=np.float32).repeat(4).reshape(4, 2, 2)
        >>> volume = Volume(voxels, spacing_mm=(1.0, 1.0, 1.0), affine=np.eye(4), steps=())
        >>> coarse = resample(volume, (2.0, 1.0, 1.0))
        >>> coarse.voxels.shape, [f"{value:.2f}" for value in coarse.voxels[:, 0, 0]]
        ((2, 2, 2), ['0.54', '2.46'])
    """
    from scipy.sparse import csr_array

    shape = _shape(volume.voxels.shape, volume.spacing_mm, spacing_mm)
    slices, rows, columns = (
        csr_array(weights(old, new, ratio=ratio))
        for old, new, ratio in zip(volume.voxels.shape, shape, _ratios(volume.spacing_mm, spacing_mm), strict=True)
    )
    reached = slices.tocsc()
    result = np.zeros(shape, dtype=np.float32)
    for number, plane in enumerate(volume.voxels):
        small = (columns @ (rows @ plane.astype(np.float32)).T).T
        for at in range(reached.indptr[number], reached.indptr[number + 1]):
            result[reached.indices[at]] += reached.data[at] * small
    return Volume(
        voxels=result,
        spacing_mm=spacing_mm,
        affine=_affine(volume.affine, volume.voxels.shape, shape, _ratios(volume.spacing_mm, spacing_mm)),
        steps=(*volume.steps, f"resampled linearly to {_words(spacing_mm)}"),
    )


def resample_labels(labels: LabelMap, spacing_mm: Spacing) -> LabelMap:
    """Resample labels by nearest neighbour onto the grid that :func:`resample` gives their volume.

    Args:
        labels: the label map.
        spacing_mm: wanted ``(slice, row, column)`` spacing, mm.

    Raises:
        VolumeError: if a spacing is not a positive number.
    """
    old = labels.labels.shape
    new, ratios = _shape(old, labels.spacing_mm, spacing_mm), _ratios(labels.spacing_mm, spacing_mm)
    nearest = [
        np.clip(np.rint(_centres(before, after, ratio=ratio)), 0, before - 1).astype(np.intp)
        for before, after, ratio in zip(old, new, ratios, strict=True)
    ]
    return LabelMap(
        labels=labels.labels[np.ix_(*nearest)],
        names=labels.names,
        spacing_mm=spacing_mm,
        affine=_affine(labels.affine, old, new, ratios),
        steps=(*labels.steps, f"nearest neighbours at {_words(spacing_mm)}"),
    )


def weights(old: int, new: int, *, ratio: float) -> NDArray[np.float32]:
    """Return the ``(new, old)`` weights of one axis; each row sums to 1.

    Args:
        old: voxels before.
        new: voxels after.
        ratio: new spacing divided by the old.

    Example:
        >>> (weights(4, 2, ratio=2.0) * 100).round().astype(int).tolist()
        [[50, 46, 4, 0], [0, 4, 46, 50]]
    """
    centres = _centres(old, new, ratio=ratio)
    stretch = math.sqrt(max(0.0, ratio**2 - 1))
    # voxels beyond the border, so that the outermost can stand for them
    beyond = math.ceil(ratio + stretch) + 1
    offsets = centres[:, None] - np.arange(-beyond, old + beyond)[None, :]
    if stretch > 0:
        share = (_below(offsets + stretch / 2) - _below(offsets - stretch / 2)) / stretch
    else:
        share = np.clip(1 - np.abs(offsets), 0, None)
    inside = share[:, beyond : beyond + old].copy()
    inside[:, 0] += share[:, :beyond].sum(axis=1)
    inside[:, -1] += share[:, beyond + old :].sum(axis=1)
    whole: NDArray[np.float64] = inside.sum(axis=1, keepdims=True)
    return np.asarray(inside / whole, dtype=np.float32)


def _below(offset: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of a triangle of base (-1, 1) that lies below each offset."""
    near = np.clip(offset, -1.0, 1.0)
    return np.asarray(0.5 + near - 0.5 * near * np.abs(near))


def _centres(old: int, new: int, *, ratio: float) -> NDArray[np.float64]:
    """Return where the new voxels' centres lie among the old ones'."""
    return (np.arange(new, dtype=np.float64) - (new - 1) / 2) * ratio + (old - 1) / 2


def _ratios(old: Spacing, new: Spacing) -> tuple[float, float, float]:
    return new[0] / old[0], new[1] / old[1], new[2] / old[2]


def _shape(shape: tuple[int, ...], old: Spacing, new: Spacing) -> tuple[int, int, int]:
    if not all(math.isfinite(side) and side > 0 for side in new):
        raise VolumeError(f"A spacing is three positive lengths in mm, but {new} was given; correct spacing_mm.")
    slices, rows, columns = (
        max(1, round(count * before / after)) for count, before, after in zip(shape, old, new, strict=True)
    )
    return slices, rows, columns


def _affine(
    affine: NDArray[np.float64], old: tuple[int, ...], new: tuple[int, ...], ratios: tuple[float, float, float]
) -> NDArray[np.float64]:
    moved = affine.copy()
    first = [_centres(before, after, ratio=r)[0] for before, after, r in zip(old, new, ratios, strict=True)]
    moved[:3, 3] += affine[:3, :3] @ np.array(first)
    moved[:3, :3] = affine[:3, :3] * np.array(ratios)
    return moved


def _words(spacing_mm: Spacing) -> str:
    return " x ".join(f"{side:.4g}" for side in spacing_mm) + " mm"
