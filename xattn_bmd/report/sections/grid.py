"""Tables with a row per model and a column per metric, from result tables with a row for each value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xattn_bmd.report.material import Captioned, one
from xattn_bmd.report.numbers import UNDEFINED, count
from xattn_bmd.report.page import Cell, Table
from xattn_bmd.report.words import Words

if TYPE_CHECKING:
    import pandas as pd

ABSENT = Cell(UNDEFINED)


def by_model(
    material: Captioned,
    table: pd.DataFrame,
    metrics: Sequence[str],
    *,
    name: str,
    caption: str,
    notes: Sequence[str] = (),
    counts: Sequence[str] = (),
) -> Table:
    """Return a table of models by metrics, each value with its interval below it.

    Args:
        material: what the report is made from.
        table: a row per (model, metric); rows of other kinds are filtered out before.
        metrics: the columns; those that no model has are left out.
        name: the table's name.
        caption: whole sentences; n is added.
        notes: small print; the reasons of missing values are added.
        counts: metrics that are counts.
    """
    present = set(table["metric"])
    shown = [metric for metric in metrics if metric in present]
    body = []
    for model in material.models:
        found = [one(table, model=model, metric=metric) for metric in shown]
        cells = [
            _cell(row, as_count=metric in counts, words=material.words)
            for row, metric in zip(found, shown, strict=True)
        ]
        body.append((Cell(model), *cells))
    return Table(
        name=name,
        caption=material.caption(caption),
        columns=("model", *(material.words.label(metric) for metric in shown)),
        rows=tuple(body),
        notes=(*notes, *missing_notes(table[table["metric"].isin(shown)], words=material.words)),
    )


def missing_notes(table: pd.DataFrame, *, words: Words) -> tuple[str, ...]:
    """Return why values or intervals are missing, and of which models; nothing where none is."""
    if "reason" not in table.columns or table.empty:
        return ()
    every = set(table["model"])
    given = table[table["reason"].fillna("").astype(str) != ""]
    said: dict[tuple[str, str], list[str]] = {}
    for model, metric, reason in zip(given["model"], given["metric"], given["reason"], strict=True):
        said.setdefault((words.label(str(metric)), words.reason(str(reason))), []).append(str(model))
    texts = []
    for (metric, reason), models in said.items():
        whose = "" if set(models) == every else f" of {', '.join(dict.fromkeys(models))}"
        texts.append(f"{metric}{whose}: {reason}.")
    return (" ".join(texts),) if texts else ()


def _cell(row: object, *, as_count: bool, words: Words) -> Cell:
    if not isinstance(row, dict):
        return ABSENT
    return Cell(count(row["value"])) if as_count else words.estimate(row)
