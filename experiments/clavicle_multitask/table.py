"""The stored figures, and the tables that the README and the terminal show, beside those of the source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from figures import ARMS, CHANGE
from studies import MODELS, STUDIES, Study

from xattn_bmd.atomic import atomic_replace, atomic_write
from xattn_bmd.training.environment import commit, machine

HERE = Path(__file__).parent
README = HERE / "README.md"
COLUMNS = [
    *("study", "where", "model", "arm", "metric", "value", "low", "high", "p", "n"),
    *("seed", "pixels", "folds", "epochs", "workers", "commit", "machine"),
]
SOURCE = {
    "mae": (0.101, 0.092),
    "pearson_r": (0.724, 0.769),
    "bias": (-0.003, -0.013),
    "loa_low": (-0.257, -0.248),
    "loa_high": (0.252, 0.223),
    "macro sensitivity": (0.597, 0.647),
    "macro specificity": (0.809, 0.826),
    "macro precision": (0.660, 0.680),
    "macro f1": (0.616, 0.659),
}
"""Single-task and multi-task figures of the source's abstract (1,600 real patients)."""
NAMES = {
    "mae": "MAE, g/cm²",
    "pearson_r": "r",
    "bias": "bias, g/cm²",
    "loa_low": "lower limit of agreement",
    "loa_high": "upper limit of agreement",
    "dice": "Dice",
}
CHANGES = {
    "mae, paired_patient_bootstrap": "MAE, g/cm² (patient bootstrap)",
    "mae, corrected_resampled_t": "MAE, g/cm² (corrected t over folds)",
    "mae, wilcoxon_signed_rank": "median absolute error, g/cm² (Wilcoxon)",
    "mae, share": "MAE, share",
    "width of the limits, share": "width of the limits of agreement, share",
    "class share_reclassified": "WHO class changed, share",
    "class better": "… towards the measured one",
    "class worse": "… away from it",
    "class net": "… net",
}


def update(found: pd.DataFrame, *, path: Path, study: Study, model: str, seed: int, workers: int) -> None:
    """Store the figures of a model and a draw in place of those of the same two."""
    facts = {
        "study": study.name,
        "model": model,
        "seed": seed,
        "pixels": study.pixels,
        "folds": study.folds,
        "epochs": study.epochs,
    }
    rows = found.assign(**facts, workers=workers, commit=commit(HERE), machine=machine()).reindex(columns=COLUMNS)
    if path.exists():
        before = pd.read_csv(path)
        same = (before["seed"] == seed) & (before["model"] == model)
        rows = pd.concat([before[~same], rows], ignore_index=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, rows.to_csv(index=False, float_format="%.6g"))


def stored(path: Path) -> str:
    """Return the tables of one study, a set for each draw, as Markdown."""
    table = pd.read_csv(path)
    return "\n\n".join("\n".join(_lines(part)) for _, part in table.groupby("seed"))


def write_readme() -> None:
    """Put every stored study between its markers in the README.

    Raises:
        RunError: if the README lacks a marker.
    """
    for name in STUDIES:
        path = HERE / "results" / f"{name}.csv"
        if path.exists():
            begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
            atomic_replace(README, stored(path), begin=begin, end=end)


def _lines(rows: pd.DataFrame) -> Iterator[str]:
    one = rows.iloc[0]
    for model in MODELS:
        for where, part in rows[rows["model"] == model].groupby("where", sort=False):
            n = int(part["n"].max())
            yield f"`{model}`, {where}: {n:,} **simulated** radiographs, seed {one['seed']}, {one['pixels']} pixels:"
            yield ""
            yield from _arms(part, with_source=one["study"] == "chest" and model == MODELS[0] and where == "internal")
            yield ""
            yield from _changes(part)
            yield ""
    yield from _confusion(rows)
    yield from _classes(rows)
    yield from _heat(rows)
    yield f"{one['folds']} folds, at most {one['epochs']} epochs. Commit {one['commit']}; machine: {one['machine']}."


