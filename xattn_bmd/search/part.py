"""Whom a search may look at: in a nested search the training part of one outer fold, and nobody else."""

from __future__ import annotations

from dataclasses import dataclass

from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.folds import FoldPlan
from xattn_bmd.seeds import derive_seed

WHOLE, FLAT = "whole", "flat"


@dataclass(frozen=True)
class Part:
    """The radiographs of one search, and the folds on which its trials are scored.

    Attributes:
        name: ``outer_03``, ``whole`` or ``flat``.
        cohort: the radiographs; a search sees no other.
        plan: folds of exactly these.
        rows: their rows in the whole cohort.
        outer: the outer fold that the search leaves out; None where it leaves out nobody.
    """

    name: str
    cohort: Cohort
    plan: FoldPlan
    rows: tuple[int, ...]
    outer: int | None = None


def nested_parts(
    cohort: Cohort, plan: FoldPlan, *, inner_folds: int, inner_fraction: float, seed: int
) -> tuple[Part, ...]:
    """Return a part for every outer fold, and the whole cohort, whose search gives the configuration to use.

    Args:
        cohort: all radiographs.
        plan: the outer folds.
        inner_folds: folds of each search.
        inner_fraction: share of each inner training part held out for early stopping.
        seed: seed of the inner folds.

    Raises:
        FoldPlanError: if a part has too few patients for its folds.
    """

    def part(name: str, ids: tuple[str, ...], outer: int | None) -> Part:
        inside = cohort.subset(ids)
        folds = FoldPlan.make(
            inside, folds=inner_folds, seed=derive_seed(seed, "inner folds", name), inner_fraction=inner_fraction
        )
        return Part(name, inside, folds, _rows(cohort, ids), outer)

    searched = [_searched(plan, fold) for fold in range(plan.folds)]
    return (
        *(part(f"outer_{fold:02d}", ids, fold) for fold, ids in enumerate(searched)),
        part(WHOLE, cohort.radiograph_ids, None),
    )


def flat_part(cohort: Cohort, plan: FoldPlan) -> Part:
    """Return the one part of a flat search: everybody, scored on the very folds that the result is scored on."""
    return Part(FLAT, cohort, plan, tuple(range(len(cohort))))


def _searched(plan: FoldPlan, fold: int) -> tuple[str, ...]:
    split = plan.split(0, fold)
    return (*split.train, *split.validation)


def _rows(cohort: Cohort, ids: tuple[str, ...]) -> tuple[int, ...]:
    wanted = set(ids)
    return tuple(row for row, name in enumerate(cohort.radiograph_ids) if name in wanted)
