"""Test folds and inner validation parts from plain arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from xattn_bmd.data.plans.split import some_of
from xattn_bmd.data.plans.stratify import Patients, deal, draw
from xattn_bmd.errors import FoldPlanError
from xattn_bmd.seeds import derive_seed


def dealt_folds(
    patient_of: Mapping[str, str], *, grouped: Patients, folds: int, repeats: int, seed: int, bins: int | None
) -> tuple[dict[str, int], ...]:
    """Deal the patients into test folds, once for each repeat.

    Args:
        patient_of: patient id of each radiograph.
        grouped: the same patients with target and stratum.
        folds: folds of each repeat.
        repeats: number of repeats.
        seed: seed of all of them.
        bins: quantile bins of the target, or None for the finest.

    Returns:
        For each repeat, the fold of each radiograph.
    """
    dealt = []
    for repeat in range(repeats):
        fold = deal(grouped, folds=folds, bins=bins, rng=_generator(seed, "folds", repeat))
        fold_of = dict(zip(grouped.names, fold.tolist(), strict=True))
        dealt.append({name: fold_of[patient] for name, patient in patient_of.items()})
    return tuple(dealt)


def inner_validation(
    patient_of: Mapping[str, str],
    *,
    test_folds: Sequence[Mapping[str, int]],
    grouped: Patients,
    seed: int,
    fraction: float,
    bins: int | None = None,
) -> tuple[tuple[tuple[str, ...], ...], ...]:
    """Cut a stratified validation part from the training part of every fold, whole patients at a time.

    Returns:
        For each repeat and fold, the sorted radiograph ids.

    Raises:
        FoldPlanError: if a fold leaves fewer than two patients to train on.
    """
    parts = []
    for repeat, fold_of in enumerate(test_folds):
        in_repeat = []
        for fold in range(max(fold_of.values()) + 1):
            scored = {patient_of.get(name) for name, other in fold_of.items() if other == fold}
            rows = np.array([row for row, name in enumerate(grouped.names) if name not in scored], dtype=np.int64)
            if len(rows) < 2:
                raise FoldPlanError(
                    f"A training part needs 2 or more patients, one of them for validation, but repeat {repeat}, "
                    f"fold {fold} leaves {len(rows)}; use more folds or more patients."
                )
            training = grouped.take(rows)
            rng = _generator(seed, "validation", repeat, fold)
            chosen = {training.names[row] for row in draw(training, fraction=fraction, bins=bins, rng=rng)}
            in_repeat.append(tuple(sorted(name for name, patient in patient_of.items() if patient in chosen)))
        parts.append(tuple(in_repeat))
    return tuple(parts)


def check_settings(*, folds: int, repeats: int, inner_fraction: float, bins: int | None) -> None:
    """Refuse settings out of range.

    Raises:
        FoldPlanError: naming the setting.
    """
    if folds < 2 or repeats < 1:
        raise FoldPlanError(f"A plan has 2 or more folds and 1 or more repeats, but {folds} and {repeats} were given.")
    if not 0 < inner_fraction <= 0.5:
        raise FoldPlanError(
            f"inner_fraction is above 0 and at most 0.5, but {inner_fraction} was given; 0.15 is usual."
        )
    if bins is not None and bins < 1:
        raise FoldPlanError(f"bins is 1 or more, or None for the finest, but {bins} was given.")


def check_rows(ids: Sequence[str], *, target: Sequence[float], patients: int, folds: int) -> None:
    """Refuse rows that cannot be dealt: repeated ids, targets that are not finite, too few patients.

    Raises:
        FoldPlanError: naming the radiographs.
    """
    if len(set(ids)) < len(ids):
        twice = sorted({name for name in ids if list(ids).count(name) > 1})
        raise FoldPlanError(f"Every radiograph id occurs once in a plan, but {some_of(twice)} occur more often.")
    unknown = [name for name, value in zip(ids, target, strict=True) if not np.isfinite(value)]
    if unknown:
        raise FoldPlanError(
            f"Folds are stratified on the target, but {some_of(unknown)} have none; leave them out of the cohort."
        )
    if patients < folds:
        raise FoldPlanError(
            f"{folds} folds need {folds} or more patients, but there are {patients}; ask for fewer folds."
        )


def _generator(seed: int, *parts: str | int) -> np.random.Generator:
    return np.random.default_rng(derive_seed(seed, *parts))


def check_structure(
    patients: Mapping[str, str],
    *,
    test_folds: Sequence[Mapping[str, int]],
    validation: Sequence[Sequence[Sequence[str]]],
) -> None:
    """Refuse a plan in which a radiograph is not scored once in every repeat, or a part is empty or unknown.

    Raises:
        FoldPlanError: naming the repeat and the radiographs.
    """
    if not test_folds or len(test_folds) != len(validation):
        raise FoldPlanError(
            "A fold plan has test folds and validation parts for the same number of repeats, 1 or more."
        )
    folds = len(validation[0])
    for repeat, (fold_of, parts) in enumerate(zip(test_folds, validation, strict=True)):
        if set(fold_of) != set(patients):
            raise FoldPlanError(
                f"Every radiograph is scored once in every repeat, but repeat {repeat} differs in "
                f"{some_of(sorted(set(fold_of) ^ set(patients)))}; list each radiograph in each repeat."
            )
        if len(parts) != folds or set(fold_of.values()) != set(range(folds)):
            raise FoldPlanError(
                f"Folds are numbered 0-{folds - 1} and none is empty, but repeat {repeat} has the folds "
                f"{sorted(set(fold_of.values()))} and {len(parts)} validation parts; renumber them."
            )
        _check_validation(parts, known=set(patients), repeat=repeat)


def _check_validation(parts: Sequence[Sequence[str]], *, known: set[str], repeat: int) -> None:
    for fold, part in enumerate(parts):
        if not part or len(set(part)) < len(part) or not set(part) <= known:
            raise FoldPlanError(
                f"A validation part holds one or more radiographs of the plan, each once, but repeat {repeat}, fold "
                f"{fold} holds {some_of(part)}; mend it."
            )
