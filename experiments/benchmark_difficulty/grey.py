"""What the grey levels of the whole picture say of density, wherever in it they are."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from score import FOLDS, compared, out_of_fold
from settings import Settings
from table import Row

from xattn_bmd import read_radiograph
from xattn_bmd.metrics.regression import r2

LEVELS = 64
PERCENTILES = np.linspace(1, 99, 16)


def measure(settings: Settings) -> list[Row]:
    """Return the row of ridge regression on 20 statistics of each picture."""
    path = settings.development.table(settings)
    table = pd.read_csv(path)
    files = [path.parent / "images" / name for name in table.image]
    with ProcessPoolExecutor(settings.workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        features = np.stack(list(pool.map(grey_statistics, files, chunksize=50)))
    predicted = out_of_fold(features, first=None, target=table.fn_bmd, patients=table.patient_id)
    found = compared(r2, table.fn_bmd, predicted, table.patient_id, draws=settings.draws)
    how = f"mean, SD, skewness, entropy and 16 percentiles; {FOLDS} folds by patient, out of fold"
    return [Row("20 grey-level statistics, ridge, R²", "<= 0.25", found, len(table), settings.seed, settings.size, how)]


def grey_statistics(path: Path) -> NDArray[np.float64]:
    """Return mean, SD, skewness, entropy and 16 percentiles of the grey levels in the displayed window, ``(20,)``."""
    grey = np.clip(read_radiograph(path).pixels.astype(np.float64), 0, 1)
    share = np.histogram(grey, LEVELS, (0, 1))[0] / grey.size
    entropy = -np.sum(share[share > 0] * np.log(share[share > 0]))
    moments = [grey.mean(), grey.std(), np.mean((grey - grey.mean()) ** 3) / grey.std() ** 3, entropy]
    return np.array([*moments, *np.percentile(grey, PERCENTILES)])
