"""Which clinical variables a fusion attended to, where the run stored it."""

from __future__ import annotations

from xattn_bmd.report.material import Material
from xattn_bmd.report.numbers import number
from xattn_bmd.report.page import Block, Cell, Prose, Section, Table

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
    numbers = table.select_dtypes("number").columns.difference(["repeat", "fold"])
    if not {"model", "variable"} <= set(table.columns) or numbers.empty:
        return (Prose(text="attention.csv lacks the columns model, variable and a weight, so it is not shown."),)
    means = table.groupby(["model", "variable"], sort=False)[list(numbers)].mean().reset_index()
    body = tuple(
        (Cell(str(row["model"])), Cell(str(row["variable"])), *(Cell(number(row[name])) for name in numbers))
        for row in means.to_dict("records")
    )
    shown = Table(
        name="attention",
        caption=material.caption("Mean attention paid to each clinical variable."),
        columns=("model", "variable", *map(str, numbers)),
        rows=body,
        words=(1,),
    )
    return Prose(text=_NO_EXPLANATION), shown
