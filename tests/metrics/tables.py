"""Made-up predictions tables."""

import numpy as np
import pandas as pd

MODELS = ("xattn", "concat", "ridge")


def made_up_table(*, patients=40, per_patient=1, models=MODELS, repeats=1, folds=5, seed=0):
    """Return a valid predictions table; ids do not sort like their numbers."""
    rng = np.random.default_rng(seed)
    n = patients * per_patient
    owner = np.repeat(np.arange(patients), per_patient)
    target = rng.normal(0.88, 0.147, patients)[owner] + rng.normal(0, 0.02, n)
    plans = [rng.permutation(patients) % folds for _ in range(repeats)]
    parts = []
    for model in models:
        for repeat in range(repeats):
            parts.append(
                pd.DataFrame(
                    {
                        "radiograph_id": [f"r{i}" for i in range(n)],
                        "patient_id": [f"p{i}" for i in owner],
                        "site": "",
                        "model": model,
                        "repeat": repeat,
                        "fold": plans[repeat][owner],
                        "target": target,
                        "prediction": 0.88 + 0.6 * (target - 0.88) + rng.normal(0, 0.08, n),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)
