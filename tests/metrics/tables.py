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


def made_up_classes(
    *, patients=30, per_patient=3, models=("resnet", "densenet", "resnext"), repeats=1, folds=5, seed=0
):
    """Return a valid table of class predictions for normal, old and fresh vertebrae; some models are better."""
    rng = np.random.default_rng(seed)
    names = np.array(["normal", "old", "fresh"])
    n = patients * per_patient
    owner = np.repeat(np.arange(patients), per_patient)
    truth = (rng.integers(3, size=patients)[owner] + (rng.random(n) < 0.3)) % 3
    plans = [rng.permutation(patients) % folds for _ in range(repeats)]
    parts = []
    for strength, model in enumerate(models, start=2):
        for repeat in range(repeats):
            logits = rng.normal(0, 1.5, (n, 3)) + 0.5 * strength * np.eye(3)[truth]
            probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            shared = {
                "site": "",
                "model": model,
                "repeat": repeat,
                "fold": plans[repeat][owner],
                "target": names[truth],
            }
            ids = {"radiograph_id": [f"v{i}" for i in range(n)], "patient_id": [f"p{i}" for i in owner]}
            columns = {f"probability_{name}": probability[:, code] for code, name in enumerate(names)}
            parts.append(pd.DataFrame(ids | shared | {"prediction": names[probability.argmax(axis=1)]} | columns))
    return pd.concat(parts, ignore_index=True)
