"""One trial: a configuration, fitted on the folds of a part in random order, and stopped where it is clearly worse."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xattn_bmd.bone.reference import get_reference
from xattn_bmd.config import CompareConfig
from xattn_bmd.errors import ConfigError, ModelError, RunError
from xattn_bmd.search.ledger import Ledger
from xattn_bmd.search.objective import OBJECTIVES, FoldScore, fold_score
from xattn_bmd.search.part import Part
from xattn_bmd.search.part_images import OpenedImages, PartStudy, part_study
from xattn_bmd.search.request import SearchRequest
from xattn_bmd.search.setting_path import with_settings
from xattn_bmd.seeds import derive_seed
from xattn_bmd.training.fits.fit import fit_job
from xattn_bmd.training.fits.quiet import quiet_trainer
from xattn_bmd.training.study import Job, Study, reference_of
from xattn_bmd.training.workers.job_keys import job_key, study_inputs

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.trial import FrozenTrial

_FOLD = "fold_"
_UNFIT = (ConfigError, ModelError, RunError, RuntimeError, ArithmeticError, MemoryError)
"""What a configuration that cannot be fitted raises; anything else is no fault of the configuration."""


def fold_records(trial: FrozenTrial) -> dict[int, dict[str, Any]]:
    """Return what is stored of the folds that a trial has fitted, by fold: content address, score, seconds."""
    found = {name: value for name, value in trial.user_attrs.items() if name.startswith(_FOLD)}
    return {int(name.removeprefix(_FOLD)): value for name, value in sorted(found.items())}


class TrialRunner:
    """Runs the trials of one part in this process.

    Args:
        request: the search.
        part: whom its trials may look at.
        study: the whole cohort, as this machine sees it.
        opened: the whole cohort's radiographs.
    """

    def __init__(self, request: SearchRequest, part: Part, study: Study, opened: OpenedImages) -> None:
        self._request, self._part, self._study, self._opened = request, part, study, opened

    def run(self, trial: Trial, ledger: Ledger) -> None:
        """Run a trial to its end; a configuration that cannot be fitted ends it with the reason.

        Args:
            trial: taken from the ledger.
            ledger: where it ends.
        """
        values = self._request.space.values(trial)
        try:
            config = with_settings(self._request.config, values)
            broken = self._broken_limits(trial, config)
            if broken:
                ledger.refuse(trial, broken)
                return
            scores = self._scores(trial, config, ledger)
        except _UNFIT as cause:
            ledger.fail(trial, f"{type(cause).__name__}: {cause}")
            return
        ledger.end(trial, [OBJECTIVES[name].of(scores) for name in self._request.objectives])

    def _broken_limits(self, trial: Trial, config: CompareConfig) -> str:
        """Return which constraints a configuration breaks, in words; empty where it meets all."""
        limits = self._request.constraints.limits
        costs = self._request.constraints.costs(config, model=config.models[0], schema=self._part.cohort.schema)
        for name, cost in costs.items():
            trial.set_user_attr(name, cost)
            trial.set_constraint(name, cost - limits[name])
        return ", ".join(f"{name} {cost:g} > {limits[name]:g}" for name, cost in costs.items() if cost > limits[name])

    def _scores(self, trial: Trial, config: CompareConfig, ledger: Ledger) -> list[FoldScore]:
        """Return the scores of the folds that were needed, in the order in which they were fitted."""
        study = part_study(self._part, self._study, config=config, opened=self._opened)
        inputs = study_inputs(study, pictures=self._request.shared.inputs.pictures)
        known = _known_folds(ledger.all())
        scores: list[FoldScore] = []
        for fold in self._order(ledger.rank(trial.number)):
            job = Job(config.models[0], 0, fold)
            key = job_key(study, job, inputs=inputs)
            record = known.get(key) or _fitted(study, job, key)
            trial.set_user_attr(f"{_FOLD}{fold:02d}", dict(record))
            scores.append(FoldScore.from_dict(record))
            if self._is_worse(trial, fold, scores):
                break
        return scores

    def _is_worse(self, trial: Trial, fold: int, scores: Sequence[FoldScore]) -> bool:
        """Tell whether the paired test over the folds so far calls the trial worse than the best one."""
        if not self._request.stops_between_folds:
            return False
        trial.report(OBJECTIVES[self._request.objectives[0]].of(scores[-1:]), step=fold)
        return trial.should_prune()

    def _order(self, rank: int) -> list[int]:
        """Return the folds in an order of the trial's own, so that no fold always comes first."""
        generator = np.random.default_rng(derive_seed(self._request.config.seed, self._part.name, "order", rank))
        return [int(fold) for fold in generator.permutation(self._part.plan.folds)]


def _known_folds(trials: Sequence[FrozenTrial]) -> dict[str, Mapping[str, Any]]:
    """Return what is stored of every fold that any trial of the study has fitted, by content address."""
    return {record["key"]: record for trial in trials for record in fold_records(trial).values()}


def _fitted(study: PartStudy, job: Job, key: str) -> dict[str, Any]:
    begin = time.monotonic()
    with quiet_trainer():
        predictions = fit_job(job, study).predictions
    score = fold_score(predictions, reference=get_reference(reference_of(study.config)))
    return {"key": key, **score.to_dict(), "seconds": round(time.monotonic() - begin, 3)}
