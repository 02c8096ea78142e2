"""Who is compared with whom: each fold model, the radiographs it explains, and people of its training part.

Axes: ``K`` fold models, ``N`` radiographs that one of them explains, ``M`` people of the background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.data.folds import FoldPlan
from xattn_bmd.errors import RunError
from xattn_bmd.explanation.record.panel import Panel
from xattn_bmd.seeds import derive_seed
from xattn_bmd.training.fits.estimator import Estimator

FEWEST_PEOPLE = 2
"""People that a radiograph is compared with at least: of one, no standard error is known."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """What one fold model explains.

    Attributes:
        fold: position of the fold model, 0 to ``K - 1``.
        rows: ``(N,)`` rows of the panel that it explains.
        people: ``(M,)`` rows of the panel that they are compared with.
        counts: ``(N, M)`` False where both are the same patient, who is not compared with himself.
    """

    fold: int
    rows: NDArray[np.int64]
    people: NDArray[np.int64]
    counts: NDArray[np.bool_]


def comparisons(
    panel: Panel,
    estimators: Sequence[Estimator],
    *,
    models: NDArray[np.bool_],
    plan: FoldPlan | None,
    people: int,
    seed: int,
) -> list[Comparison]:
    """Return what each fold model explains, and against whom.

    The people are drawn from the part that the fold model was trained on where the plan names it and the background
    holds it, else from the whole background; of each patient one radiograph, whatever the order of the table.

    Args:
        panel: both sides.
        estimators: the ``K`` fold models.
        models: ``(K, explained)`` which fold models explain each radiograph.
        plan: fold plan of the run, or None.
        people: people drawn at most.
        seed: of the drawing.

    Raises:
        RunError: if a radiograph has fewer than :data:`FEWEST_PEOPLE` others to be compared with.
    """
    found = []
    for fold, estimator in enumerate(estimators):
        rows = panel.explained[models[fold]]
        if len(rows):
            place = (estimator.record["repeat"], estimator.record["fold"])
            drawn = _drawn(panel, _candidates(panel, estimator, plan), people, derive_seed(seed, "background", *place))
            patients = np.array(panel.patient_ids)
            counts = patients[rows][:, None] != patients[drawn][None]
            _require_people(panel, rows, counts)
            found.append(Comparison(fold, rows, drawn, counts))
    return found


def _candidates(panel: Panel, estimator: Estimator, plan: FoldPlan | None) -> NDArray[np.int64]:
    if plan is None:
        return panel.background
    record = estimator.record
    trained = set(plan.split(record["repeat"], record["fold"], record["protocol"]).train)
    ids, patients = panel.radiograph_ids, panel.patient_ids
    rows = [row for row in panel.background if ids[row] in trained and plan.patients[ids[row]] == patients[row]]
    return np.array(rows, dtype=np.int64) if len(rows) >= FEWEST_PEOPLE else panel.background


def _drawn(panel: Panel, candidates: NDArray[np.int64], people: int, seed: int) -> NDArray[np.int64]:
    by_id = sorted(candidates.tolist(), key=lambda row: panel.radiograph_ids[row])
    shuffled = np.random.default_rng(seed).permutation(by_id)
    one_each = {panel.patient_ids[row]: int(row) for row in reversed(shuffled)}
    kept = [int(row) for row in shuffled if one_each[panel.patient_ids[row]] == row]
    return np.array(kept[:people], dtype=np.int64)


def _require_people(panel: Panel, rows: NDArray[np.int64], counts: NDArray[np.bool_]) -> None:
    others = counts.sum(axis=1)
    if (others < FEWEST_PEOPLE).any():
        at = int(np.argmin(others))
        raise RunError(
            f"A contribution is measured against at least {FEWEST_PEOPLE} other people, but "
            f"{panel.radiograph_ids[rows[at]]} has {others[at]}; give background=, a cohort of other people, or more "
            "people."
        )
