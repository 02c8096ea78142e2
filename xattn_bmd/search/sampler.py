"""The sampler of a search: every trial draws from its own stream, so a continued search tries the same values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from xattn_bmd.seeds import derive_seed


class StreamSampler(BaseSampler):
    """Tree-structured Parzen estimator of Optuna, seeded anew for each trial.

    Args:
        seed: seed of all streams.
        rank: place of a trial among those that count.
    """

    def __init__(self, *, seed: int, rank: Callable[[FrozenTrial], int]) -> None:
        self._seed, self._rank = seed, rank
        self._sampler = TPESampler(seed=seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Begin the stream of a trial."""
        self._sampler = TPESampler(seed=derive_seed(self._seed, "sampler", self._rank(trial)))
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """As the estimator does."""
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As the estimator does."""
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:  # noqa: ANN401
        """As the estimator does."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """As the estimator does."""
        self._sampler.after_trial(study, trial, state, values)
