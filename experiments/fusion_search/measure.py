"""Run study.yaml, then the same search flat, with and without stopping, and print what each is worth.

Run: python experiments/fusion_search/measure.py --work FOLDER
     python experiments/fusion_search/measure.py --work FOLDER --small --results trial.csv   (minutes: a trial)
A killed run is continued by the same command.  Figures go to results/fusion_search.csv and into the README.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import optuna
import pandas as pd
import yaml

from xattn_bmd import Cohort, CompareConfig, SearchResult, optimism, tune
from xattn_bmd.atomic import atomic_replace, atomic_write
from xattn_bmd.config import load_config
from xattn_bmd.search.study_run import StudyResult, run_study
from xattn_bmd.training.environment import commit, machine

HERE = Path(__file__).parent
STORED = HERE / "results" / "fusion_search.csv"
BEGIN, END = "<!-- search: begin -->", "<!-- search: end -->"
OBJECTIVE = "mae"
SMALL = {"n": 48, "folds": 2, "epochs": 2, "trials": 5, "inner_folds": 2}


def main() -> None:
    """Run everything, store the figures and print them."""
    asked = _asked()
    file = _study_file(asked)
    study = run_study(file, out=asked.work / "study", cache=asked.work / "cache", progress=False)
    assert study.search is not None
    settings = yaml.safe_load(file.read_text())["search"]
    flat = _flat(study, settings, asked.work / "flat", folds=len(study.search.scores), prune=False)
    stopped, unstopped = (
        _flat(study, settings, asked.work / name, folds=asked.folds, prune=prune)
        for name, prune in (("stopped", True), ("unstopped", False))
    )
    rows = [
        *_outcomes(study),
        *_nested(study.search),
        *_optimism(flat, study.search),
        *_stopping(stopped, unstopped),
    ]
    table = pd.DataFrame(rows).assign(seed=int(study.search.best.seed), commit=commit(HERE), machine=machine())
    asked.results.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(asked.results, table.to_csv(index=False, float_format="%.6g"))
    print(_printed(table))
    if asked.results == STORED:
        atomic_replace(HERE / "README.md", _printed(table), begin=BEGIN, end=END)


def _study_file(asked: argparse.Namespace) -> Path:
    """Return the study's file: the one beside this script, or, for a trial, a small copy."""
    if not asked.small:
        return HERE / "study.yaml"
    entries = yaml.safe_load((HERE / "study.yaml").read_text())
    entries["cohort"]["simulate"]["n"], entries["plan"]["folds"] = SMALL["n"], SMALL["folds"]
    entries["settings"] = {"training": {"epochs": SMALL["epochs"], "patience": 2}}
    entries["search"] |= {"trials": SMALL["trials"], "inner_folds": SMALL["inner_folds"]}
    path: Path = asked.work / "small.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(entries, sort_keys=False))
    return path


def _flat(study: StudyResult, settings: dict[str, object], out: Path, *, folds: int, prune: bool) -> SearchResult:
    """Search on the scored folds themselves: the same cohort, space and seed as the study's search."""
    assert study.search is not None
    folder = study.folder / "cohort"
    cohort = Cohort.from_csv(folder / "cohort.csv", images=folder / "images")
    config: CompareConfig = replace(load_config(study.runs["default"].folder / "config.yaml"), repeats=1, folds=folds)
    return tune(
        cohort,
        space=str(settings["space"]),
        trials=int(str(settings["trials"])),
        nested=False,
        prune=prune,
        out=out,
        config=config,
        cache=out.parent / "cache",
        progress=False,
    )


def _outcomes(study: StudyResult) -> list[dict[str, object]]:
    rows = []
    for row in study.outcomes.to_dict("records"):
        against = f" against {row['against']}" if isinstance(row["against"], str) and row["against"] else ""
        name = f"{row['of']}: {row['metric'].upper()} of {row['model']}{against}, outer folds"
        rows.append(_row(name, row["value"], low=row["low"], high=row["high"], n=row["n"]))
    return rows


