"""From the numbers of a label map to the classes of a segmenter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import VolumeError
from xattn_bmd.types import LabelMap, Volume

_NEAR = 0.1
"""Largest distance between a corner of the labels and of the volume, as a share of the smallest voxel side."""


def group_labels(labels: LabelMap, groups: Mapping[str, Sequence[int]]) -> LabelMap:
    """Make one label of several; what no group names becomes background.

    Args:
        labels: the label map.
        groups: numbers that make up each new label.

    Returns:
        labels numbered from 1 in the order of ``groups``, and named.

    Raises:
        VolumeError: if a number is 0, or stands in two groups.

    Example:
        >>> drawn = LabelMap(np.array([[[5, 27, 28, 75]]], dtype=np.uint16), {}, (1.0, 1.0, 1.0), np.eye(4), ())
        >>> grouped = group_labels(drawn, {"vertebra": (27, 28), "femur": (75, 76)})
        >>> grouped.labels.tolist(), grouped.names
        ([[[0, 1, 1, 2]]], {'vertebra': 1, 'femur': 2})
    """
    numbers = [number for group in groups.values() for number in group]
    if min(numbers, default=0) < 1 or len(set(numbers)) < len(numbers):
        raise VolumeError(
            f"A label belongs to one group and is 1 or more, but {dict(groups)} was given; name each number once."
        )
    table = np.zeros(max(int(labels.labels.max(initial=0)), *numbers) + 1, dtype=np.uint16)
    for place, group in enumerate(groups.values(), start=1):
        table[list(group)] = place
    return LabelMap(
        labels=table[labels.labels],
        names={name: place for place, name in enumerate(groups, start=1)},
        spacing_mm=labels.spacing_mm,
        affine=labels.affine,
        steps=(*labels.steps, f"grouped into {', '.join(groups)}"),
    )


def as_classes(labels: LabelMap, names: Sequence[str]) -> NDArray[np.uint8]:
    """Return the class of each voxel: 1 for the first name and so on, 0 for all else.

    A map without names stands for one label: everything above 0.

    Args:
        labels: the label map.
        names: labels to be found.

    Raises:
        VolumeError: if the map names other structures only, or names none where several are asked for.

    Example:
        >>> drawn = LabelMap(np.array([[[0, 20, 22]]], dtype=np.uint16), {"L2": 22}, (1.0, 1.0, 1.0), np.eye(4), ())
        >>> as_classes(drawn, ("L1", "L2")).tolist()
        [[[0, 0, 2]]]
    """
    if not labels.names and len(names) == 1:
        return (labels.labels > 0).astype(np.uint8)
    if not set(names) & set(labels.names):
        found = ", ".join(labels.names) if labels.names else "no names"
        raise VolumeError(
            f"A label map names what is to be found ({', '.join(names)}), but one has {found}; read it with names, "
            "group its labels, or correct the labels of the configuration."
        )
    table = np.zeros(max(int(labels.labels.max(initial=0)), *labels.names.values()) + 1, dtype=np.uint8)
    for place, name in enumerate(names, start=1):
        if name in labels.names:
            table[labels.names[name]] = place
    return table[labels.labels]


def require_same_grid(labels: LabelMap, volume: Volume, *, name: str) -> None:
    """Refuse labels that do not lie on the voxels of their volume.

    Args:
        labels: the label map.
        volume: its volume.
        name: what they are, for errors.

    Raises:
        VolumeError: if the number of voxels differs, or a corner lies elsewhere.
    """
    ours, theirs = labels.labels.shape, volume.voxels.shape
    if ours != theirs:
        raise VolumeError(
            f"Labels lie on the voxels of their volume, but those of {name} are {ours} and the volume {theirs} "
            "(slices, rows, columns); resample the labels to the grid of the volume."
        )
    last = np.array(theirs) - 1
    corners = np.array([[d, h, w, 1] for d in (0, last[0]) for h in (0, last[1]) for w in (0, last[2])])
    apart = float(np.linalg.norm((corners @ (labels.affine - volume.affine).T)[:, :3], axis=1).max())
    if apart > _NEAR * min(volume.spacing_mm):
        raise VolumeError(
            f"Labels lie where their volume lies, but a corner of those of {name} is {apart:.2f} mm away from it; give "
            "the labels of this volume, or resample them to its grid."
        )
