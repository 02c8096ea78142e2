"""Prediction intervals: how often they hold the measured density, and how wide they are."""

from __future__ import annotations

import math

from xattn_bmd.report.figures.coverage import coverage
from xattn_bmd.report.material import Material, Row, rows
from xattn_bmd.report.numbers import UNDEFINED, count, percent, span
from xattn_bmd.report.page import Block, Cell, Picture, Prose, Section, Table
from xattn_bmd.report.sections.utility import NOTHING_TO_FIT, fitted_notes
from xattn_bmd.report.words import Words

_METHODS = {
    "split": "split conformal",
    "cross_fold": "conformal, other folds",
    "cv_plus": "CV+ of the fold models",
    "gaussian": "Gaussian head",
    "quantile": "quantile head",
}
_EVERYONE = "all"


def section(material: Material) -> Section:
    """Return the section."""
    table = material.evidence.conformal
    blocks: tuple[Block, ...] = (Prose(text=NOTHING_TO_FIT.format(material.words.images)),)
    if not table.empty:
        picture = Picture(
            name="coverage",
            caption=material.caption("Coverage of prediction intervals against their nominal level, and mean width."),
            label="Dots with intervals: coverage of every model's prediction intervals",
            figure=coverage(table, words=material.words),
        )
        everyone = rows(table, group=_EVERYONE)
        caption = "Coverage and mean width of the prediction intervals of single densities."
        blocks = (picture, _table(material, everyone, name="conformal", caption=caption), *_groups(material))
    return Section(name="uncertainty", title="Uncertainty of a single prediction", blocks=blocks)


def _groups(material: Material) -> tuple[Block, ...]:
    table = material.evidence.conformal
    model = material.models[0]
    found = [row for row in rows(table, model=model) if row["group"] != _EVERYONE and row["level"] == 0.9]
    if not found:
        return ()
    caption = f"{model}: coverage of the 90 % intervals within subgroups."
    return (_table(material, found, name="conformal-groups", caption=caption),)


def _table(material: Material, found: list[Row], *, name: str, caption: str) -> Table:
    words = material.words
    width = f"mean width, {words.scale.unit}"
    return Table(
        name=name,
        caption=material.caption(caption),
        columns=("model", "method", "level", "group", "coverage", width, words.images, "patients"),
        rows=tuple(_row(row, words) for row in found),
        words=(1, 3),
        notes=(*fitted_notes(material.evidence.conformal), *_signs(found)),
    )


def _signs(found: list[Row]) -> tuple[str, ...]:
    """Return what a dash and the sign of infinity mean, where they stand in the table."""
    few = any(math.isnan(row["coverage"]) for row in found)
    endless = any(math.isinf(row["width"]) for row in found)
    return (
        *((f"{UNDEFINED}: the group has fewer than 10 patients; it is named, not scored.",) if few else ()),
        *(("∞: too few errors are known for intervals of that level.",) if endless else ()),
    )


def _row(row: Row, words: Words) -> tuple[Cell, ...]:
    width = float(row["width"])
    low, high = (None if math.isnan(row[end]) else row[end] for end in ("low", "high"))
    return (
        Cell(str(row["model"])),
        Cell(_METHODS.get(str(row["method"]), str(row["method"]))),
        Cell(percent(row["level"], digits=0)),
        Cell(str(row["group"]).replace("=", ": ")),
        Cell(percent(row["coverage"]), span(low, high, as_percent=True).replace("+", "")),
        Cell("∞" if math.isinf(width) else words.density(width)),
        Cell(count(row["n"])),
        Cell(count(row["patients"])),
    )
