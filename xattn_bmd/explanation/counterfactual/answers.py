"""What a predictor answers to each change of each person, and through which part of the picture.

Axes: ``N`` people, ``S`` side of the network's square picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.dataset import row_blocks
from xattn_bmd.explanation.counterfactual.attribution import change_heat
from xattn_bmd.explanation.counterfactual.changes import Change
from xattn_bmd.explanation.counterfactual.pictures import TRUTH, changed_cohort
from xattn_bmd.explanation.judge.masks import Masks, seen_masks
from xattn_bmd.simulate.person import Hip
from xattn_bmd.training.prediction.pictures import GivenPictures
from xattn_bmd.training.prediction.predictor import Predictor

WHOLE = "whole"
REGIONS = ("neck", "femur", "pelvis", "background")
"""Parts of the picture that share nothing: neck box, the femur without it, pelvis without femur, all else."""


def change_answers(
    predictor: Predictor, hips: Sequence[Hip], change: Change, *, folder: Path, cache: Path, size: int
) -> pd.DataFrame:
    """Simulate one change, one step up and one down, and return how the estimate of every person answers.

    Args:
        predictor: the model; the mean of its folds answers.
        hips: the people.
        change: what is changed.
        folder: gets the pictures.
        cache: folder of decoded images.
        size: rows and columns of a simulated picture.

    Returns:
        One row for each person: radiograph_id, patient_id, change, true_bmd (before the change, g/cm²), low, high
        (estimates one step down and up, g/cm²), and slope (``whole``, then the part of each of :data:`REGIONS`, for a
        model that is a network and looks at whole radiographs; and ``area_REGION``, the share of the picture that each
        covers).
    """
    each = {
        steps: changed_cohort(hips, change, steps=steps, folder=folder / name, size=size, roles=predictor.roles)
        for steps, name in ((-1, "down"), (1, "up"))
    }
    density = {steps: predictor.predict(cohort, cache=cache)["prediction"].to_numpy() for steps, cohort in each.items()}
    table = pd.DataFrame(
        {
            "radiograph_id": [hip.radiograph_id for hip in hips],
            "patient_id": [hip.patient_id for hip in hips],
            "change": change.name,
            "true_bmd": [hip.true_bmd for hip in hips],
            "low": density[-1],
            "high": density[1],
            WHOLE: (density[1] - density[-1]) / (2.0 * change.per),
        }
    )
    if not predictor.ensemble.networks or not predictor.uses_images or predictor.crop_digest:
        return table
    return table.assign(**_by_region(predictor, each[-1], each[1], folder / "up" / TRUTH, cache, 2.0 * change.per))


def _by_region(
    predictor: Predictor, down: Cohort, up: Cohort, truth: Path, cache: Path, per: float
) -> dict[str, NDArray[np.float64]]:
    before, after = (GivenPictures.open(cohort, image=predictor.image, cache=cache) for cohort in (down, up))
    each = []
    for rows in row_blocks(len(up)):
        pair = (before.take(rows).pictures, after.take(rows).pictures)
        each.append(change_heat(predictor.ensemble, up.table.iloc[rows], *pair))
    heat = np.concatenate(each) / per
    regions = _regions(seen_masks(Masks.open(truth, radiograph_ids=up.radiograph_ids), up, image=predictor.image))
    parts = {name: (mask * heat).sum(axis=(1, 2)) for name, mask in regions.items()}
    return parts | {f"area_{name}": mask.mean(axis=(1, 2)) for name, mask in regions.items()}


def _regions(masks: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float64]]:
    """Return masks ``(N, S, S)`` that add up to 1 everywhere."""
    neck, femur, pelvis = (masks[name].astype(np.float64) for name in ("neck", "femur", "pelvis"))
    femur = np.maximum(femur, neck)
    pelvis = pelvis * (1.0 - femur)
    return dict(zip(REGIONS, (neck, femur - neck, pelvis, 1.0 - femur - pelvis), strict=True))
