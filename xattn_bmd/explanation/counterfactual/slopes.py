"""Two slopes that only a simulator can measure: how an estimate follows the mineral, and how it follows anything else.

Axes: ``N`` people, ``W`` weightings of the patients.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xattn_bmd.atomic import atomic_folder, atomic_write
from xattn_bmd.data.checks.problem import listed
from xattn_bmd.errors import RunError
from xattn_bmd.explanation.counterfactual.answers import REGIONS, WHOLE, change_answers
from xattn_bmd.explanation.counterfactual.changes import CHANGES, Change
from xattn_bmd.metrics.intervals import LEVEL, patient_draws, percentile_interval, resampled_sums, split_draws
from xattn_bmd.simulate.person import Hip
from xattn_bmd.training.prediction.predictor import Predictor

SLOPES, ANSWERS = "slopes.csv", "answers.csv"


def counterfactual_slopes(
    predictor: Predictor,
    hips: Sequence[Hip],
    *,
    changes: Sequence[Change] = CHANGES,
    out: str | Path | None = None,
    size: int = 512,
    seed: int = 0,
) -> pd.DataFrame:
    """Change one thing at a time in simulated people, and return how far the estimates follow.

    Every person is radiographed with each thing one step down and one step up; bones, pose, bowel gas, noise and the
    clinical record stay the same, so that only the picture can move the estimate.  A model of the record alone has
    slopes of 0, and so has one that always says the mean.  The mineral of the pelvis goes with that of the person.

    A network's slope is also split by the part of the picture that carries it
    (:func:`~xattn_bmd.explanation.counterfactual.attribution.change_heat`): of the mineral's slope most should lie in
    neck and femur.  Automatic exposure and display change other grey levels with them, so that some of it never will.

    Args:
        predictor: trained on simulated hips; the mean of its folds answers.
        hips: people that it was not trained on, from :func:`~xattn_bmd.simulate.subjects.draw_hips`.
        changes: what is changed.
        out: new folder for pictures, truth, ``slopes.csv`` and ``answers.csv``; None keeps nothing.
        size: rows and columns of the simulated pictures; as those of the training.
        seed: of the bootstrap.

    Returns:
        One row for each change and region (``whole`` picture first): model, change, step, region, ideal (1 for the
        mineral, 0 for all else; NaN for a region), slope (g/cm² for each g/cm² of mineral, g/cm² for each SD or step of
        anything else), low, high (95 % patient-bootstrap interval), area (mean share of the picture that the region
        covers), n, patients.

    Raises:
        RunError: if the folder exists, nobody is given, or a person was in training.
        SimulationError: if somebody cannot be changed that far, or the disk is full.
        CohortError: if the simulated people lack a clinical variable of the model.

    Example:
        ``counterfactual_slopes(Predictor.load("RUN/xattn"), draw_hips(n=24, preset="hcs", seed=1))``
    """
    _refuse_people(predictor, hips)
    target = None if out is None else Path(out)
    if target is not None and target.exists():
        raise RunError(
            f"Counterfactual pictures are written to a new folder, but {target} exists; choose another name."
        )
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder = scratch if target is None else stack.enter_context(atomic_folder(target))
        answers = pd.concat(
            [
                change_answers(
                    predictor, hips, change, folder=folder / change.name.replace(" ", "_"), cache=scratch, size=size
                )
                for change in changes
            ],
            ignore_index=True,
        )
        slopes = slopes_of(answers, changes=changes, seed=seed).assign(model=predictor.model)
        slopes = slopes[["model", *slopes.columns.drop("model")]]
        if target is not None:
            atomic_write(folder / ANSWERS, answers.to_csv(index=False))
            atomic_write(folder / SLOPES, slopes.to_csv(index=False))
    return slopes


def slopes_of(answers: pd.DataFrame, *, changes: Sequence[Change] = CHANGES, seed: int = 0) -> pd.DataFrame:
    """Return the mean slope of every change and region with its interval.

    Args:
        answers: from :func:`~xattn_bmd.explanation.counterfactual.answers.change_answers`, of any number of changes.
        changes: those that the answers name.
        seed: of the bootstrap.
    """
    rows = []
    for change in changes:
        mine = answers[answers["change"] == change.name]
        for region in (WHOLE, *(name for name in REGIONS if name in mine.columns)):
            area = 1.0 if region == WHOLE else float(mine[f"area_{region}"].mean())
            ideal = change.ideal if region == WHOLE else float("nan")
            found = _mean_slope(mine[region].to_numpy(), mine["patient_id"].to_numpy(), seed=seed)
            described = {"change": change.name, "step": change.step, "region": region, "ideal": ideal}
            rows.append(described | found | {"area": area, "n": len(mine), "patients": mine["patient_id"].nunique()})
    return pd.DataFrame(rows)


def _mean_slope(slope: NDArray[np.float64], patients: NDArray[np.object_], *, seed: int) -> dict[str, float]:
    names, code = np.unique(patients, return_inverse=True)
    sums = np.zeros((len(names), 2))
    np.add.at(sums, code, np.stack([np.ones(len(slope)), slope], axis=1))
    draws = patient_draws(len(names), seed=seed)
    count, total = resampled_sums(draws.weights, sums).T
    found = split_draws(total / count, draws)
    low, high = percentile_interval(found.replicates, level=LEVEL)
    return {"slope": found.value, "low": low, "high": high}


def _refuse_people(predictor: Predictor, hips: Sequence[Hip]) -> None:
    if not hips:
        raise RunError("A slope is measured on people, but none was given; draw some with draw_hips.")
    seen = [hip.radiograph_id for hip in hips if predictor.development.seen.has_patient(hip.patient_id)]
    if seen:
        raise RunError(
            f"Slopes are measured on people that the model was not trained on, but {listed(seen)} were; draw people "
            "with another seed."
        )
