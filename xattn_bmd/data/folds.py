"""Fold plans: who trains, who stops the training and who is scored, fixed once for all models of a comparison."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xattn_bmd.atomic import atomic_write
from xattn_bmd.config import Protocol
from xattn_bmd.data.plans import file as fold_file
from xattn_bmd.data.plans.parts import check_rows, check_settings, check_structure, dealt_folds, inner_validation
from xattn_bmd.data.plans.split import Split, refuse_leak, some_of
from xattn_bmd.data.plans.stratify import group_patients
from xattn_bmd.errors import FoldPlanError

if TYPE_CHECKING:
    from xattn_bmd.data.cohort import Cohort

__all__ = ["FoldPlan", "Split", "make_plan"]


@dataclass(frozen=True)
class FoldPlan:
    """Folds of a cohort, repeated, with the inner validation part of every fold.

    Attributes:
        patients: patient id of each radiograph id.
        test_folds: for each repeat, the fold in which each radiograph is scored.
        validation: for each repeat and fold, the radiographs cut from its training part.
        made_by: how the plan came about, in words.
    """

    patients: Mapping[str, str]
    test_folds: tuple[Mapping[str, int], ...]
    validation: tuple[tuple[tuple[str, ...], ...], ...]
    made_by: str = "own plan"

    def __post_init__(self) -> None:
        check_structure(self.patients, test_folds=self.test_folds, validation=self.validation)

    @classmethod
    def make(
        cls,
        cohort: Cohort,
        *,
        folds: int = 10,
        repeats: int = 1,
        seed: int = 0,
        inner_fraction: float = 0.15,
        bins: int | None = None,
    ) -> FoldPlan:
        """Make the plan of a cohort, stratified on its target and on the variables that it declares for this.

        Args:
            cohort: checked cohort with a target.
            folds: folds of each repeat.
            repeats: repetitions with other folds.
            seed: seed of all of them.
            inner_fraction: share of each training part's patients held out as the validation part.
            bins: as in :func:`make_plan`.

        Raises:
            FoldPlanError: as :func:`make_plan`.
        """
        return make_plan(
            cohort.radiograph_ids,
            patients=cohort.patient_ids,
            target=cohort.targets.tolist(),
            strata=cohort.strata,
            classes=len(cohort.roles.classes),
            folds=folds,
            repeats=repeats,
            seed=seed,
            inner_fraction=inner_fraction,
            bins=bins,
        )

    @property
    def folds(self) -> int:
        """Number of folds of each repeat."""
        return len(self.validation[0])

    @property
    def repeats(self) -> int:
        """Number of repeats."""
        return len(self.test_folds)

    @cached_property
    def radiograph_ids(self) -> tuple[str, ...]:
        """Every radiograph of the plan, sorted."""
        return tuple(sorted(self.patients))

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the plan's content; every scored table and stored fit carries it."""
        content = json.dumps(self.to_dict(), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()

    def split(self, repeat: int, fold: int, protocol: Protocol = "nested") -> Split:
        """Return the parts of one fold.

        Args:
            repeat: from 0.
            fold: from 0.
            protocol: ``"nested"``: the validation part is cut from the training part, so nothing about the scored fold
                is used; ``"paper"``: training on all other folds, validation on the scored fold itself (optimistic).

        Raises:
            FoldPlanError: if the plan has no such repeat or fold, or the protocol is unknown.
        """
        if not (0 <= repeat < self.repeats and 0 <= fold < self.folds):
            raise FoldPlanError(
                f"The plan has repeats 0-{self.repeats - 1} and folds 0-{self.folds - 1}, but repeat {repeat}, "
                f"fold {fold} was asked for; ask for one that it has."
            )
        if protocol not in ("nested", "paper"):
            raise FoldPlanError(
                f"A protocol is 'nested' or 'paper', but {protocol!r} was given; choose one of the two."
            )
        folds = self.test_folds[repeat]
        test = tuple(name for name in self.radiograph_ids if folds[name] == fold)
        others = tuple(name for name in self.radiograph_ids if folds[name] != fold)
        if protocol == "paper":
            return Split(train=others, validation=test, test=test)
        validation = self.validation[repeat][fold]
        held_out = set(validation)
        train = tuple(name for name in others if name not in held_out)
        return Split(train=train, validation=tuple(sorted(validation)), test=test)

    def check_fits(self, cohort: Cohort) -> None:
        """Refuse a plan that was made for other radiographs or patients, or that leaks a patient.

        Nothing is mended or replaced: results on a plan that was not asked for would carry the wrong name.

        Raises:
            FoldPlanError: naming the radiographs that differ.
        """
        patient_of = dict(zip(cohort.radiograph_ids, cohort.patient_ids, strict=True))
        surplus, absent = sorted(set(self.patients) - set(patient_of)), sorted(set(patient_of) - set(self.patients))
        if surplus or absent:
            raise FoldPlanError(
                f"A fold plan holds exactly the radiographs of its cohort, but of the plan {some_of(surplus)} are not "
                f"in the cohort, and of the cohort {some_of(absent)} are not in the plan; use the plan's own cohort, "
                "or make a new plan."
            )
        moved = sorted(name for name, patient in patient_of.items() if self.patients[name] != patient)
        if moved:
            raise FoldPlanError(
                f"A fold plan knows the patient of each radiograph, but {some_of(moved)} belong to other patients in "
                "the cohort; use the plan's own cohort, or make a new plan."
            )
        self.check_leakage(patient_of)

    def check_leakage(self, patient_of: Mapping[str, str], content_hash_of: Mapping[str, str] | None = None) -> None:
        """Compare training, validation and test part **two by two**, in every repeat and fold.

        Args:
            patient_of: patient id of each radiograph.
            content_hash_of: hash of each radiograph's decoded pixels, or None where no image is used.

        Raises:
            FoldPlanError: naming fold, the two parts and the radiographs that share a patient or a picture.
        """
        for repeat in range(self.repeats):
            for fold in range(self.folds):
                place = f"repeat {repeat}, fold {fold}"
                split = self.split(repeat, fold)
                refuse_leak(split, patient_of, shared="patient", place=place)
                if content_hash_of is not None:
                    refuse_leak(split, content_hash_of, shared="picture", place=place)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain lists and dictionaries, in a fixed order."""
        return {
            "made_by": self.made_by,
            "folds": self.folds,
            "repeats": self.repeats,
            "patients": {name: self.patients[name] for name in self.radiograph_ids},
            "test_folds": [{name: folds[name] for name in self.radiograph_ids} for folds in self.test_folds],
            "validation": [[sorted(part) for part in parts] for parts in self.validation],
        }

    def save(self, path: str | Path) -> None:
        """Write the plan as readable JSON, with its hash, in one step.

        Raises:
            FoldPlanError: if the file cannot be written.
        """
        atomic_write(Path(path), self.to_json(), error=FoldPlanError)

    def to_json(self) -> str:
        """Return the text of the plan's file: readable JSON with its hash."""
        return json.dumps({"hash": self.hash, **self.to_dict()}, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def load(
        cls, path: str | Path, *, cohort: Cohort | None = None, seed: int = 0, inner_fraction: float = 0.15
    ) -> FoldPlan:
        """Read a plan: the JSON of :meth:`save`, or a user's own CSV ``radiograph_id,repeat,fold``.

        A CSV says only where each radiograph is scored; patients and the inner validation parts then come from the
        cohort.  A JSON file without ``hash`` is a user's own and is accepted as it is.

        Args:
            path: ``.json`` or ``.csv`` file.
            cohort: needed for a CSV only.
            seed: seed of the inner validation parts of a CSV.
            inner_fraction: share of each training part's patients held out, for a CSV.

        Raises:
            FoldPlanError: if the file is absent, malformed, or was edited after its hash was written.
        """
        path = Path(path)
        if path.suffix.lower() == ".csv":
            return _from_csv(path, cohort=cohort, seed=seed, inner_fraction=inner_fraction)
        content = fold_file.read_json(path)
        plan = cls(content.patients, content.test_folds, content.validation, content.made_by)
        if content.hash is not None and content.hash != plan.hash:
            raise FoldPlanError(
                f"The hash in {path.name} must be that of its content, but the file was changed after it was written; "
                "restore it, or remove the line 'hash' to make it your own plan."
            )
        return plan


def make_plan(
    ids: Sequence[str],
    *,
    patients: Sequence[str],
    target: Sequence[float],
    strata: Sequence[str] | None = None,
    classes: int = 0,
    folds: int = 10,
    repeats: int = 1,
    seed: int = 0,
    inner_fraction: float = 0.15,
    bins: int | None = None,
) -> FoldPlan:
    """Make a plan from plain arrays: stratified on a continuous target and on strata, grouped by patient.

    The patients are dealt as :mod:`xattn_bmd.data.plans.stratify` describes: fold sizes differ by one patient at most,
    which scikit-learn's ``StratifiedGroupKFold`` on bins x strata does not promise, and the folds' mean densities are
    more alike; ``experiments/fold_balance`` measures by how much.

    Args:
        ids: ``(N,)`` radiograph ids, each once; their order does not matter.
        patients: ``(N,)`` patient ids.
        target: ``(N,)`` finite targets, any unit, or places of classes.
        strata: ``(N,)`` labels, e.g. sex, or None.
        classes: number of classes whose places (0, 1, ...) the targets are; 0 for a continuous target.
        folds: folds of each repeat.
        repeats: repetitions with other folds.
        seed: seed of all of them.
        inner_fraction: share of each training part's patients held out as the validation part, in (0, 0.5].
        bins: quantile bins of the target; None makes them as fine as the folds can share.

    Raises:
        FoldPlanError: if a setting is out of range, an id occurs twice, a target is not finite, or there are fewer
            patients than folds.

    Example:
        >>> plan = make_plan(list("abcdef"), patients=list("uvwxyz"), target=[1, 2, 3, 4, 5, 6], folds=3)
        >>> [len(plan.split(0, fold).test) for fold in range(3)]
        [2, 2, 2]
    """
    check_settings(folds=folds, repeats=repeats, inner_fraction=inner_fraction, bins=bins)
    check_rows(ids, target=target, patients=len(set(patients)), folds=folds)
    grouped = group_patients(patients, target=target, strata=strata or [""] * len(ids), classes=classes)
    patient_of = dict(zip(ids, patients, strict=True))
    test_folds = dealt_folds(patient_of, grouped=grouped, folds=folds, repeats=repeats, seed=seed, bins=bins)
    validation = inner_validation(
        patient_of, test_folds=test_folds, grouped=grouped, seed=seed, fraction=inner_fraction, bins=bins
    )
    made_by = f"make_plan(folds={folds}, repeats={repeats}, seed={seed}, inner_fraction={inner_fraction}, bins={bins})"
    return FoldPlan(patients=patient_of, test_folds=test_folds, validation=validation, made_by=made_by)


def _from_csv(path: Path, *, cohort: Cohort | None, seed: int, inner_fraction: float) -> FoldPlan:
    if cohort is None:
        raise FoldPlanError(
            f"A plan in CSV needs its cohort for patients and validation parts, but {path.name} came alone; "
            "pass cohort=..., or save the plan as JSON."
        )
    test_folds = fold_file.read_csv(path)
    patient_of = dict(zip(cohort.radiograph_ids, cohort.patient_ids, strict=True))
    targets = cohort.targets.tolist()
    check_settings(folds=2, repeats=1, inner_fraction=inner_fraction, bins=None)
    check_rows(cohort.radiograph_ids, target=targets, patients=len(set(cohort.patient_ids)), folds=2)
    grouped = group_patients(
        cohort.patient_ids, target=targets, strata=cohort.strata, classes=len(cohort.roles.classes)
    )
    parts = inner_validation(patient_of, test_folds=test_folds, grouped=grouped, seed=seed, fraction=inner_fraction)
    plan = FoldPlan(patients=patient_of, test_folds=test_folds, validation=parts, made_by="own table of folds")
    plan.check_leakage(patient_of)
    return plan
