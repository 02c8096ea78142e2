"""Write what the runs of a study hold as long tables, one CSV a part, and their summary into the README.

Run: python experiments/hip_xattn/tables.py --runs FOLDER
FOLDER is that of run.py.  Writes results/*.csv beside this file and the tables between the README's markers.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from origin import FILE, Origin, read_origin
from study import EXTERNAL, Arm, Study, read_study
from summary import summaries
from wording import summary_text

from xattn_bmd.atomic import atomic_write
from xattn_bmd.bone.tscore import NORMAL_EDGE
from xattn_bmd.errors import RunError
from xattn_bmd.metrics.paired.bootstrap import PAIRED_BOOTSTRAP
from xattn_bmd.metrics.paired.resampled_t import CORRECTED_T
from xattn_bmd.metrics.tables.layout import FOLDS
from xattn_bmd.metrics.tables.screening import without_averages

HERE = Path(__file__).parent
COLUMNS = ("part", "arm", "draw", "model", "metric", "value", "low", "high", "n", "seed", "plan", "commit", "machine")
CELLS = ["model", "metric", "value", "low", "high", "n"]
ERRORS = ("mse", "mae", "rmse", "r2", "pearson_r")
SCREENED = ("auroc", "f1", "sensitivity", "specificity", "precision", "accuracy")
COMPARED = ("mse", "mae", "r2")
TESTS = {PAIRED_BOOTSTRAP: "p_bootstrap", CORRECTED_T: "p_corrected_t"}


def main() -> None:
    """Collect, store and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True)
    asked = parser.parse_args()
    print(publish(asked.runs, read_study(), results=HERE / "results", readme=HERE / "README.md"))


def publish(root: Path, study: Study, *, results: Path, readme: Path) -> str:
    """Write the tables of all finished runs; a README that is not there yet begins as this folder's.

    Args:
        root: folder of run.py.
        study: the study.
        results: folder of the CSV files.
        readme: its markers hold the summary afterwards.

    Returns:
        The summary, Markdown.

    Raises:
        RunError: as :func:`collected`, or if the README lacks its markers.
    """
    rows = collected(root, study)
    results.mkdir(parents=True, exist_ok=True)
    for part, found in rows.groupby("part", sort=False):
        atomic_write(results / f"{part}.csv", found.to_csv(index=False, float_format="%.6g"))
    tables = summaries(rows, study)
    for name, table in tables.items():
        atomic_write(results / f"summary_{name}.csv", table.to_csv(index=False, float_format="%.6g"))
    text = summary_text(rows, study, tables)
    if not readme.is_file():
        shutil.copyfile(HERE / "README.md", readme)
    put_between(readme, "results", text)
    return text


def collected(root: Path, study: Study) -> pd.DataFrame:
    """Return every figure of every finished run and evaluation of the study, with :data:`COLUMNS`.

    Raises:
        RunError: if there is none, one had other settings, or two arms of one draw have different folds.
    """
    parts = [
        scored(folder, _checked(folder, arm)).assign(folds=arm.config.folds)
        for arm, home in _homes(root, study)
        for folder in sorted(home.glob("draw_*"))
        if (folder / FILE).is_file()
    ]
    if not parts:
        raise RunError(f"Tables are made of finished runs, but {root} holds none; run run.py with --out {root}.")
    rows = pd.concat(parts, ignore_index=True)
    plans = rows[rows["part"] != EXTERNAL].groupby(["seed", "folds"])["plan"].unique()
    for (seed, folds), found in plans.items():
        if len(found) > 1:
            raise RunError(
                f"All arms of a draw share one plan of {folds} folds, but seed {seed} has {', '.join(found)}; delete "
                "those runs and run them again with one version."
            )
    return rows[list(COLUMNS)]


def _homes(root: Path, study: Study) -> Iterator[tuple[Arm, Path]]:
    for arm in study.arms:
        yield arm, root / "runs" / arm.part / arm.name
    for arm in study.evaluated:
        for site in study.sites:
            yield arm, root / "runs" / EXTERNAL / arm.outside(site)


