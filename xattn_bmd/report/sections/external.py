"""An external validation: every metric of the development cohort beside the same metric here."""

from __future__ import annotations

import math

from xattn_bmd.report.material import Material, Row, rows
from xattn_bmd.report.numbers import count
from xattn_bmd.report.page import Block, Cell, Prose, Section, Table
from xattn_bmd.report.words import Words

NOT_EXTERNAL = (
    "These predictions are of the cohort that the models were developed on; `evaluate` writes this section for another "
    "one."
)
_UNCHANGED = (
    "Thresholds, triage cut-offs, recalibration, risks and interval widths are those of the development cohort, "
    "unchanged; patients and pictures of that cohort are refused."
)
_CHANGE = (
    "Change is external minus internal. Its interval treats the two cohorts as independent samples and is made from "
    "their two intervals (Zou and Donner 2008). Internal values are those of single fold models on people they had not "
    "seen; external ones are of the mean of all fold models."
)
_SHOWN = (
    *("r2", "mae", "rmse", "pearson_r", "ccc"),
    *("auroc", "auprc", "sensitivity", "specificity", "ppv", "npv", "brier"),
)
_WITHOUT_AVERAGES = ("", "positive")


def section(material: Material) -> Section:
    """Return the section."""
    return Section(name="external", title="Internal beside external", blocks=_blocks(material))


def _blocks(material: Material) -> tuple[Block, ...]:
    if material.evidence.drop.empty:
        return (Prose(text=NOT_EXTERNAL),)
    return Prose(text=_UNCHANGED), *(_table(material, model, place) for place, model in enumerate(material.models))


def _table(material: Material, model: str, position: int) -> Table:
    found = [
        row
        for row in rows(material.evidence.drop, model=model)
        if row["metric"] in _SHOWN and row["average"] in _WITHOUT_AVERAGES
    ]
    sizes = [count(found[0][f"n_{part}"]) for part in ("internal", "external")]
    counted = f"n = {sizes[0]} internal and {sizes[1]} external {material.words.images}"
    return Table(
        name=f"external-{position}",
        caption=material.caption(f"{model}: internal and external values with 95 % intervals.", counted=counted),
        columns=("metric", "internal", "external", "change"),
        rows=tuple(_row(row, material.words) for row in found),
        notes=(_CHANGE,),
    )


def _row(row: Row, words: Words) -> tuple[Cell, ...]:
    threshold = row["threshold"]
    screened = "" if math.isnan(threshold) else words.at(threshold)
    parts = (_part(row, part, words) for part in ("internal", "external", "change"))
    return Cell(words.label(str(row["metric"])), screened), *parts


def _part(row: Row, part: str, words: Words) -> Cell:
    named = {"metric": row["metric"], "value": row[part], "low": row[f"{part}_low"], "high": row[f"{part}_high"]}
    return words.estimate(named)
