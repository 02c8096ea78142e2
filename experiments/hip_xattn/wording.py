"""The summary tables in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from typing import Any

import pandas as pd
from study import Study

NAMES = {
    "mse": "MSE ((g/cm²)²)",
    "mae": "MAE (g/cm²)",
    "r2": "R²",
    "pearson_r": "r",
    "auroc": "AUROC",
    "auroc_change": "AUROC, outside - inside",
    "sensitivity": "sensitivity",
    "f1": "F1",
    "bias": "bias (g/cm²)",
    "recalibrated_r2": "R², recalibrated",
    "mse_vs_concat": "MSE vs concat",
    "mae_vs_concat": "MAE vs concat",
    "r2_vs_concat": "R² vs concat",
    "r2_change": "R², outside - inside",
}


def summary_text(rows: pd.DataFrame, study: Study, tables: Mapping[str, pd.DataFrame]) -> str:
    """Return the summary in Markdown: the answer first, then every table, then where it comes from.

    Args:
        rows: every figure, from tables.py.
        study: the study.
        tables: from summary.py.
    """
    parts = [
        "**Simulated hips: nothing here is about patients.** In brackets: 95 % t-interval over draws, unless said."
    ]
    if "answer" in tables:
        parts += [_answer_sentence(tables["answer"], study), "### Cross-attention against concatenation"]
        parts += [markdown(_answer_cells(tables["answer"], study))]
    titles = {
        "source": ("Beside the source", _source_cells),
        "models": ("Every model (AUROC, sensitivity and F1: low density, T < -1)", _model_cells),
        "pairs": ("MSE against either concatenation, on the same draws", _pair_cells),
        "ablations": ("Ablations: change of MSE on the same draws", _ablation_cells),
        "external": ("External hospitals (the threshold is carried over)", _model_cells),
    }
    for name, (title, cells) in titles.items():
        if name in tables:
            parts += [f"### {title}", markdown(cells(tables[name]))]
    return "\n\n".join([*parts, "### Where it comes from", markdown(_origins(rows))])


def markdown(table: pd.DataFrame) -> str:
    """Return a table of texts in Markdown."""
    lines: list[list[Any]] = [list(table.columns), ["---"] * table.shape[1], *table.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def shown(metric: str, mean: float, low: float, high: float) -> str:
    """Return a figure with its interval as its metric is read.

    Example:
        >>> shown("mse_vs_concat", -0.167, -0.2, -0.1), shown("r2", 0.5, float("nan"), float("nan"))
        ('-16.7 % [-20.0, -10.0]', '0.500')
    """
    if isnan(mean):
        return ""
    if metric.endswith("_vs_concat"):
        ends = "" if isnan(low) else f" [{low:+.1%}, {high:+.1%}]".replace("%", "")
        return f"{100 * mean:+.1f} %{ends}"
    sign, digits = "+" if metric.endswith("_change") or metric == "bias" else "", 5 if metric == "mse" else 3
    ends = "" if isnan(low) else f" [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"
    return f"{mean:{sign}.{digits}f}{ends}"


def _answer_sentence(table: pd.DataFrame, study: Study) -> str:
    rule = study.answer
    found = table[(table["part"] == rule["part"]) & (table["arm"] == rule["arm"])]
    if found.empty:
        return "The primary arm has not been run."
    row = found.iloc[0]
    half, planned = (row["high"] - row["low"]) / 2, study.arm(rule["part"], rule["arm"]).draws
    if row["draws"] < planned:
        stop = f"preliminary, {planned} draws are due"
    elif half <= rule["half_width"] or row["draws"] >= rule["most_draws"]:
        stop = "the stopping rule is met"
    else:
        stop = "ten more draws are due"
    change = shown("mse_vs_concat", row["mean"], row["low"], row["high"])
    return (
        f"**Answer** ({rule['arm']}, n = {row['n']}, {row['draws']} draws): MSE {change} with cross-attention: "
        f"{row['verdict']}. Half-width {100 * half:.1f} points: {stop}."
    )


def _answer_cells(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    source = f"{100 * study.source['mse']:.1f} %"
    cells = [
        {
            "part": row["part"],
            "arm": row["arm"],
            "n": row["n"],
            "draws": row["draws"],
            "MSE vs concat": shown("mse_vs_concat", row["mean"], row["low"], row["high"]),
            "SD of draws": _percent(row["sd"]).removesuffix(" %"),
            f"studies with {source} or better [Wilson]": _share(
                row["gain_as_source"], row["gain_low"], row["gain_high"]
            ),
            "expected, if normal": _percent(row["gain_expected"]),
            "by chance, were there no difference": _percent(row["gain_by_chance"]),
            "bootstrap p < 0.05: better / worse": _two(row["better_bootstrap"], row["worse_bootstrap"]),
            "corrected t p < 0.05: better / worse": _two(row["better_corrected_t"], row["worse_corrected_t"]),
            "reading": row["verdict"],
        }
        for row in table.to_dict("records")
    ]
    return pd.DataFrame(cells)


def _percent(value: float) -> str:
    return "" if isnan(value) else f"{100 * value:.1f} %"


def _share(value: float, low: float, high: float) -> str:
    return f"{100 * value:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def _two(better: float, worse: float) -> str:
    return f"{100 * better:.0f} / {100 * worse:.0f} %"


def _source_cells(table: pd.DataFrame) -> pd.DataFrame:
    arms = list(dict.fromkeys(table["arm"]))
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for row in table.to_dict("records"):
        model, metric = row["model"], row["metric"]
        stated = shown(metric, row["source"], float("nan"), float("nan")) + (" (derived)" if metric == "r2" else "")
        line = lines.setdefault((model, metric), {"": f"{model}, {NAMES[metric]}", "source": stated})
        line[row["arm"]] = shown(metric, row["mean"], row["low"], row["high"])
    return pd.DataFrame(lines.values(), columns=["", "source", *arms]).fillna("")


def _model_cells(table: pd.DataFrame) -> pd.DataFrame:
    metrics = [metric for metric in NAMES if metric in set(table["metric"])]
    lines = []
    for (part, arm, n, model), group in table.groupby(["part", "arm", "n", "model"], sort=False):
        line = {"part": part, "arm": arm, "n": n, "draws": group["draws"].max(), "model": model}
        figures = {
            row["metric"]: shown(row["metric"], row["mean"], row["low"], row["high"])
            for row in group.to_dict("records")
        }
        lines.append(line | {NAMES[metric]: figures.get(metric, "") for metric in metrics})
    return pd.DataFrame(lines)


def _pair_cells(table: pd.DataFrame) -> pd.DataFrame:
    keys = ["part", "arm", "n", "model"]
    lines = []
    for place, group in table.groupby(keys, sort=False):
        line = dict(zip(keys, place, strict=True)) | {"draws": group["draws"].max()}
        for row in group.to_dict("records"):
            line[f"against {row['against']}"] = shown("mse_vs_concat", row["mean"], row["low"], row["high"])
        lines.append(line)
    return pd.DataFrame(lines).fillna("")


def _ablation_cells(table: pd.DataFrame) -> pd.DataFrame:
    lines = []
    for (arm, model), group in table.groupby(["arm", "model"], sort=False):
        line = {"arm": arm, "model": model, "draws": group["draws"].max()}
        for row in group.to_dict("records"):
            line[f"against {row['against']}"] = shown("mse_vs_concat", row["mean"], row["low"], row["high"])
        lines.append(line)
    return pd.DataFrame(lines)


def _origins(rows: pd.DataFrame) -> pd.DataFrame:
    spent = rows[rows["metric"] == "seconds"]
    groups = spent.groupby(["part", "commit", "machine"], sort=False)
    table = groups.agg(runs=("value", "size"), hours=("value", "sum"), first=("seed", "min"), last=("seed", "max"))
    table["hours"] = (table["hours"] / 3600).round(2)
    return table.reset_index().rename(columns={"first": "first seed", "last": "last seed"})
