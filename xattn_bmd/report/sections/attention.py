"""Which clinical variables a fusion attended to, where the run stored it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from xattn_bmd.report.material import Material
from xattn_bmd.report.numbers import UNDEFINED, count, percent
from xattn_bmd.report.page import Block, Cell, Prose, Section, Table

if TYPE_CHECKING:
    import pandas as pd

NOT_STORED = "This source holds no attention.csv, so there is no attention to show."
_NO_EXPLANATION = (
    "Attention says where a network looked for keys, not why it predicted what it did; it is no explanation by itself."
)


def section(material: Material) -> Section:
    """Return the section."""
    return Section(name="attention", title="Attention", blocks=_blocks(material))


def _blocks(material: Material) -> tuple[Block, ...]:
    table = material.source.attention
    if table is None:
        return (Prose(text=NOT_STORED),)
    models = dict.fromkeys(map(str, table["model"]))
    shown = (_table(material, table, model, position) for position, model in enumerate(models))
    return Prose(text=_NO_EXPLANATION), *shown


def _table(material: Material, table: pd.DataFrame, model: str, position: int) -> Table:
    mine = table[table["model"] == model]
    variables = mine.groupby("variable", sort=False)["attention"]
    summary = zip(variables.mean().items(), variables.std(ddof=1), strict=True)
    ordered = sorted(summary, key=lambda item: -item[0][1])
    body = tuple(
        (Cell(str(variable)), Cell(percent(mean)), Cell(UNDEFINED if math.isnan(sd) else percent(sd)))
        for (variable, mean), sd in ordered
    )
    scored = f"n = {count(mine.drop_duplicates(['repeat', 'fold'])['n'].sum())} scored {material.words.images}"
    return Table(
        name=f"attention-{position}",
        caption=material.caption(
            f"{model}: share of the image's attention on each variable, mean over scored folds.",
            counted=scored,
        ),
        columns=("variable", "attention", "SD over folds"),
        rows=body,
        notes=(f"Even attention over all {len(body)} variables would be {percent(1 / len(body))} each.",),
    )
