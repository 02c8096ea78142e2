"""A study of one file, run: every comparison and the search into one folder, and the outcomes that it is about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from xattn_bmd.atomic import atomic_write
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.folds import FoldPlan
from xattn_bmd.errors import RunError
from xattn_bmd.metrics.paired.bootstrap import PAIRED_BOOTSTRAP
from xattn_bmd.metrics.tables.layout import POOLED
from xattn_bmd.search.objective import check_objectives
from xattn_bmd.search.result import SearchResult
from xattn_bmd.search.study_file import SEARCH, Outcome, OwnCohort, StudyFile, read_study
from xattn_bmd.search.tables import LABELS
from xattn_bmd.search.tune import tune
from xattn_bmd.simulate.cohort import simulate_cohort
from xattn_bmd.training.crossval import compare
from xattn_bmd.training.runs.results import PROTOCOL_LABELS
from xattn_bmd.training.runs.run import Run

FILE, OUTCOMES = "study.yaml", "outcomes.csv"
_COLUMNS = ("of", "model", "against", "metric", "value", "low", "high", "relative", "p", "n", "protocol", "simulated")


@dataclass(frozen=True)
class StudyResult:
    """A finished study.

    Attributes:
        folder: its folder.
        runs: the comparisons, by the name of their arm.
        search: the search, or None.
        outcomes: one row for each outcome: value or difference, interval, and how far it may be believed.
    """

    folder: Path
    runs: dict[str, Run]
    search: SearchResult | None
    outcomes: pd.DataFrame


def run_study(
    file: str | Path, *, out: str | Path, cache: str | Path | None = None, workers: int = 1, progress: bool = True
) -> StudyResult:
    """Run all that a study's file asks for; what is finished is kept, so the same call continues.

    Args:
        file: ``study.yaml``.
        out: folder of everything that the study makes.
        cache: folder of decoded images; None takes the user's cache folder.
        workers: fits at a time, each in a process of this machine.
        progress: show progress.

    Returns:
        Comparisons, search and outcomes.

    Raises:
        ConfigError: if the file contradicts itself.
        RunError: if the folder holds another study.
        XattnBmdError: as :func:`~xattn_bmd.training.crossval.compare` and :func:`~xattn_bmd.search.tune.tune`.
    """
    study, out = read_study(file), Path(out)
    _keep_file(study, out)
    cohort = _cohort(study, out, workers=workers)
    plan = _plan(study, cohort)
    shared: dict[str, Any] = {"plan": plan, "cache": cache, "workers": workers, "progress": progress}
    runs = {arm.name: compare(cohort, out=out / "runs" / arm.name, config=arm.config, **shared) for arm in study.arms}
    search = _searched(study, cohort, out, shared)
    outcomes = pd.DataFrame([_row(outcome, runs, search) for outcome in study.outcomes], columns=list(_COLUMNS))
    atomic_write(out / OUTCOMES, outcomes.to_csv(index=False))
    return StudyResult(out, runs, search, outcomes)


def _keep_file(study: StudyFile, out: Path) -> None:
    """Keep the study's file in its folder, and refuse to mix two studies."""
    kept = out / FILE
    if kept.is_file() and kept.read_text() != study.text:
        raise RunError(
            f"The folder of a study is continued only with the same file, but {out} holds another {FILE}; choose "
            "another output folder, or delete this one."
        )
    if not kept.is_file():
        atomic_write(kept, study.text)


def _cohort(study: StudyFile, out: Path, *, workers: int) -> Cohort:
    asked = study.cohort
    if isinstance(asked, OwnCohort):
        images, roles = (study.folder / name if name else None for name in (asked.images, asked.roles))
        return Cohort.from_csv(study.folder / asked.table, images=images, config=roles)
    folder = out / "cohort"
    table = simulate_cohort(folder, n=asked.n, preset=asked.preset, seed=asked.seed, size=asked.size, workers=workers)
    return Cohort.from_csv(table, images=folder / "images")


def _plan(study: StudyFile, cohort: Cohort) -> FoldPlan | None:
    """Return the study's own plan; None where one is made, the same for every arm."""
    plan = study.plan
    if not plan.file:
        return None
    fraction = study.base.inner_fraction
    return FoldPlan.load(study.folder / plan.file, cohort=cohort, seed=plan.seed, inner_fraction=fraction)


def _searched(study: StudyFile, cohort: Cohort, out: Path, shared: dict[str, Any]) -> SearchResult | None:
    asked = study.search
    if asked is None:
        return None
    space = asked.space
    if isinstance(space, str) and space.endswith((".yaml", ".yml")):
        space = study.folder / space
    return tune(
        cohort,
        space=space,
        out=out / SEARCH,
        models=asked.models or None,
        trials=asked.trials,
        inner_folds=asked.inner_folds,
        nested=asked.nested,
        objectives=check_objectives(asked.objectives),
        config=replace(study.base, repeats=1),
        **shared,
    )


def _row(outcome: Outcome, runs: dict[str, Run], search: SearchResult | None) -> dict[str, Any]:
    named = {"of": outcome.of, "model": outcome.model, "against": outcome.against, "metric": outcome.metric}
    if outcome.of == SEARCH:
        assert search is not None
        simulated = bool(search.record["simulated"])
        return named | _value(search.metrics(), outcome) | {"protocol": LABELS[search.nested], "simulated": simulated}
    run = runs[outcome.of]
    labels = {"protocol": PROTOCOL_LABELS[run.config.protocol], "simulated": run.simulated}
    found = _difference(run, outcome) if outcome.against else _value(run.metrics(), outcome)
    return named | found | labels


def _value(metrics: pd.DataFrame, outcome: Outcome) -> dict[str, Any]:
    wanted = (metrics["model"] == outcome.model) & (metrics["metric"] == outcome.metric) & (metrics["method"] == POOLED)
    row = metrics[wanted].iloc[0]
    return {name: row[name] for name in ("value", "low", "high", "n")}


def _difference(run: Run, outcome: Outcome) -> dict[str, Any]:
    table = run.comparison(outcome.model, outcome.against)
    row = table[(table["metric"] == outcome.metric) & (table["test"] == PAIRED_BOOTSTRAP)].iloc[0]
    return {"value": row["difference"]} | {name: row[name] for name in ("low", "high", "relative", "p", "n")}
