"""How far the readings of one hip lie apart when it is radiographed again: other positioning, other exposure."""

from __future__ import annotations

import numpy as np
from network import described, readings, trained
from score import scored
from settings import Settings
from table import Row


def measure(settings: Settings) -> list[Row]:
    """Return the within-person coefficient of variation, %: root of the mean squared CV over hips."""
    people = settings.visits
    found = readings(trained(settings), people, settings)
    hips = found.groupby(["patient_id", "side"], sort=False)["read"]
    squared = (hips.std(ddof=1) / hips.mean()).to_numpy() ** 2
    patients = hips.mean().index.get_level_values("patient_id")
    cv = scored(
        lambda weights: 100 * float(np.sqrt(np.average(squared, weights=weights))), patients, draws=settings.draws
    )
    how = f"{people.repeats} radiographs of each hip; {described(settings)}"
    return [Row("image alone, within-person CV, %", "", cv, len(squared), people.seed, settings.size, how)]
