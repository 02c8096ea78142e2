"""How well the network reads density in hospitals that it has never seen."""

from __future__ import annotations

import numpy as np
from network import described, readings, trained
from score import compared
from settings import People, Settings
from table import Row

from xattn_bmd import DensityModule
from xattn_bmd.metrics.regression import pearson_r, r2


def measure(settings: Settings) -> list[Row]:
    """Return r, R² and bias in each external hospital."""
    module = trained(settings)
    return [row for people in settings.strangers for row in _rows(module, people, settings)]


def bias(target: np.ndarray, prediction: np.ndarray, *, weights: np.ndarray) -> float:
    """Return the mean of prediction - target, g/cm²."""
    return float(np.average(np.asarray(prediction) - np.asarray(target), weights=weights))


def _rows(module: DensityModule, people: People, settings: Settings) -> list[Row]:
    found = readings(module, people, settings)
    columns = (found["fn_bmd"], found["read"], found["patient_id"])
    return [
        Row(
            f"image alone, {people.preset}, {name}", "", compared(metric, *columns, draws=settings.draws),
            len(found), people.seed, settings.size, described(settings),
        )
        for name, metric in (("r", pearson_r), ("R²", r2), ("bias, g/cm²", bias))
    ]  # fmt: skip