def _checked(folder: Path, arm: Arm) -> Origin:
    origin = read_origin(folder)
    if origin is None or origin.settings != arm.digest:
        raise RunError(
            f"A run has the settings of its arm in study.yaml, but {folder} was run with others (a quick run, or an "
            "older study.yaml); give the folder of the study, or delete that run."
        )
    return origin


def scored(folder: Path, origin: Origin) -> pd.DataFrame:
    """Return the figures of one run or evaluation.

    ``M_vs_concat`` is ``(model - concat) / concat`` of the metric M with its paired bootstrap interval,
    ``M_vs_concat_p_TEST`` the p of a test, ``M_change`` external minus internal, ``seconds`` the wall time.
    """
    metrics = pd.read_csv(folder / "metrics.csv")
    spent = pd.DataFrame([{"model": "all", "metric": "seconds", "value": origin.seconds, "n": metrics["n"].iloc[0]}])
    parts = [_errors(metrics), _screening(folder), *_compared(folder), *_outside(folder), spent.reindex(columns=CELLS)]
    rows = pd.concat([part[CELLS] for part in parts if len(part)], ignore_index=True)
    plan = metrics["plan_hash"].iloc[0][:12] if "plan_hash" in metrics else ""
    facts = {"part": origin.part, "arm": origin.arm, "draw": origin.draw, "seed": origin.seed, "plan": plan}
    return rows.assign(**facts, commit=origin.commit, machine=origin.machine)


def _errors(metrics: pd.DataFrame) -> pd.DataFrame:
    return metrics[metrics["metric"].isin(ERRORS) & (metrics["method"] != FOLDS)]


def _screening(folder: Path) -> pd.DataFrame:
    table = without_averages(pd.read_csv(folder / "screening.csv"))
    return table[(table["threshold"] == NORMAL_EDGE) & table["metric"].isin(SCREENED)]


def _compared(folder: Path) -> Iterator[pd.DataFrame]:
    table = pd.read_csv(folder / "comparisons.csv")
    table = table[(table["model_b"] == "concat") & table["metric"].isin(COMPARED)].rename(columns={"model_a": "model"})
    table["metric"] += "_vs_concat"
    drawn = table[table["test"] == PAIRED_BOOTSTRAP]
    yield drawn.assign(value=drawn["relative"], low=drawn["relative_low"], high=drawn["relative_high"])
    for test, name in TESTS.items():
        tested = table[table["test"] == test]
        yield tested.assign(
            metric=tested["metric"] + f"_{name}", value=tested["p"], low=float("nan"), high=float("nan")
        )


def _outside(folder: Path) -> Iterator[pd.DataFrame]:
    if not (folder / "drop.csv").is_file():
        return
    agreement = pd.read_csv(folder / "agreement.csv")
    yield agreement[agreement["metric"].isin(("bias", "recalibrated_r2"))]
    drop = pd.read_csv(folder / "drop.csv")
    drop = drop[
        (drop["threshold"].isna() | (drop["threshold"] == NORMAL_EDGE)) & drop["metric"].isin((*ERRORS, *SCREENED))
    ]
    drop = drop[~drop["average"].isin(("macro", "weighted"))]
    cells = {"value": drop["change"], "low": drop["change_low"], "high": drop["change_high"], "n": drop["n_external"]}
    yield drop.assign(metric=drop["metric"] + "_change", **cells)


def put_between(readme: Path, name: str, text: str) -> None:
    """Put text between the markers of a name in a README.

    Raises:
        RunError: if the README lacks the markers.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    page = readme.read_text()
    if begin not in page or end not in page:
        raise RunError(f"The README holds the markers {begin} and {end}, but {readme} lacks one; put both back.")
    before, rest = page.split(begin, 1)
    atomic_write(readme, f"{before}{begin}\n{text.strip()}\n{end}{rest.split(end, 1)[1]}")


if __name__ == "__main__":
    main()
