"""What the draws say together: means over draws with t-intervals, shares of single studies, and the answer in words."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist
from typing import Any, NamedTuple

import pandas as pd
from scipy import stats
from study import EXTERNAL, Study

LEVEL = 0.95
SHOWN = ("mse", "mae", "r2", "pearson_r", "auroc", "sensitivity", "f1", "mse_vs_concat")
OUTSIDE = ("auroc", "auroc_change", "f1", "r2", "r2_change", "recalibrated_r2", "bias")
BASES = ("concat", "residual_concat")
SIGNIFICANT = 0.05


class OverDraws(NamedTuple):
    """Mean over independent draws.

    Attributes:
        mean: the mean.
        low: lower end of its 95 % t-interval; NaN for a single draw.
        high: upper end of it.
        sd: SD between draws.
        draws: number of draws.
    """

    mean: float
    low: float
    high: float
    sd: float
    draws: int


def over_draws(values: pd.Series) -> OverDraws:
    """Return mean, t-interval and SD of one figure over draws; draws without it are left out."""
    values = values.dropna()
    count = len(values)
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    half = float(stats.t.ppf(0.5 + LEVEL / 2, count - 1)) * sd / sqrt(count) if count > 1 else float("nan")
    return OverDraws(mean, mean - half, mean + half, sd, count)


def share_of(happened: pd.Series) -> tuple[float, float, float]:
    """Return the share of draws in which something happened, with Wilson's 95 % interval."""
    count = int(happened.sum())
    ends = stats.binomtest(count, len(happened)).proportion_ci(LEVEL, method="wilson")
    return count / len(happened), float(ends.low), float(ends.high)


def verdict(change: OverDraws, *, source: float, least: float) -> str:
    """Return what a relative change of MSE answers, by the rule that the README registers.

    Args:
        change: cross-attention against concatenation; below zero is better.
        source: what the source reports.
        least: the smallest change that would be worth a method.
    """
    if not change.low <= change.high:
        return "no answer: fewer than two draws"
    size = "the source's size is excluded" if change.low > source else "the source's size is not excluded"
    if change.low > 0:
        return f"a loss; {size}"
    worth = change.low <= least
    if change.high < 0:
        return f"a gain{'' if worth else ' too small to be worth a method'}; {size}"
    return f"{'undecided' if worth else 'no gain worth a method'}; {size}"


def summaries(rows: pd.DataFrame, study: Study) -> dict[str, pd.DataFrame]:
    """Return every summary table by its name; a part without finished runs has none."""
    inside = rows[rows["part"] != EXTERNAL]
    tables = {
        "answer": answer_table(inside, study),
        "source": source_table(inside, study),
        "models": means_table(inside, SHOWN),
        "pairs": pairs_table(inside),
        "ablations": ablations_table(inside, study),
        "external": means_table(rows[rows["part"] == EXTERNAL], OUTSIDE),
    }
    return {name: table for name, table in tables.items() if len(table)}


def means_table(rows: pd.DataFrame, metrics: tuple[str, ...]) -> pd.DataFrame:
    """Return the mean over draws of some metrics of every model of every arm."""
    wanted = rows[rows["metric"].isin(metrics)]
    keys = ["part", "arm", "n", "model", "metric"]
    found = [
        dict(zip(keys, place, strict=True)) | over_draws(group["value"])._asdict()
        for place, group in wanted.groupby(keys, sort=False)
    ]
    return pd.DataFrame(found)


def answer_table(rows: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return cross-attention against concatenation in every arm that holds both."""
    both = rows[(rows["model"] == "xattn") & rows["metric"].str.startswith("mse_vs_concat")]
    return pd.DataFrame([_answer(group, study) for _, group in both.groupby(["part", "arm"], sort=False)])


def _answer(group: pd.DataFrame, study: Study) -> dict[str, Any]:
    first, source = group.iloc[0], study.source["mse"]
    values = group.pivot(index="draw", columns="metric", values="value")
    relative = values["mse_vs_concat"]
    change, better = over_draws(relative), relative < 0
    row: dict[str, Any] = {"part": first["part"], "arm": first["arm"], "n": first["n"]} | change._asdict()
    row["gain_as_source"], row["gain_low"], row["gain_high"] = share_of(relative <= source)
    for name, mean in (("gain_expected", change.mean), ("gain_by_chance", 0.0)):
        row[name] = NormalDist(mean, change.sd).cdf(source) if change.sd > 0 else float("nan")
    for name in ("p_bootstrap", "p_corrected_t"):
        found = values[f"mse_vs_concat_{name}"] < SIGNIFICANT
        row[f"better_{name[2:]}"], row[f"worse_{name[2:]}"] = (
            float((found & better).mean()),
            float((found & ~better).mean()),
        )
    row["verdict"] = verdict(change, source=source, least=study.answer["least_gain"])
    return row


def source_table(rows: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return what the source reports or implies beside every arm of the primary part."""
    reported = {
        ("xattn", "mse_vs_concat"): study.source["mse"],
        ("xattn", "mae_vs_concat"): study.source["mae"],
        ("xattn", "r2_vs_concat"): study.source["r2"],
        ("concat", "r2"): study.source["concat_r2"],
        ("xattn", "r2"): study.source["xattn_r2"],
        ("xattn", "f1"): study.source["f1"],
    }
    primary = means_table(rows[rows["part"] == study.answer["part"]], tuple({metric for _, metric in reported}))
    if primary.empty:
        return primary
    keys = list(zip(primary["model"], primary["metric"], strict=True))
    primary["source"] = [reported.get(key, float("nan")) for key in keys]
    order = {key: place for place, key in enumerate(reported)}
    primary["order"] = [order.get(key, len(order)) for key in keys]
    return primary.dropna(subset=["source"]).sort_values("order", kind="stable").drop(columns="order")


def pairs_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return MSE of every model relative to either concatenation of the same arm, draw by draw."""
    mse = rows[(rows["metric"] == "mse") & (rows["part"] != "ablations")]
    found = []
    for (part, arm, n), group in mse.groupby(["part", "arm", "n"], sort=False):
        values = group.pivot(index="draw", columns="model", values="value")
        for base in [name for name in BASES if name in values]:
            for model in [name for name in values if name != base]:
                relative = over_draws(values[model] / values[base] - 1)
                found.append({"part": part, "arm": arm, "n": n, "model": model, "against": base} | relative._asdict())
    return pd.DataFrame(found)


def ablations_table(rows: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return MSE of each ablation relative to the primary arm's models on the same draws.

    The two directions alone and the gated residual are models of the primary arm, and stand here beside the ablations.
    """
    mse = rows[rows["metric"] == "mse"]
    primary = mse[(mse["part"] == study.answer["part"]) & (mse["arm"] == study.answer["arm"])]
    variants = primary[primary["model"].isin(("image_to_record", "record_to_image", "residual_xattn"))]
    changed = pd.concat([variants, mse[mse["part"] == "ablations"]])
    base = {name: primary[primary["model"] == name].set_index("draw")["value"] for name in ("xattn", "concat")}
    found = []
    for (arm, model), group in changed.groupby(["arm", "model"], sort=False):
        values = group.set_index("draw")["value"]
        for name in base:
            relative = over_draws(values / base[name] - 1)
            found.append({"arm": arm, "model": model, "against": f"{name} of the primary arm"} | relative._asdict())
    return pd.DataFrame(found)
