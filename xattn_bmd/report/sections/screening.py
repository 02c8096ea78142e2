"""Screening for low density at T = -1 and T = -2.5."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xattn_bmd.metrics.tables.screening import without_averages
from xattn_bmd.metrics.tables.transferred import NHANES_SOURCE
from xattn_bmd.report.figures.precision_recall import precision_recall
from xattn_bmd.report.figures.roc import roc
from xattn_bmd.report.material import THRESHOLDS, Material, anchor, at, label, one, rows
from xattn_bmd.report.numbers import MINUS, estimate, percent
from xattn_bmd.report.page import Block, Cell, Gallery, Picture, Prose, Section, Table
from xattn_bmd.report.sections.grid import ABSENT, by_model, missing_notes
from xattn_bmd.report.sections.utility import fitted_notes

if TYPE_CHECKING:
    import pandas as pd

_RATES = ("auroc", "auprc", "sensitivity", "specificity", "ppv", "npv")
_OVERALL = ("accuracy", "balanced_accuracy", "f1", "brier")
_COUNTS = ("tp", "fn", "fp", "tn")


def section(material: Material) -> Section:
    """Return the section."""
    reference = material.source.reference
    text = (
        f"A radiograph is called low by its predicted density with the same threshold as the measurement. T-scores by "
        f"{reference.name}: mean {reference.mean:.3f}, SD {reference.sd:.3f} g/cm²; {reference.source}."
    )
    return Section(
        name="screening",
        title="Screening for low density",
        blocks=(Prose(text=text),),
        parts=tuple(_at(material, threshold) for threshold in THRESHOLDS),
    )


def _at(material: Material, threshold: float) -> Section:
    table = material.evidence.screening
    table = table[table["threshold"] == threshold]
    positive = str(table["positive"].iloc[0]).replace("<=", "≤").replace(" -", f" {MINUS}")
    name = anchor(threshold)
    mine = without_averages(table)
    prevalence = one(mine, metric="prevalence")
    share = float(prevalence["value"]) if prevalence else float("nan")
    words = f"Positive class: {positive}; {percent(share)} of the radiographs."
    blocks: tuple[Block, ...] = (
        Prose(text=words),
        _curves(material, threshold, share),
        by_model(
            material,
            mine,
            _RATES,
            name=f"screening-{name}",
            caption=f"Finding low density at {at(threshold)}, 95 % intervals (patient bootstrap, BCa).",
        ),
        by_model(
            material,
            mine,
            (*_OVERALL, *_COUNTS),
            name=f"screening-counts-{name}",
            caption=f"Overall rates and the two-by-two table at {at(threshold)}.",
            notes=(
                "tp: low and called low, fn: low and missed, fp: called low and not low, tn: neither; means over "
                "repeats where there are several. The Brier score is of a risk made from predicted density.",
                *fitted_notes(mine),
            ),
            counts=_COUNTS,
        ),
        *_averages(material, table, name),
        *_transferred(material, threshold),
    )
    return Section(name=f"screening-{name}", title=f"At {at(threshold)}", blocks=blocks)


def _curves(material: Material, threshold: float, prevalence: float) -> Gallery:
    curves, name = material.evidence.curves, anchor(threshold)
    return Gallery(
        pictures=(
            Picture(
                name=f"roc-{name}",
                caption=material.caption(f"ROC curves for low density at {at(threshold)} with 95 % bands."),
                label=f"ROC curves at {at(threshold)}",
                figure=roc(curves, threshold=threshold, models=material.models),
            ),
            Picture(
                name=f"precision-recall-{name}",
                caption=material.caption(
                    f"Precision against recall at {at(threshold)} with 95 % bands; chance is {percent(prevalence)}."
                ),
                label=f"Precision-recall curves at {at(threshold)}",
                figure=precision_recall(
                    curves, threshold=threshold, models=material.models, prevalence=prevalence or None
                ),
            ),
        )
    )


def _averages(material: Material, table: pd.DataFrame, name: str) -> tuple[Table, ...]:
    other = table[table["average"].isin(("macro", "weighted"))]
    if other.empty:
        return ()
    keys = list(dict.fromkeys(zip(other["average"], other["metric"], strict=True)))
    body = []
    for model in material.models:
        found = [one(other, model=model, average=average, metric=metric) for average, metric in keys]
        body.append((Cell(model), *(ABSENT if row is None else estimate(row) for row in found)))
    return (
        Table(
            name=f"screening-averages-{name}",
            caption=material.caption("The same averaged over both classes: macro, or weighted by their size."),
            columns=("model", *(f"{average} {label(str(metric)).partition(' (')[0]}" for average, metric in keys)),
            rows=tuple(body),
            notes=missing_notes(other),
        ),
    )


def _transferred(material: Material, threshold: float) -> tuple[Table, ...]:
    table = material.evidence.transferred
    table = table[table["threshold"] == threshold]
    if table.empty:
        return ()
    keys = list(dict.fromkeys(zip(table["prevalence"], table["metric"], strict=True)))
    body = []
    for model in material.models:
        found = {(row["prevalence"], row["metric"]): row for row in rows(table, model=model)}
        body.append((Cell(model), *(estimate(found[key]) if key in found else ABSENT for key in keys)))
    return (
        Table(
            name=f"transferred-{anchor(threshold)}",
            caption=material.caption(
                f"Predictive values at {at(threshold)} if the prevalence of low density were another one."
            ),
            columns=("model", *(f"{str(metric).upper()} at {percent(share, digits=0)}" for share, metric in keys)),
            rows=tuple(body),
            notes=(
                f"Sensitivity and specificity are taken as they are here (Bayes' rule). Prevalences: {NHANES_SOURCE}.",
                *missing_notes(table),
            ),
        ),
    )
