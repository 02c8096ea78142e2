"""The end of a search: what was chosen is fitted and scored, and every table is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xattn_bmd.config import CompareConfig
from xattn_bmd.search.choice import chosen_trial
from xattn_bmd.search.files import (
    BEST,
    IMPORTANCE,
    SCORES,
    TRIALS,
    write_configuration,
    write_scores,
    write_tables,
)
from xattn_bmd.search.ledger import APART
from xattn_bmd.search.outer import fit_all, outer_fits
from xattn_bmd.search.request import SearchRequest
from xattn_bmd.search.setting_path import with_settings
from xattn_bmd.search.tables import LABELS, Trials, importance_table, scores_table, trials_table, tuned_predictions
from xattn_bmd.search.work import Search

if TYPE_CHECKING:
    from distributed import Client


def finish(request: SearchRequest, out: Path, client: Client | None) -> None:
    """Fit and score what was chosen, and write every table.

    Args:
        request: a search whose trials have all ended.
        out: its folder.
        client: workers; None fits in this process.

    Raises:
        RunError: if no trial of a study could be fitted, or the disk is full.
    """
    ledgers = Search(request).ledgers
    trials: Trials = {name: ledger.all() for name, ledger in ledgers.items()}
    write_tables(out, {TRIALS: trials_table(trials, request), IMPORTANCE: importance_table(trials, request)})
    chosen = _chosen(trials, request)
    fits = outer_fits(request, chosen)
    fit_all(fits, request, out=out, client=client)
    predictions = tuned_predictions(fits, out=out)
    write_scores(out, predictions, request)
    for name, config in chosen.items():
        write_configuration(out / name / BEST, config, said=_said(name, request))
    write_configuration(out / BEST, chosen[request.parts[-1].name], said=_said(request.parts[-1].name, request))
    write_tables(out, {SCORES: scores_table(trials, fits, predictions, request)})


def _chosen(trials: Trials, request: SearchRequest) -> dict[str, CompareConfig]:
    found = {}
    for part in request.parts:
        counted = [trial for trial in trials[part.name] if APART not in trial.user_attrs]
        best = chosen_trial(counted, request=request, part=part)
        found[part.name] = with_settings(request.config, best.params)
    return found


def _said(part: str, request: SearchRequest) -> str:
    """Return where a configuration comes from, and what it may be used for."""
    if part.startswith("outer"):
        return f"Chosen for {part} by a {LABELS[True]}, which never saw that outer fold."
    said = f"Chosen on all radiographs by the search {request.name!r}: comparing the same cohort with it is optimistic."
    if request.nested:
        return f"{said}\nThe honest score of such a choice is that of the outer folds: scores.csv."
    return f"{said}\nSo are the scores beside this file: {LABELS[False]}."
