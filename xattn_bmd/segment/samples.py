"""Volumes as the segmenter sees them: checked, at the working spacing, with the class of each voxel."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.data.volumes.hounsfield import NOTHING, ValueRange, require_hounsfield
from xattn_bmd.data.volumes.resample import resample, resample_labels
from xattn_bmd.errors import VolumeError
from xattn_bmd.segment.classes import as_classes, require_same_grid
from xattn_bmd.segment.config import SegmenterConfig
from xattn_bmd.types import LabelMap, Volume


@dataclass(frozen=True, eq=False)
class Sample:
    """One training volume at the working spacing.

    Attributes:
        hu: ``(D, H, W)`` int16.
        classes: ``(D, H, W)`` uint8, 0 for background.
        content: fingerprint of what the volume shows.
    """

    hu: NDArray[np.int16]
    classes: NDArray[np.uint8]
    content: str


def see_volume(volume: Volume, *, config: SegmenterConfig, name: str) -> Volume:
    """Return a volume at the working spacing.

    Args:
        volume: in HU, also a memory map.
        config: settings of the segmenter.
        name: what it is, for errors.

    Raises:
        VolumeError: if the voxels cannot be HU, or a side is too short for the network.
    """
    found = NOTHING
    for plane in volume.voxels:
        found = found.joined(_range_of(plane))
    require_hounsfield(found, name=name)
    reach = [side * step for side, step in zip(volume.voxels.shape, volume.spacing_mm, strict=True)]
    least = [config.smallest_side * step for step in config.spacing_mm]
    if any(have < need for have, need in zip(reach, least, strict=True)):
        raise VolumeError(
            f"A volume to be segmented measures at least {_mm(least)} (slices, rows, columns) with {config.levels} "
            f"levels at this spacing, but {name} measures {_mm(reach)}; give more of the scan."
        )
    return resample(volume, config.spacing_mm)


def see_pairs(volumes: Sequence[Volume], labels: Sequence[LabelMap], *, config: SegmenterConfig) -> tuple[Sample, ...]:
    """Return training volumes with the class of each voxel.

    Args:
        volumes: the volumes.
        labels: the label map of each.
        config: settings of the segmenter.

    Raises:
        VolumeError: naming the first volume that cannot be used, or the label that no volume holds.
    """
    if len(volumes) != len(labels) or not volumes:
        raise VolumeError(
            f"Each training volume has one label map, but {len(volumes)} volumes and {len(labels)} label maps were "
            "given; give as many of each."
        )
    samples = tuple(
        _pair(volume, drawn, config=config, name=f"volume {place}")
        for place, (volume, drawn) in enumerate(zip(volumes, labels, strict=True))
    )
    counts = sum(np.bincount(sample.classes.ravel(), minlength=config.classes) for sample in samples)
    absent = [name for name, count in zip(config.labels, np.atleast_1d(counts)[1:], strict=True) if not count]
    if absent:
        raise VolumeError(
            f"Every label is drawn in some training volume, but {', '.join(absent)} in none; leave it out of the "
            "labels, or give volumes that show it."
        )
    return samples


def _pair(volume: Volume, drawn: LabelMap, *, config: SegmenterConfig, name: str) -> Sample:
    require_same_grid(drawn, volume, name=name)
    seen = see_volume(volume, config=config, name=name)
    classes = as_classes(resample_labels(drawn, config.spacing_mm), config.labels)
    if not classes.any():
        raise VolumeError(
            f"A training volume shows at least a voxel of a label ({', '.join(config.labels)}), but the labels of "
            f"{name} are empty; leave the volume out, or draw its labels."
        )
    hu = np.clip(np.rint(seen.voxels), -32768, 32767).astype(np.int16)
    return Sample(hu, classes, hashlib.sha256(np.array(hu.shape).tobytes() + hu.tobytes()).hexdigest())


def _range_of(plane: NDArray[np.float32] | NDArray[np.int16]) -> ValueRange:
    low, high = float(plane.min()), float(plane.max())
    broken = 0 if np.isfinite(low + high) else int(np.count_nonzero(~np.isfinite(plane)))
    return ValueRange(low, high, voxels=plane.size, floored=0, broken=broken)


def _mm(sides: Sequence[float]) -> str:
    return " x ".join(f"{side:.4g}" for side in sides) + " mm"
