"""How well a model predicts with both inputs, with the picture alone, and with the record alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xattn_bmd.report.material import Material, one
from xattn_bmd.report.page import Block, Cell, Prose, Section, Table
from xattn_bmd.report.sections.grid import ABSENT

if TYPE_CHECKING:
    import pandas as pd

NOT_TRAINED = (
    "No model of this source was trained with inputs withheld (model.image_dropout, model.record_dropout), so none is "
    "scored without its picture or its record."
)
_METRICS = ("mae", "rmse", "r2", "pearson_r", "ccc")
_WORDS = {"image+record": "picture and record", "image": "picture alone", "record": "record alone"}
_NOTE = (
    "is predicted by the same fold's model, which did not see its patient. A fused model was trained "
    "with inputs withheld by chance; its training was stopped where it predicts best with both. Models of one input "
    "stand beside it: they were trained for that input alone."
)


def section(material: Material) -> Section:
    """Return the section."""
    table = material.evidence.inputs
    blocks: tuple[Block, ...] = (Prose(text=NOT_TRAINED),) if table.empty else (_table(material, table),)
    return Section(name="inputs", title="Accuracy by available input", blocks=blocks)


def _table(material: Material, table: pd.DataFrame) -> Table:
    keys = dict.fromkeys((str(row["model"]), str(row["inputs"])) for row in table.to_dict("records"))
    return Table(
        name="inputs",
        caption=material.caption(
            f"Errors of predicted density by what the model saw, {material.pooled}, with 95 % intervals (patient "
            "bootstrap, BCa)."
        ),
        columns=("model", "saw", *(material.words.label(metric) for metric in _METRICS)),
        rows=tuple((Cell(model), Cell(_WORDS[seen]), *_cells(material, table, model, seen)) for model, seen in keys),
        notes=(f"Each {material.words.image} {_NOTE}",),
        words=(1,),
    )


def _cells(material: Material, table: pd.DataFrame, model: str, seen: str) -> tuple[Cell, ...]:
    found = (one(table, model=model, inputs=seen, metric=metric) for metric in _METRICS)
    return tuple(ABSENT if row is None else material.words.estimate(row) for row in found)
