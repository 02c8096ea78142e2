"""Working on a search: one process takes trials until every study of it has as many as were asked for."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from xattn_bmd.errors import RunError
from xattn_bmd.search.choice import best_trial
from xattn_bmd.search.ledger import REASON, Ledger
from xattn_bmd.search.owner import Watch
from xattn_bmd.search.part import Part
from xattn_bmd.search.part_images import OpenedImages
from xattn_bmd.search.request import SearchRequest
from xattn_bmd.search.storage import open_storage, shown
from xattn_bmd.search.studies import check_same, open_study
from xattn_bmd.search.trial import TrialRunner, fold_records
from xattn_bmd.seeds import derive_seed
from xattn_bmd.training.registry import uses_images
from xattn_bmd.training.study import Study

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

_LOOK_AGAIN = 1.0  # seconds between two looks at trials that other processes work on


class Search:
    """The studies of a search, opened in this process.

    Args:
        request: the search.

    Raises:
        ConfigError: if its storage holds another search of that name.
        RunError: if the storage fails.
    """

    def __init__(self, request: SearchRequest) -> None:
        self.request = request
        storage = open_storage(request.storage)
        self.ledgers = {part.name: self._ledger(part, storage) for part in request.parts}

    def work(self) -> None:
        """Take trials until no study needs one, and wait for those that other processes work on."""
        while self._one_trial() or not self.is_finished():
            pass

    def is_finished(self) -> bool:
        """Tell whether every study has as many trials as were asked for; wait a moment where one has not."""
        if all(ledger.is_finished() for ledger in self.ledgers.values()):
            return True
        time.sleep(_LOOK_AGAIN)
        return False

    def _one_trial(self) -> bool:
        """Run one trial of the study that the fewest processes work on; False where there is none to take now."""
        unfinished = [part for part in self.request.parts if not self.ledgers[part.name].is_finished()]
        for part in sorted(unfinished, key=lambda part: self.ledgers[part.name].running()):
            ledger = self.ledgers[part.name]
            check_same(ledger.study, self.request.fingerprint)
            with ledger.next_trial() as trial:
                if trial is not None:
                    self._run(trial, part, ledger)
                    return True
        return False

    def _run(self, trial: Trial, part: Part, ledger: Ledger) -> None:
        TrialRunner(self.request, part, self._study, self._opened).run(trial, ledger)
        if self.request.shown:
            print(_said(ledger, trial.number, part, self.request), file=sys.stderr, flush=True)

    @cached_property
    def _opened(self) -> OpenedImages:
        return OpenedImages(self._study)

    @cached_property
    def _study(self) -> Study:
        shared = self.request.shared
        return shared.here_with_files if any(map(uses_images, self.request.config.models)) else shared.here

    def _ledger(self, part: Part, storage: BaseStorage) -> Ledger:
        request = self.request
        study = open_study(
            storage,
            name=request.study_name(part),
            objectives=request.objectives,
            fingerprint=request.fingerprint,
            prune=request.stops_between_folds,
        )
        first = request.space.defaults(request.config)
        seed = derive_seed(request.config.seed, "search", part.name)
        return Ledger(study, trials=request.trials, first=first, seed=seed, watch=Watch())


def take_part(slot: int, request: SearchRequest) -> int:
    """Work on a search in this process until it is finished.

    Args:
        slot: number of the worker.
        request: the search.

    Returns:
        the slot.

    Raises:
        RunError: if the storage is lost.
    """
    with storage_errors(request.storage):
        Search(request).work()
    return slot


@contextmanager
def storage_errors(storage: str) -> Iterator[None]:
    """Say in one sentence that the storage was lost within the block.

    Raises:
        RunError: naming the storage.
    """
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError, ConnectionError) as cause:
        raise _lost(storage, cause) from cause
    except Exception as cause:
        if type(cause).__module__.partition(".")[0] == "grpc":
            raise _lost(storage, cause) from cause
        raise


def _lost(storage: str, cause: Exception) -> RunError:
    return RunError(
        f"The storage of a search must answer, but {shown(storage)} was lost ({type(cause).__name__}); what is "
        "finished is kept: start it, and run the same command again."
    )


def _said(ledger: Ledger, number: int, part: Part, request: SearchRequest) -> str:
    """Return one line about a trial that has just ended."""
    trials = ledger.counted()
    done = next((trial for trial in trials if trial.number == number), None)
    place = f"{part.name}: {sum(trial.state.is_finished() for trial in trials)} of {request.trials} trials"
    if done is None or done.values is None:
        return f"{place}; trial {number} {'was given up' if done is None else done.user_attrs.get(REASON, 'failed')}"
    words = request.words.objective(request.objectives[0])
    best = best_trial(trials, request=request, folds=part.plan.folds)
    so_far = "" if best is None or best.values is None else f", best {best.values[0]:.4f}"
    return f"{place}; trial {number} {_folds(done, part)}: {words} {done.values[0]:.4f}{so_far}"


def _folds(trial: FrozenTrial, part: Part) -> str:
    fitted = len(fold_records(trial))
    return "on all folds" if fitted == part.plan.folds else f"stopped after {fitted} of {part.plan.folds} folds"
