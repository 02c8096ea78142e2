"""How alike are the folds?  Our plan beside scikit-learn's StratifiedGroupKFold and random grouped folds.

Prints, over made-up cohorts of 233 radiographs (no images), the SD of the ten folds' mean densities and the largest
difference of fold sizes.  Run: python experiments/fold_balance/measure.py
"""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from xattn_bmd.data.folds import make_plan

COHORTS, N, FOLDS, BINS = 60, 233, 10, 5
CASES = {"sex": (1, 0), "sex x 3 sites": (3, 0), "sex, 60 second visits": (1, 60)}


def cohort(seed: int, *, sites: int, visits: int) -> tuple[list[str], np.ndarray, list[str]]:
    """Return patients (N,), density (N,) in g/cm² and strata (N,) of one made-up cohort."""
    rng = np.random.default_rng(seed)
    person = np.r_[np.arange(N - visits), rng.choice(N - visits, visits, replace=False)]
    female = rng.random(N) < 0.489
    density = np.where(female, 0.812, 0.945) + 0.13 * rng.normal(size=N)
    site = rng.integers(0, sites, size=N)
    strata = [f"{female[p]}-{site[p]}" for p in person]
    return [f"p{p}" for p in person], density[person] + 0.017 * rng.normal(size=N), strata


def folds_of(kind: str, seed: int, patients: list[str], density: np.ndarray, strata: list[str]) -> np.ndarray:
    """Return the scored fold (N,) of each radiograph under one way of splitting."""
    rows = np.zeros((N, 1))
    if kind == "xattn_bmd":
        ids = [f"r{i}" for i in range(N)]
        plan = make_plan(ids, patients=patients, target=density.tolist(), strata=strata, folds=FOLDS, seed=seed)
        return np.array([plan.test_folds[0][name] for name in ids])
    if kind == "StratifiedGroupKFold":
        edges = np.quantile(density, np.linspace(0, 1, BINS + 1)[1:-1])
        labels = [f"{s}-{b}" for s, b in zip(strata, np.digitize(density, edges), strict=True)]
        splits = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(rows, labels, patients)
    else:
        splits = GroupKFold(FOLDS, shuffle=True, random_state=seed).split(rows, groups=patients)
    fold = np.empty(N, dtype=int)
    for number, (_, test) in enumerate(splits):
        fold[test] = number
    return fold


def main() -> None:
    """Print one line per case and way of splitting."""
    print(f"{COHORTS} made-up cohorts, seeds 0-{COHORTS - 1}, n = {N}, {FOLDS} folds; means over cohorts")
    for case, (sites, visits) in CASES.items():
        for kind in ("xattn_bmd", "StratifiedGroupKFold", "random GroupKFold"):
            spread, sizes = [], []
            for seed in range(COHORTS):
                patients, density, strata = cohort(seed, sites=sites, visits=visits)
                fold = folds_of(kind, seed, patients, density, strata)
                spread.append(np.std([density[fold == k].mean() for k in range(FOLDS)]))
                sizes.append(np.ptp(np.bincount(fold, minlength=FOLDS)))
            mean = f"SD of fold means {np.mean(spread):.4f} g/cm2"
            print(f"{case:24s} {kind:22s} {mean}, fold sizes differ by {np.max(sizes)} at most")


if __name__ == "__main__":
    main()
