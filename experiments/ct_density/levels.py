"""Bone that the segmenter found in each scan: L1 and L2, how well they are found, and their density."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from xattn_bmd import (
    Cohort,
    VolumeSegmenter,
    measure_density,
    read_labels,
    read_volume,
    split_bodies,
    surface_distance,
)
from xattn_bmd.data.volumes.write import write_labels
from xattn_bmd.errors import VolumeError
from xattn_bmd.metrics.dice import dice
from xattn_bmd.types import LabelMap, Volume

TRUE_LEVELS = {"L1": 3, "L2": 4}
"""Numbers of the levels in the simulation's truth."""


def find_levels(cohort: Cohort, segmenter: VolumeSegmenter, *, truth: Path, out: Path) -> pd.DataFrame:
    """Return one row per scan: overlap with the truth, whether the levels are right, mean HU and densities.

    Writes the labels of L1 and L2 to ``out``; a scan in which they are not found has a reason and no label map.

    Args:
        cohort: scans.
        segmenter: of vertebral bodies.
        truth: folder of the true bodies.
        out: folder of the label maps.
    """
    rows = []
    for name, path in cohort.image_paths.items():
        volume = read_volume(path)
        drawn = read_labels(truth / f"{name}.nii.gz", like=volume)
        row: dict[str, object] = {"scan_id": name, "reason": ""}
        try:
            found = segmenter.segment(volume)
            row |= overlap(found, drawn)
            pair = upper_lumbar(split_bodies(found))
            row |= {"right": right_levels(pair, drawn)} | measured(volume, pair)
            write_labels(pair, out / f"{name}.nii.gz")
        except VolumeError as error:
            row["reason"] = str(error)
        rows.append(row)
    return pd.DataFrame(rows)


def upper_lumbar(split: LabelMap) -> LabelMap:
    """Return L1 and L2 in a scan that was planned on the disc between L2 and L3.

    L2 and L3 are the neighbours whose middle lies nearest to the middle slice; L1 is the next above.

    Args:
        split: bodies numbered from head to feet.

    Raises:
        VolumeError: if there is no body above, or the disc is not near the middle slice.
    """
    slices = (len(split.labels) - 1) / 2
    numbers = sorted(split.names.values())
    heights = {number: np.argwhere(split.labels == number)[:, 0].mean() for number in numbers}
    below = {upper: abs((heights[upper] + heights[upper + 1]) / 2 - slices) for upper in numbers[:-1]}
    nearest = min(below, key=lambda upper: below[upper], default=0)
    if nearest < 2 or below[nearest] * split.spacing_mm[0] > 17.5:
        raise VolumeError(
            f"L1 and L2 lie above the disc in the middle of the scan, but {len(numbers)} bodies were found and none "
            "fits; look at the segmentation."
        )
    labels = np.zeros_like(split.labels)
    names = {"L1": 1, "L2": 2}
    for number, level in zip((nearest - 1, nearest), names.values(), strict=True):
        labels[split.labels == number] = level
    return replace(split, labels=labels, names=names, steps=(*split.steps, "L1 and L2 kept"))


def overlap(found: LabelMap, drawn: LabelMap) -> dict[str, float]:
    """Return Dice and surface distances of all bodies."""
    ours, theirs = found.labels > 0, drawn.labels > 0
    apart = surface_distance(ours, theirs, spacing_mm=found.spacing_mm)
    return {"dice": float(dice(ours[None], theirs[None])[0]), "assd": apart.assd, "hd95": apart.hd95}


def right_levels(pair: LabelMap, drawn: LabelMap) -> bool:
    """Return whether most voxels of either level lie in the true level of that name."""
    return all(
        np.bincount(drawn.labels[pair.labels == pair.names[name]]).argmax() == number
        for name, number in TRUE_LEVELS.items()
    )


def measured(volume: Volume, pair: LabelMap) -> dict[str, object]:
    """Return mean HU of L1 and L2, their density by the assumed line and by the phantom, and the phantom's line."""
    plain = measure_density(volume, pair, levels=pair.names, calibration="assumed")
    mended = measure_density(volume, pair, levels=pair.names, calibration="phantom_or_assumed")
    return {
        "mean_hu": float(np.mean([level.hu for level in plain.levels.values()])),
        "density_assumed": plain.density,
        "density_phantom": mended.density,
        "calibrated": mended.calibrated,
        "slope": mended.line.slope,
        "intercept": mended.line.intercept,
    }
