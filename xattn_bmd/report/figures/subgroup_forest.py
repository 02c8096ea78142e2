"""A metric of one model in every subgroup."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from xattn_bmd.report.figures.forest import Row, forest, heading, interval_text
from xattn_bmd.report.figures.style import look, sentence, shorten, with_title
from xattn_bmd.report.words import RADIOGRAPHS, Words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_NO_DIFFERENCE = {"bias": 0.0}
_HEADINGS = {"age": "age (years)", "bmi": "BMI (kg/m²)"}


@look()
def subgroup_forest(subgroups: pd.DataFrame, *, model: str, metric: str, words: Words = RADIOGRAPHS) -> Figure:
    """Draw a metric in every subgroup with its 95 % interval; groups that are not scored, or have no value, are named.

    Args:
        subgroups: the subgroups table.
        model: one of its models.
        metric: one of its metrics.
        words: of the report.
    """
    chosen = subgroups[(subgroups["model"] == model) & (subgroups["metric"] == metric)]
    label = words.axis(metric)
    if chosen.empty:
        return sentence(f"No subgroups are known for {model}.")
    rows = [
        row
        for variable, group in chosen.groupby("variable", sort=False)
        for row in _rows(str(variable), group, words.places(metric))
    ]
    figure = forest(rows, xlabel=label, line_at=_NO_DIFFERENCE.get(metric))
    with_title(figure, f"{shorten(model)}; in brackets: {words.images} / patients")
    return figure


def _rows(variable: str, group: pd.DataFrame, places: int) -> Iterator[Row]:
    records = group.to_dict("records")
    if len(records) > 1 or str(records[0]["group"]) != variable:
        yield heading(_HEADINGS.get(variable, variable))
    for one in records:
        yield _row(one, places)


def _row(one: dict[Hashable, Any], places: int) -> Row:
    label = f"{shorten(str(one['group']))} ({int(one['n'])} / {int(one['patients'])})"
    value, low, high = (float(one[name]) for name in ("value", "low", "high"))
    missing = "not scored" if "not scored" in str(one["reason"]) else "undefined"
    text = interval_text(value, low, high, number=f"{{:.{places}f}}") if np.isfinite(value) else missing
    return Row(label, value, low, high, text)