def _arms(part: pd.DataFrame, *, with_source: bool) -> Iterator[str]:
    source = " source, single | source, multi |" if with_source else ""
    yield "| | single-task | multi-task |" + source
    yield "|---" * (5 if with_source else 3) + "|"
    for metric in (*SOURCE, "dice"):
        cells = [_cell(part, arm, metric) for arm in ARMS]
        if cells == ["–", "–"]:
            continue
        theirs = [f"{value:.3f}" for value in SOURCE.get(metric, ())] or ["not stated"] * 2
        yield f"| {NAMES.get(metric, metric)} | " + " | ".join([*cells, *(theirs if with_source else [])]) + " |"


def _changes(part: pd.DataFrame) -> Iterator[str]:
    yield "| multi-task minus single-task | difference | p |"
    yield "|---|---|---|"
    for metric, name in CHANGES.items():
        found = part[(part["arm"] == CHANGE) & (part["metric"] == metric)]
        if len(found):
            p = found["p"].iloc[0]
            yield f"| {name} | {_cell(part, CHANGE, metric, signed=True)} | {'' if pd.isna(p) else f'{p:.3g}'} |"


def _confusion(rows: pd.DataFrame) -> Iterator[str]:
    part = rows[(rows["model"] == MODELS[0]) & (rows["where"] == "internal") & rows["metric"].str.contains(" called ")]
    classes = list(dict.fromkeys(name.split(" called ")[0] for name in part["metric"]))
    yield f"WHO classes by `{MODELS[0]}`, internal, single-task / multi-task:"
    yield ""
    yield "| measured | " + " | ".join(f"called {name}" for name in classes) + " |"
    yield "|---" * (1 + len(classes)) + "|"
    values = part.set_index(["arm", "metric"])["value"]
    for true in classes:
        cells = [" / ".join(f"{values[arm, f'{true} called {name}']:.0f}" for arm in ARMS) for name in classes]
        yield f"| {true} | " + " | ".join(cells) + " |"
    yield ""


def _classes(rows: pd.DataFrame) -> Iterator[str]:
    part = rows[(rows["model"] == MODELS[0]) & (rows["where"] == "internal")]
    yield f"Each class against the others by `{MODELS[0]}`, internal; precision is undefined where nobody is called so:"
    yield ""
    yield "| class | rate | single-task | multi-task |"
    yield "|---|---|---|---|"
    for name in ("normal", "osteopenia", "osteoporosis"):
        for rate in ("sensitivity", "specificity", "precision", "f1"):
            yield f"| {name} | {rate} | " + " | ".join(_cell(part, arm, f"{name} {rate}") for arm in ARMS) + " |"
    yield ""


def _heat(rows: pd.DataFrame) -> Iterator[str]:
    part = rows[rows["metric"].str.contains(" share_over_chance$") & rows["arm"].isin(ARMS)]
    if part.empty:
        return
    region = STUDIES[rows["study"].iloc[0]].region
    n = int(part["n"].max())
    yield f"Share of the heat on the {region} by its share of the picture (1: by chance), {n} radiographs:"
    yield ""
    yield "| heat | single-task | multi-task |"
    yield "|---|---|---|"
    for metric in dict.fromkeys(part["metric"]):
        cells = " | ".join(_cell(part, arm, metric) for arm in ARMS)
        yield f"| {metric.removesuffix(' share_over_chance')} | {cells} |"
    moved = rows[(rows["arm"] == CHANGE) & rows["metric"].str.endswith(" trained share")]
    for metric in moved["metric"]:
        yield f"| {metric}, multi minus single | | {_cell(rows, CHANGE, metric, signed=True)} |"
    yield ""


def _cell(part: pd.DataFrame, arm: str, metric: str, *, signed: bool = False) -> str:
    found = part[(part["arm"] == arm) & (part["metric"] == metric)]
    if found.empty:
        return "–"
    if pd.isna(found["value"].iloc[0]):
        return "undefined"
    value, low, high = found[["value", "low", "high"]].iloc[0]
    sign = "+" if signed else ""
    interval = "" if pd.isna(low) else f" [{low:{sign}.3f}, {high:{sign}.3f}]"
    return f"{value:{sign}.3f}{interval}"
