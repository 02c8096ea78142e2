"""Patients dealt into folds like cards: alike patients land in different folds, and every fold has the same size.

Patients are sorted by number of radiographs, stratum and target; each run of ``folds`` neighbours in that order is
dealt to the folds in a random permutation.  A run is thus the finest target bin that every fold can share.  Of
several such deals the one whose folds are most alike in target, strata and number of radiographs is kept.

Where the target is a class, a patient of several radiographs stands in that order with the rarest of their classes, and
the folds kept are those most alike in the share of each class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DEALS = 32
"""Deals of which the best balanced is kept."""


@dataclass(frozen=True)
class Patients:
    """Patients to be dealt, one entry each; the order of the entries never matters to the result's content.

    Attributes:
        names: ``(K,)`` patient ids, sorted.
        radiographs: ``(K,)`` number of radiographs.
        target: ``(K,)`` mean target; of classes, the place of the patient's rarest one.
        stratum: ``(K,)`` stratum labels.
        classes: ``(K, C)`` share of each class among the patient's radiographs; no column for a density.
    """

    names: tuple[str, ...]
    radiographs: NDArray[np.int64]
    target: NDArray[np.float64]
    stratum: tuple[str, ...]
    classes: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.names)

    def take(self, rows: NDArray[np.int64]) -> Patients:
        """Return the patients of the given entries."""
        return Patients(
            names=tuple(self.names[row] for row in rows),
            radiographs=self.radiographs[rows],
            target=self.target[rows],
            stratum=tuple(self.stratum[row] for row in rows),
            classes=self.classes[rows],
        )


def group_patients(
    patients: Sequence[str], *, target: Sequence[float], strata: Sequence[str], classes: int = 0
) -> Patients:
    """Collect radiographs into patients.

    Args:
        patients: ``(N,)`` patient id of each radiograph.
        target: ``(N,)`` target of each radiograph; a patient gets the mean.
        strata: ``(N,)`` stratum of each radiograph; a patient gets the alphabetically first.
        classes: number of classes, whose places the targets are; 0 for a density.
    """
    rows: dict[str, list[int]] = {}
    for row, patient in enumerate(patients):
        rows.setdefault(patient, []).append(row)
    names = tuple(sorted(rows))
    owned = [sorted(target[row] for row in rows[name]) for name in names]
    shares = np.array([[np.mean(np.equal(mine, code)) for code in range(classes)] for mine in owned])
    rarity = np.bincount(np.asarray(target, dtype=np.intp), minlength=classes) if classes else None
    return Patients(
        names=names,
        radiographs=np.array([len(rows[name]) for name in names], dtype=np.int64),
        target=np.array([float(np.mean(mine)) if rarity is None else _rarest(mine, rarity) for mine in owned]),
        stratum=tuple(min(strata[row] for row in rows[name]) for name in names),
        classes=shares.reshape(len(names), classes),
    )


def _rarest(codes: Sequence[float], rarity: NDArray[np.int64]) -> float:
    return min(codes, key=lambda code: (rarity[int(code)], code))


def deal(patients: Patients, *, folds: int, bins: int | None, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the ``(K,)`` fold of each patient, the best balanced of several deals.

    Fold sizes differ by one patient at most.
    """
    order = alike_order(patients, bins=bins, rng=rng)
    features = _features(patients)
    dealt = [_deal_once(order, folds=folds, rng=rng) for _ in range(DEALS)]
    return min(dealt, key=lambda fold: _imbalance(fold, features, patients.radiographs, folds=folds))


def draw(patients: Patients, *, fraction: float, bins: int | None, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the entries of a stratified sample of ``fraction`` of the patients, at least one and never all."""
    count = min(max(1, round(fraction * len(patients))), len(patients) - 1)
    order = alike_order(patients, bins=bins, rng=rng)
    return np.array([rng.choice(chunk) for chunk in np.array_split(order, count)], dtype=np.int64)


def alike_order(patients: Patients, *, bins: int | None, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the patients' entries so that neighbours are alike.

    The target runs up in one stratum and down in the next, so that a run over the border of two strata still holds
    similar targets.

    Args:
        patients: patients with sorted names.
        bins: quantile bins of the target within which the order is random; None keeps the full order.
        rng: breaks ties.
    """
    rank = _target_rank(patients.target, bins=bins)
    ties = rng.permutation(len(patients))
    groups = sorted(set(zip((-patients.radiographs).tolist(), patients.stratum, strict=True)))
    direction = {group: 1 if position % 2 == 0 else -1 for position, group in enumerate(groups)}
    keys = []
    for row, group in enumerate(zip((-patients.radiographs).tolist(), patients.stratum, strict=True)):
        keys.append((group, direction[group] * float(rank[row]), int(ties[row]), row))
    return np.array([key[-1] for key in sorted(keys)], dtype=np.int64)


def _target_rank(target: NDArray[np.float64], *, bins: int | None) -> NDArray[np.float64]:
    if bins is None:
        return target
    edges = np.quantile(target, np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(edges, target, side="right").astype(np.float64)


def _deal_once(order: NDArray[np.int64], *, folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    fold = np.empty(len(order), dtype=np.int64)
    for start in range(0, len(order), folds):
        block = order[start : start + folds]
        fold[block] = rng.permutation(folds)[: len(block)]
    return fold


def _features(patients: Patients) -> NDArray[np.float64]:
    target = [(patients.target - patients.target.mean()) / (patients.target.std() or 1.0)]
    labels = np.array(patients.stratum)
    strata = [(labels == label).astype(np.float64) for label in sorted(set(patients.stratum))]
    return np.stack([*(patients.classes.T if patients.classes.size else target), *strata], axis=1)


def _imbalance(
    fold: NDArray[np.int64], features: NDArray[np.float64], weight: NDArray[np.int64], *, folds: int
) -> float:
    size = np.bincount(fold, weights=weight, minlength=folds)
    means = [np.bincount(fold, weights=weight * column, minlength=folds) / size for column in features.T]
    return float(sum(np.var(mean) for mean in means) + np.var(size / size.mean()))
