"""What the noise-free areal map says of density: the best that any reading of the picture could do."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from score import compared
from settings import Settings
from table import Row

from xattn_bmd.metrics.regression import pearson_r
from xattn_bmd.simulate.given_people import given_hips
from xattn_bmd.simulate.person import Hip
from xattn_bmd.simulate.scan import neck_readings

HOW = "mean of the areal map in the neck box on the picture's pixels; nothing is fitted"


def measure(settings: Settings) -> list[Row]:
    """Return the rows of the preset, and those of the table of real people where one is given."""
    rows = _rows("", settings.development.hips(), settings)
    if settings.subjects is not None:
        rows += _rows("real rows: ", given_hips(settings.subjects, seed=settings.seed, scale=settings.scale), settings)
    return rows


def _rows(whose: str, hips: Sequence[Hip], settings: Settings) -> list[Row]:
    read = partial(neck_readings, seed=settings.seed, size=settings.size)
    with ProcessPoolExecutor(settings.workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        scan, posed = np.array(list(pool.map(read, hips, chunksize=25))).T
    label, true, patients = (np.array([getattr(h, name) for h in hips]) for name in ("fn_bmd", "true_bmd", "patient"))
    asked = (
        ("pose of a DXA scan, r with the label", ">= 0.99", scan, label),
        ("as posed, r with the label", ">= 0.96", posed, label),
        ("pose of a DXA scan, r with the density before DXA error", "", scan, true),
        ("as posed, r with the density before DXA error", "", posed, true),
    )
    return [
        Row(
            f"{whose}areal map, neck mean, {name}", wanted,
            compared(pearson_r, target, reading, patients, draws=settings.draws),
            len(hips), settings.seed, settings.size, HOW,
        )
        for name, wanted, reading, target in asked
    ]  # fmt: skip
