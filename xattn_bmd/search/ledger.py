"""The trials of one search: who takes the next one, which have ended, and what becomes of those whose process died.

Rules that hold for any number of processes, however any of them ends:

* A trial counts towards the number asked for unless its process died, it was given back, or it was one too many.
* The trial of a dead process is queued again first and marked as failed then, so that none is lost between the two.
* Of several copies of one trial the first alone is run, and of trials beyond the number asked for none, so that
  processes which did the same at the same time double nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from xattn_bmd.search.owner import Watch, beating

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

OWNER, COPY_OF, APART, REASON, ATTEMPT = "owner", "copy_of", "apart", "reason", "attempt"
"""What is written into a trial: its process; which trial it repeats; why it does not count; why it failed; how often
it was begun."""

MOST_ATTEMPTS = 5
"""A trial that this many processes died of counts as failed: most likely it needs more memory than there is."""

_FIRST = "default configuration"


class Ledger:
    """The trials of one search.

    Args:
        study: the study of Optuna.
        trials: how many are asked for.
        first: parameters of the first trial.
        seed: seed of the sampler; each trial draws from its own stream, so a continued search tries the same values.
        watch: tells whether processes live.
    """

    def __init__(
        self, study: Study, *, trials: int, first: Mapping[str, Any], seed: int, watch: Watch | None = None
    ) -> None:
        from xattn_bmd.search.sampler import StreamSampler

        self.study = study
        self.study.sampler = StreamSampler(seed=seed, rank=lambda trial: self.rank(trial.number))
        self._trials, self._first = trials, dict(first)
        self._watch = watch or Watch()
        self._finished = False

    def all(self) -> list[FrozenTrial]:
        """Return every trial, in order."""
        return self.study.get_trials(deepcopy=False)

    def rank(self, number: int) -> int:
        """Return the place of a trial among those that count."""
        return sum(trial.number < number for trial in self.counted())

    def counted(self) -> list[FrozenTrial]:
        """Return the trials that count, in order."""
        return [trial for trial in self.all() if APART not in trial.user_attrs]

    def is_finished(self) -> bool:
        """Tell whether as many trials as were asked for have ended."""
        if not self._finished:  # what has ended stays so, and is not read again
            counted = self.counted()
            self._finished = len(counted) >= self._trials and all(trial.state.is_finished() for trial in counted)
        return self._finished

    def running(self) -> int:
        """Return how many trials are being worked on."""
        return sum(not trial.state.is_finished() for trial in self.counted())

    @contextmanager
    def next_trial(self) -> Iterator[Trial | None]:
        """Take the next trial for the length of the block, or None where there is none to take now.

        Whatever ends the block before the trial has ended gives it back for another process.
        """
        from optuna.exceptions import UpdateFinishedTrialError

        self._take_back_lost()
        trial = self._taken()
        if trial is None:
            yield None
            return
        try:
            with beating(lambda name: trial.set_user_attr(OWNER, name)):
                yield trial
        except UpdateFinishedTrialError:
            return  # others gave this process up, and queued the trial again
        except BaseException as cause:
            self._queue_again(self._frozen(trial.number), f"given back: {type(cause).__name__}", died=False)
            raise

    def end(self, trial: Trial, values: Sequence[float]) -> None:
        """End a trial with its values."""
        self._tell(trial, values=list(values))

    def fail(self, trial: Trial, reason: str) -> None:
        """End a trial that cannot be fitted; it counts, and is not tried again."""
        trial.set_user_attr(REASON, reason)
        self._tell(trial, state="FAIL")

    def refuse(self, trial: Trial, reason: str) -> None:
        """End a trial that breaks a constraint, before anything is fitted; it counts."""
        trial.set_user_attr(REASON, reason)
        self._tell(trial, state="PRUNED")

    def _frozen(self, number: int) -> FrozenTrial:
        return next(trial for trial in self.all() if trial.number == number)

    def _taken(self) -> Trial | None:
        """Return the next trial that is neither a second copy nor one too many."""
        while True:
            present = self.all()
            counted = [trial for trial in present if APART not in trial.user_attrs]
            if not present:
                self.study.enqueue_trial(self._first, user_attrs={COPY_OF: _FIRST})
            elif len(counted) >= self._trials and not any(trial.state.name == "WAITING" for trial in counted):
                return None
            trial = self.study.ask()
            surplus = self._surplus(trial)
            if surplus is None:
                return trial
            self._set_apart(trial, surplus)

    def _surplus(self, trial: Trial) -> str | None:
        """Return why a trial is not to be run, or None; every process comes to the same answer."""
        before = [other for other in self.all() if other.number < trial.number]
        copied = trial.user_attrs.get(COPY_OF)
        if copied is not None and any(other.user_attrs.get(COPY_OF) == copied for other in before):
            return f"surplus: a second copy of trial {copied}"
        if self.rank(trial.number) >= self._trials:
            return f"surplus: more than {self._trials} trials"
        return None

    def _set_apart(self, trial: Trial, reason: str) -> None:
        trial.set_user_attr(APART, reason)
        self._tell(trial, state="FAIL")

    def _take_back_lost(self) -> None:
        """Queue the trials again whose process is gone."""
        for trial in self.all():
            if trial.state.name == "RUNNING" and self._watch.is_lost(trial.number, trial.user_attrs.get(OWNER)):
                self._queue_again(trial, "its process died", died=True)

    def _queue_again(self, trial: FrozenTrial, reason: str, *, died: bool) -> None:
        """Queue a copy of a running trial, with the folds that it has fitted, and mark the trial as failed."""
        if trial.state.is_finished():
            return
        attempt = trial.user_attrs.get(ATTEMPT, 1)
        if died and attempt >= MOST_ATTEMPTS:
            self._close(trial, {REASON: f"{attempt} processes died in this trial, perhaps for lack of memory"})
            return
        kept = {name: value for name, value in trial.user_attrs.items() if name not in (OWNER, COPY_OF)}
        again = {COPY_OF: trial.number, ATTEMPT: attempt + died}
        self.study.enqueue_trial(trial.params, user_attrs=kept | again)
        self._close(trial, {REASON: reason, APART: f"{reason}; queued again"})

    def _close(self, trial: FrozenTrial, notes: Mapping[str, str]) -> None:
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        storage = self.study._storage
        with suppress(UpdateFinishedTrialError):  # another process closed it
            for name, value in notes.items():
                storage.set_trial_user_attr(trial._trial_id, name, value)
            storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL)

    def _tell(self, trial: Trial, *, values: list[float] | None = None, state: str | None = None) -> None:
        """End a trial; one that others gave up meanwhile stays as they left it, and its copy counts."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        with suppress(UpdateFinishedTrialError):
            self.study.tell(trial, values, state=None if state is None else TrialState[state], skip_if_finished=True)
