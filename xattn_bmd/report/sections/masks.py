"""How well the mask heads segment the structure that they learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xattn_bmd.report.material import Material, one
from xattn_bmd.report.numbers import count, estimate
from xattn_bmd.report.page import Block, Cell, Prose, Section, Table
from xattn_bmd.report.sections.grid import ABSENT

if TYPE_CHECKING:
    import pandas as pd

NO_HEAD = "No model of this source has a mask head (model.mask_head), so none segments the picture."
_METRICS = {"dice": "Dice", "iou": "intersection over union"}
_NOTE = (
    "Each mask is found by the same fold's model, which did not see its patient, at probability 0.5 on the square "
    "picture that the network sees. The epoch was chosen by the density alone. A good Dice shows that the network "
    "knows where the structure is, not that its density estimate comes from there."
)


def section(material: Material) -> Section:
    """Return the section."""
    table = material.evidence.masks
    blocks: tuple[Block, ...] = (Prose(text=NO_HEAD),) if table.empty else (_table(material, table),)
    return Section(name="masks", title="Segmentation", blocks=blocks)


def _table(material: Material, table: pd.DataFrame) -> Table:
    images = material.words.images
    counted = f"n = {count(table['n'].max())} {images} with a mask, of {count(table['patients'].max())} patients"
    return Table(
        name="masks",
        caption=material.caption(
            f"Overlap of the masks found with those drawn, mean over {images}, with 95 % intervals (patient "
            "bootstrap, BCa).",
            counted=counted,
        ),
        columns=("model", *_METRICS.values()),
        rows=tuple((Cell(model), *_cells(table, model)) for model in dict.fromkeys(map(str, table["model"]))),
        notes=(_NOTE,),
    )


def _cells(table: pd.DataFrame, model: str) -> tuple[Cell, ...]:
    found = (one(table, model=model, metric=metric) for metric in _METRICS)
    return tuple(ABSENT if row is None else estimate(row) for row in found)
