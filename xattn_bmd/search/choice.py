"""Which trial of a study is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xattn_bmd.errors import RunError
from xattn_bmd.search.ledger import REASON
from xattn_bmd.search.objective import OBJECTIVES
from xattn_bmd.search.part import Part
from xattn_bmd.search.request import SearchRequest
from xattn_bmd.search.trial import fold_records

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def best_trial(trials: Sequence[FrozenTrial], *, request: SearchRequest, folds: int) -> FrozenTrial | None:
    """Return the trial with the best first objective, among those that were fitted on every fold; None without any.

    A trial that was stopped between folds was seen on fewer, so its mean is no match for the others'.

    Args:
        trials: those that count.
        request: the search.
        folds: folds of the part.
    """
    whole = [trial for trial in trials if trial.state.name == "COMPLETE" and len(fold_records(trial)) == folds]
    sign = -1.0 if OBJECTIVES[request.objectives[0]].direction == "maximize" else 1.0
    return min(whole, key=lambda trial: (sign * (trial.values or [0.0])[0], trial.number), default=None)


def chosen_trial(trials: Sequence[FrozenTrial], *, request: SearchRequest, part: Part) -> FrozenTrial:
    """Return the best trial of a finished study.

    Raises:
        RunError: if none of its trials could be fitted, with the reason of the first.
    """
    best = best_trial(trials, request=request, folds=part.plan.folds)
    if best is None:
        reasons = [trial.user_attrs[REASON] for trial in trials if REASON in trial.user_attrs]
        raise RunError(
            f"A search chooses among trials that were fitted, but all {len(trials)} of {request.study_name(part)!r} "
            f"failed, the first because: {reasons[0] if reasons else 'no reason was stored'}; mend the space or the "
            "constraints, and use another storage."
        )
    return best
