"""The classes of density by a class head beside the density, and by the density at the cut-offs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xattn_bmd.report.material import Material, one
from xattn_bmd.report.numbers import MINUS, estimate
from xattn_bmd.report.page import Cell, Section, Table
from xattn_bmd.report.sections.grid import ABSENT

if TYPE_CHECKING:
    import pandas as pd

_METRICS = {
    ("all", "accuracy"): "accuracy",
    ("macro", "sensitivity"): "sensitivity",
    ("macro", "specificity"): "specificity",
    ("macro", "precision"): "precision",
    ("macro", "f1"): "F1",
    ("macro", "auroc"): "AUROC",
}
_NOTE = (
    "All but the accuracy are means over the classes; 95 % intervals by patient bootstrap, both ways on the same drawn "
    "patients. For its AUROC a density has the chances of a Gaussian around the recalibrated prediction, "
    "fitted {fitted}."
)


def part(material: Material, table: pd.DataFrame) -> Section:
    """Return the part of the section on classes.

    Args:
        material: what the report is made from.
        table: as :func:`~xattn_bmd.metrics.tables.class_heads.class_heads_table` makes it.
    """
    keys = table[["model", "classes_from"]].drop_duplicates().itertuples(index=False)
    grid = Table(
        name="class-heads",
        caption=material.caption(
            "The classes as the predicted density tells them at the cut-offs, and as a class head of the same network "
            "tells them, on the same patients."
        ),
        columns=("model and classes from", *_METRICS.values()),
        rows=tuple(
            (Cell(str(model), str(source).replace(" - ", f" {MINUS} ")), *_cells(table, model, source))
            for model, source in keys
        ),
        notes=(_NOTE.format(fitted=material.fitted),),
    )
    return Section(name="class-heads", title="By a class head", blocks=(grid,))


def _cells(table: pd.DataFrame, model: str, source: str) -> tuple[Cell, ...]:
    found = (one(table, model=model, classes_from=source, **{"class": of, "metric": name}) for of, name in _METRICS)
    return tuple(ABSENT if row is None else estimate(row) for row in found)
