"""Made-up readers' tables."""

import numpy as np
import pandas as pd

CLASSES = ("normal", "old", "fresh")


def made_up_readings(*, patients=25, levels=4, readings=(("Aoki", 2), ("Baba", 2), ("Chen", 1)), error=0.2, seed=0):
    """Return a readers' table: some vertebrae of each patient, readers with a number of readings each."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(3, size=(patients, levels))
    rows = []
    for reader, times in readings:
        for reading in range(1, times + 1):
            read = np.where(rng.random(truth.shape) < error, rng.integers(3, size=truth.shape), truth)
            for (patient, level), code in np.ndenumerate(read):
                rows.append((f"L{level + 1}", f"P{patient}", reader, reading, CLASSES[code]))
    return pd.DataFrame(rows, columns=["item_id", "patient_id", "reader", "reading", "class"])
