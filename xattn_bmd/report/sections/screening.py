"""Screening for low density at both thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xattn_bmd.bone.scale import scale_words
from xattn_bmd.metrics.tables.screening import without_averages
from xattn_bmd.metrics.tables.transferred import NHANES_SOURCE
from xattn_bmd.report.figures.precision_recall import precision_recall
from xattn_bmd.report.figures.roc import roc
from xattn_bmd.report.material import THRESHOLDS, Material, one, rows
from xattn_bmd.report.numbers import MINUS, percent
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
    text = (
        f"A {material.words.image} is called low by its predicted density with the same threshold as the measurement. "
        f"{scale_words(material.source.reference)}"
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
    words = material.words
    name, where = words.scale.anchors[threshold], words.at(threshold)
    mine = without_averages(table)
    prevalence = one(mine, metric="prevalence")
    share = float(prevalence["value"]) if prevalence else float("nan")
    said = f"Positive class: {positive}; {percent(share)} of the {words.images}."
    blocks: tuple[Block, ...] = (
        Prose(text=said),
        _curves(material, threshold, share),
        by_model(
            material,
            mine,
            _RATES,
            name=f"screening-{name}",
            caption=f"Finding low density at {where}, 95 % intervals (patient bootstrap, BCa).",
        ),
        by_model(
            material,
            mine,
            (*_OVERALL, *_COUNTS),
            name=f"screening-counts-{name}",
            caption=f"Overall rates and the two-by-two table at {where}.",
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
    return Section(name=f"screening-{name}", title=f"At {where}", blocks=blocks)


def _curves(material: Material, threshold: float, prevalence: float) -> Gallery:
    curves, words = material.evidence.curves, material.words
    name, where = words.scale.anchors[threshold], words.at(threshold)
    return Gallery(
        pictures=(
            Picture(
                name=f"roc-{name}",
                caption=material.caption(f"ROC curves for low density at {where} with 95 % bands."),
                label=f"ROC curves at {where}",
                figure=roc(curves, threshold=threshold, models=material.models, words=words),
            ),
            Picture(
                name=f"precision-recall-{name}",
                caption=material.caption(
                    f"Precision against recall at {where} with 95 % bands; chance is {percent(prevalence)}."
                ),
                label=f"Precision-recall curves at {where}",
                figure=precision_recall(
                    curves, threshold=threshold, models=material.models, prevalence=prevalence or None, words=words
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
        body.append((Cell(model), *(ABSENT if row is None else material.words.estimate(row) for row in found)))
    return (
        Table(
            name=f"screening-averages-{name}",
            caption=material.caption("The same averaged over both classes: macro, or weighted by their size."),
            columns=(
                "model",
                *(f"{average} {material.words.label(str(metric)).partition(' (')[0]}" for average, metric in keys),
            ),
            rows=tuple(body),
            notes=missing_notes(other, words=material.words),
        ),
    )


def _transferred(material: Material, threshold: float) -> tuple[Table, ...]:
    table = material.evidence.transferred
    table = table[table["threshold"] == threshold]
    if table.empty:
        return ()
    words = material.words
    keys = list(dict.fromkeys(zip(table["prevalence"], table["metric"], strict=True)))
    body = []
    for model in material.models:
        found = {(row["prevalence"], row["metric"]): row for row in rows(table, model=model)}
        body.append((Cell(model), *(words.estimate(found[key]) if key in found else ABSENT for key in keys)))
    return (
        Table(
            name=f"transferred-{words.scale.anchors[threshold]}",
            caption=material.caption(
                f"Predictive values at {words.at(threshold)} if the prevalence of low density were another one."
            ),
            columns=("model", *(f"{str(metric).upper()} at {percent(share, digits=0)}" for share, metric in keys)),
            rows=tuple(body),
            notes=(
                f"Sensitivity and specificity are taken as they are here (Bayes' rule). Prevalences: {NHANES_SOURCE}.",
                *missing_notes(table, words=material.words),
            ),
        ),
    )
