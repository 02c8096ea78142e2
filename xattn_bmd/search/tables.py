"""The tables of a finished search, each with the words that say how far it may be believed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from xattn_bmd.bone.reference import get_reference
from xattn_bmd.search.choice import chosen_trial
from xattn_bmd.search.ledger import APART, REASON
from xattn_bmd.search.objective import OBJECTIVES, FoldScore, fold_score
from xattn_bmd.search.outer import OuterFit
from xattn_bmd.search.part import Part
from xattn_bmd.search.request import SearchRequest
from xattn_bmd.search.storage import quiet_optuna
from xattn_bmd.search.trial import fold_records
from xattn_bmd.training.runs.run import PREDICTIONS
from xattn_bmd.training.study import reference_of
from xattn_bmd.types import PREDICTION_COLUMNS, UNIT_COLUMN

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

LABELS = {True: "nested search", False: "flat search (optimistic: scored on the folds that chose)"}
"""How a nested and a flat search are named in every table."""

TUNED = "tuned"
"""The model of a search's predictions: whatever was chosen for each outer fold."""

Trials = Mapping[str, "list[FrozenTrial]"]


def trials_table(trials: Trials, request: SearchRequest) -> pd.DataFrame:
    """Return one row for every trial of every study, those that do not count included.

    Args:
        trials: all trials of each part's study, by its name.
        request: the search.
    """
    rows = [_trial_row(part, trial, request) for part in request.parts for trial in trials[part.name]]
    return pd.DataFrame(rows).assign(protocol=LABELS[request.nested])


def _trial_row(part: Part, trial: FrozenTrial, request: SearchRequest) -> dict[str, Any]:
    folds = fold_records(trial)
    values = trial.values or [None] * len(request.objectives)
    costs = {name: trial.user_attrs.get(name) for name in request.constraints.limits}
    return {
        "search": part.name,
        "trial": trial.number,
        "state": trial.state.name.lower(),
        "counts": APART not in trial.user_attrs,
        "reason": trial.user_attrs.get(APART) or trial.user_attrs.get(REASON),
        **dict(zip(request.objectives, values, strict=True)),
        "folds_scored": len(folds),
        "folds": part.plan.folds,
        "fit_seconds": round(sum(record["seconds"] for record in folds.values()), 3),
        **costs,
        **{parameter.name: trial.params.get(parameter.name) for parameter in request.space.parameters},
    }


def tuned_predictions(fits: tuple[OuterFit, ...], *, out: Path) -> pd.DataFrame:
    """Return the out-of-fold predictions of the chosen configurations as those of one model, :data:`TUNED`."""
    parts = [pd.read_csv(fit.folder(out) / PREDICTIONS, float_precision="round_trip") for fit in fits]
    joined = pd.concat([part[list(PREDICTION_COLUMNS)] for part in parts], ignore_index=True)
    unit = {UNIT_COLUMN: parts[0][UNIT_COLUMN].iloc[0]} if UNIT_COLUMN in parts[0].columns else {}
    return joined.assign(model=TUNED, **unit)


def scores_table(
    trials: Trials, fits: tuple[OuterFit, ...], predictions: pd.DataFrame, request: SearchRequest
) -> pd.DataFrame:
    """Return one row for every outer fold: what the search saw, and what the fold says.

    Args:
        trials: as in :func:`trials_table`.
        fits: fit of each outer fold.
        predictions: from :func:`tuned_predictions`.
        request: the search.

    Returns:
        of each objective ``searched_`` (the chosen trial on the folds of the search), ``searched_default_`` (the first
        trial, NaN where it failed) and ``outer_`` (the fitted configuration on the outer fold).
    """
    parts = {part.name: part for part in request.parts}
    reference = get_reference(reference_of(request.config))
    rows = []
    for fit in fits:
        scored = predictions[predictions["fold"] == fit.fold]
        score = fold_score(scored, reference=reference)
        row = {"outer_fold": fit.fold, "search": fit.part, "model": fit.job.model, "n": score.n}
        rows.append(row | _seen(trials[fit.part], parts[fit.part], request) | _objectives("outer", [score], request))
    return pd.DataFrame(rows).assign(protocol=LABELS[request.nested])


def _seen(trials: list[FrozenTrial], part: Part, request: SearchRequest) -> dict[str, Any]:
    counted = [trial for trial in trials if APART not in trial.user_attrs]
    best, default = chosen_trial(counted, request=request, part=part), _default_trial(counted, request)
    shared = {"trials": len(counted), "chosen_trial": best.number}
    return (
        shared
        | _objectives("searched", _scores(best), request)
        | (_objectives("searched_default", _scores(default), request) if default is not None else {})
    )


def _default_trial(counted: list[FrozenTrial], request: SearchRequest) -> FrozenTrial | None:
    first = request.space.defaults(request.config)
    found = [trial for trial in counted if trial.params == first and trial.state.name == "COMPLETE"]
    return found[0] if found else None


def _scores(trial: FrozenTrial) -> list[FoldScore]:
    return [FoldScore.from_dict(record) for record in fold_records(trial).values()]


def _objectives(prefix: str, scores: list[FoldScore], request: SearchRequest) -> dict[str, float]:
    return {f"{prefix}_{name}": OBJECTIVES[name].of(scores) for name in request.objectives}


def importance_table(trials: Trials, request: SearchRequest) -> pd.DataFrame:
    """Return how much of the variation of the first objective each parameter explains, in the last part's study.

    Only parameters that every finished trial has can be weighed; fewer than 4 trials, or trials that are all alike, say
    nothing.

    Returns:
        columns ``parameter`` and ``importance`` (shares that add up to 1), largest first.
    """
    import optuna

    part = request.parts[-1]
    finished = [
        trial for trial in trials[part.name] if trial.state.name == "COMPLETE" and APART not in trial.user_attrs
    ]
    table = pd.DataFrame({"parameter": [], "importance": []})
    if len(finished) < 4:
        return table
    with quiet_optuna():
        study = optuna.create_study(direction=OBJECTIVES[request.objectives[0]].direction)
        study.add_trials([_first_objective(trial) for trial in finished])
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        try:
            found = optuna.importance.get_param_importances(study, evaluator=evaluator)
        except RuntimeError:  # all trials have the same value
            return table
    return pd.DataFrame({"parameter": list(found), "importance": list(found.values())})


def _first_objective(trial: FrozenTrial) -> FrozenTrial:
    import optuna

    assert trial.values is not None
    return optuna.create_trial(value=trial.values[0], params=trial.params, distributions=trial.distributions)