def _nested(search: SearchResult) -> list[dict[str, object]]:
    """Return what the inner folds say of the chosen and of the default configurations, mean over the outer folds."""
    scores = search.scores
    inner, n = f"searched_{OBJECTIVE}", len(scores)
    default = f"searched_default_{OBJECTIVE}"
    return [
        _row("nested search: MAE of the default configuration, inner folds", scores[default].mean(), n=n),
        _row("nested search: MAE of the chosen configurations, inner folds", scores[inner].mean(), n=n),
        _row("nested search: outer folds whose search beat the default", (scores[inner] < scores[default]).sum(), n=n),
        _row("nested search: MAE, outer folds (mean over folds)", scores[f"outer_{OBJECTIVE}"].mean(), n=n),
    ]


def _optimism(flat: SearchResult, nested: SearchResult) -> list[dict[str, object]]:
    table = optimism(flat=flat, nested=nested).set_index("metric")
    shown = {"mae": "MAE", "mse": "MSE", "r2": "R²"}
    n = len(nested.predictions)
    return [
        _row(f"optimism: {name}, {what}", table.loc[metric, column], n=n)
        for metric, name in shown.items()
        for column, what in (("flat", "flat"), ("nested", "nested"), ("optimism", "flat minus nested"))
    ]


def _stopping(stopped: SearchResult, unstopped: SearchResult) -> list[dict[str, object]]:
    """Return what stopping between folds saves and costs, and how much of a study's time is not spent in fits."""
    fits = [int(_fitted(found)["folds_scored"].sum()) for found in (stopped, unstopped)]
    chosen = [found.scores[f"searched_{OBJECTIVE}"].mean() for found in (stopped, unstopped)]
    trials = len(_fitted(unstopped))
    return [
        _row("stopping: fold fits without", fits[1], n=trials),
        _row("stopping: fold fits with", fits[0], n=trials),
        _row("stopping: share of the fits", fits[0] / fits[1], n=trials),
        _row("stopping: MAE of the chosen trial without", chosen[1], n=trials),
        _row("stopping: MAE of the chosen trial with", chosen[0], n=trials),
        _row("overhead: share of the trials' time not spent in fits", _overhead(unstopped), n=trials),
    ]


def _fitted(search: SearchResult) -> pd.DataFrame:
    """Return the trials that were fitted: a sampler that names a configuration again is answered from the first."""
    chosen = [name for name in search.trials.columns if name == "models" or "." in name]
    return search.trials.drop_duplicates(subset=chosen)


def _overhead(search: SearchResult) -> float:
    from xattn_bmd.search.storage import open_storage

    studies = optuna.load_study(study_name="tune/flat", storage=open_storage(str(search.folder / "study.journal")))
    begins = [trial.datetime_start for trial in studies.trials if trial.datetime_start]
    ends = [trial.datetime_complete for trial in studies.trials if trial.datetime_complete]
    return 1.0 - float(_fitted(search)["fit_seconds"].sum()) / (max(ends) - min(begins)).total_seconds()


def _row(name: str, value: object, *, n: int, low: object = None, high: object = None) -> dict[str, object]:
    return {"figure": name, "value": value, "low": low, "high": high, "n": n}


def _printed(table: pd.DataFrame) -> str:
    lines = ["| figure | value [95 %] | n |", "|---|---|---|"]
    for row in table.to_dict("records"):
        interval = "" if pd.isna(row["low"]) else f" [{row['low']:.4g}, {row['high']:.4g}]"
        lines.append(f"| {row['figure']} | {row['value']:.4g}{interval} | {row['n']} |")
    first = table.iloc[0]
    return "\n".join([*lines, "", f"Seed {first['seed']}; commit {first['commit']}; machine: {first['machine']}."])


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of everything that is made")
    parser.add_argument("--folds", type=int, default=10, help="of the two searches that measure stopping")
    parser.add_argument("--small", action="store_true", help="few hips and trials: to try the script")
    parser.add_argument("--results", type=Path, default=STORED)
    asked = parser.parse_args()
    if asked.small and asked.results == STORED:
        parser.error("a trial is not stored: name another file, --results FILE")
    return asked


if __name__ == "__main__":
    main()
