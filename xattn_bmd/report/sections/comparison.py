"""Errors of every model, and how far the models differ."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from xattn_bmd.metrics.paired.bootstrap import PAIRED_BOOTSTRAP, RELATIVE_METRICS
from xattn_bmd.metrics.tables.layout import FOLDS
from xattn_bmd.report.figures.model_comparison import model_comparison
from xattn_bmd.report.figures.model_metrics import model_metrics
from xattn_bmd.report.material import Material, Row, rows
from xattn_bmd.report.model_words import model_words
from xattn_bmd.report.numbers import UNDEFINED, count, number, p_value, percent, span
from xattn_bmd.report.page import Block, Cell, Gallery, Picture, Prose, Section, Table
from xattn_bmd.report.sections.grid import by_model
from xattn_bmd.report.words import Words

if TYPE_CHECKING:
    import pandas as pd

_TESTS = {
    "paired_patient_bootstrap": "paired patient bootstrap",
    "corrected_resampled_t": "corrected resampled t",
    "delong": "DeLong",
    "wilcoxon_signed_rank": "Wilcoxon signed rank",
}
_CHANGES = ("mse", "mae", "r2", "pearson_r", "auroc")
_CRITERIA = {
    "shrinkage": "shrinkage of at least 0.9",
    "optimism": "optimism of R² within 0.05",
    "residual_sd": "residual SD within 10 %",
    "mean": "mean within 10 %",
    "all": "all of them",
}
_NO_OTHER = "The table holds one model, so there is nothing to compare."


def section(material: Material) -> Section:
    """Return the section."""
    return Section(
        name="models",
        title="Comparison of models",
        blocks=(*model_words(material), *_metrics(material)),
        parts=(
            Section(name="differences", title="Differences between models", blocks=_differences(material)),
            Section(name="detectable", title="What this cohort could have shown", blocks=_detectable(material)),
        ),
    )


def _metrics(material: Material) -> tuple[Block, ...]:
    metrics, words = material.evidence.metrics, material.words
    pooled = metrics[metrics["method"] != FOLDS]
    caption = f"Errors of predicted density {material.pooled}, with 95 % intervals (patient bootstrap, BCa)."
    table = by_model(material, pooled, list(dict.fromkeys(pooled["metric"])), name="metrics", caption=caption)
    drawn = Gallery(
        pictures=tuple(
            Picture(
                name=f"models-{metric}",
                caption=material.caption(f"{words.label(metric)} of every model with its 95 % interval."),
                label=f"Dots with intervals: {words.label(metric)} of every model",
                figure=model_metrics(metrics, metric=metric, words=words),
            )
            for metric in ("r2", "mae")
        )
    )
    return table, drawn, *_by_fold(material, metrics[metrics["method"] == FOLDS])


def _by_fold(material: Material, folds: pd.DataFrame) -> tuple[Block, ...]:
    if folds.empty:
        return ()
    shown = [str(metric) for metric in dict.fromkeys(folds["metric"])]
    words = material.words
    body = []
    for model in material.models:
        found = {str(row["metric"]): row for row in rows(folds, model=model)}
        body.append((Cell(model), *(_mean_sd(found.get(name), words.places(name)) for name in shown)))
    note = (
        "The SD says how much folds differ, not how well the mean is known; folds share training patients, and a fold "
        "is small, so the pooled value with its patient-bootstrap interval above is the one to quote."
    )
    return (
        Table(
            name="metrics-by-fold",
            caption=material.caption("The same metrics within each fold: mean over the folds, and SD between them."),
            columns=("model", *(words.label(name) for name in shown)),
            rows=tuple(body),
            notes=(note,),
        ),
    )


def _mean_sd(row: Row | None, digits: int) -> Cell:
    if row is None:
        return Cell(UNDEFINED)
    spread = "" if math.isnan(row["sd"]) else f"± {number(row['sd'], digits=digits)}"
    return Cell(number(row["value"], digits=digits), spread)


def _differences(material: Material) -> tuple[Block, ...]:
    comparisons = material.evidence.comparisons
    if comparisons.empty:
        return (Prose(text=_NO_OTHER),)
    base = material.evidence.base
    text = f"Change of the mean squared error when each model is used instead of {base}, with its 95 % interval."
    picture = Picture(
        name="comparison-mse",
        caption=material.caption(f"{text} Left of zero is better."),
        label=f"Dots with intervals: relative change of the mean squared error against {base}",
        figure=model_comparison(comparisons, words=material.words),
    )
    return picture, _changes(material), _p_values(material)


def _changes(material: Material) -> Table:
    table = material.evidence.comparisons
    table = table[(table["test"] == PAIRED_BOOTSTRAP) & table["metric"].isin(_CHANGES)]
    keys = list(dict.fromkeys(_compared(row, material.words) for row in table.to_dict("records")))
    body = []
    for model in dict.fromkeys(table["model_a"]):
        found = {_compared(row, material.words): row for row in rows(table, model_a=model)}
        body.append((Cell(str(model)), *(_change(found.get(key)) for key in keys)))
    return Table(
        name="differences",
        caption=material.caption(
            f"Every model minus {material.evidence.base}, paired on the same patients, with 95 % intervals."
        ),
        columns=("model", *keys),
        rows=tuple(body),
        notes=(
            "Relative change for MSE, MAE and R², difference for the others; further metrics are in comparisons.csv.",
        ),
    )


def _change(row: Row | None) -> Cell:
    if row is None:
        return Cell(UNDEFINED)
    if row["metric"] in RELATIVE_METRICS:
        interval = span(row["relative_low"], row["relative_high"], as_percent=True)
        return Cell(percent(row["relative"], sign=True), interval)
    return Cell(number(row["difference"]), span(row["low"], row["high"]))


def _p_values(material: Material) -> Table:
    table = material.evidence.comparisons.to_dict("records")
    models = list(dict.fromkeys(str(row["model_a"]) for row in table))
    found: dict[tuple[str, str], dict[str, Row]] = {}
    for row in table:
        test = str(row["test"])
        name = "McNemar" if test.startswith("mcnemar") else _TESTS.get(test, test.replace("_", " "))
        found.setdefault((_compared(row, material.words), name), {})[str(row["model_a"])] = row
    body = (
        (Cell(metric), Cell(test), *(_p(by_model.get(model)) for model in models))
        for (metric, test), by_model in found.items()
    )
    return Table(
        name="tests",
        caption=material.caption(f"p-values of every test of no difference to {material.evidence.base}."),
        columns=("metric", "test", *models),
        rows=tuple(body),
        words=(1,),
        notes=(
            "Second line: adjusted by Holm for the number of models in the same test of the same metric. The bootstrap "
            "compares pooled metrics, the corrected t the means of the folds' metrics, Wilcoxon the patients' absolute "
            f"errors. McNemar: exact, or clustered by patient where patients have several {material.words.images}. "
            f"{UNDEFINED}: the test cannot be made.",
        ),
    )


def _p(row: Row | None) -> Cell:
    if row is None:
        return Cell(UNDEFINED)
    adjusted = p_value(row["p_holm"])
    return Cell(p_value(row["p"]), "" if adjusted == UNDEFINED else f"Holm {adjusted}")


def _compared(row: Row, words: Words) -> str:
    threshold = row["threshold"]
    name = words.label(str(row["metric"])).partition(",")[0].partition(" (")[0]
    return name if math.isnan(threshold) else f"{name}, {words.at(threshold)}"


def _detectable(material: Material) -> tuple[Block, ...]:
    table = material.evidence.detectable
    blocks: list[Block] = [Prose(text=_NO_OTHER)] if table.empty else [_detectable_table(material)]
    criteria = material.evidence.sample_size
    if not criteria.empty:
        blocks.append(_sample_size(material))
    return tuple(blocks)


def _detectable_table(material: Material) -> Table:
    body = tuple(
        (
            Cell(str(row["model_a"])),
            Cell(material.words.label(str(row["metric"])).partition(",")[0]),
            Cell(percent(row["observed_relative"], sign=True)),
            Cell(percent(row["detectable_relative"])),
            Cell(percent(row["power_at"])),
            Cell(percent(row["power"], digits=0)),
        )
        for row in material.evidence.detectable.to_dict("records")
    )
    base = material.evidence.base
    return Table(
        name="detectable",
        caption=material.caption(
            f"Smallest true relative change against {base} that a paired comparison on these patients finds with 80 % "
            "power (two-sided 5 %), and its power for the change that the source paper reports."
        ),
        columns=("model", "metric", "observed", "detectable", "a change of", "is found with power"),
        rows=body,
        words=(1,),
        notes=(
            "From the standard error of the difference between the two models at hand. A smaller true difference may "
            "exist: not finding it is no evidence that the models are equal.",
        ),
    )


def _sample_size(material: Material) -> Table:
    found = material.evidence.sample_size.to_dict("records")
    first = found[0]
    return Table(
        name="sample-size",
        caption=material.caption(
            f"Patients that a linear model with {count(first['parameters'])} candidate parameters needs by each "
            f"criterion, if it reached R² {number(first['assumed_r2'], digits=2)} in new patients.",
            counted=f"n = {count(first['n'])} patients here",
        ),
        columns=("criterion", "patients needed", "met here"),
        rows=tuple(_criterion(row) for row in found),
        words=(2,),
        notes=("Criteria of Riley et al. for a continuous outcome; for a network they are a lower bound.",),
    )


def _criterion(row: Row) -> tuple[Cell, ...]:
    name = str(row["criterion"])
    return Cell(_CRITERIA.get(name, name)), Cell(count(row["needed"])), Cell("yes" if row["met"] else "no")
