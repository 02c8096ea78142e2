"""Where a model looks, judged against anatomy, where the run holds explanations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xattn_bmd.report.explanations import CONTRIBUTIONS, CURVES, FOLDER, OVERLAP, StoredExplanation, stored_explanations
from xattn_bmd.report.figures.region_heat import HEAT_OF
from xattn_bmd.report.material import Material, reasons, rows
from xattn_bmd.report.numbers import estimate, number
from xattn_bmd.report.page import Block, Cell, Gallery, Picture, Prose, Section, Table

if TYPE_CHECKING:
    import pandas as pd

NONE = f"This source holds no explanations (RUN/{FOLDER}/NAME, written by `xattn-bmd explain`)."
_NO_EXPLANATION = (
    "Heat shows where an estimate is sensitive. It is worth something only where it beats chance and the same method "
    "on a model that cannot know; both stand beside it."
)
_CAPTIONS = {
    "heat": "Heat over radiographs from low to high estimates, each on its own scale; red raises the density, blue "
    "lowers it. Right hips are mirrored.",
    "region_heat": "Share of the heat inside each region as a multiple of its share of the area.",
    "zone_profile": "Share of the heat in zones of a box, for all and by estimated {class_kind}; left is medial.",
    "perturbation": "How far the estimate moves while the hottest cells are covered, or shown alone.",
    "attention": "Attention of each clinical variable to the picture, mean over radiographs and heads, each on its own "
    "scale: red more than even, blue less.",
}
_MEASURES = {
    "share_over_chance": "heat / chance",
    "positive_share_over_chance": "positive heat / chance",
    "pointing": "hottest pixel inside",
    "iou_over_chance": "IoU of hottest tenth / chance",
}


def section(material: Material) -> Section:
    """Return the section."""
    path = material.source.path
    found = stored_explanations(path) if path.is_dir() else []
    blocks: tuple[Block, ...] = (Prose(text=_NO_EXPLANATION if found else NONE),)
    parts = tuple(_part(material, stored, position) for position, stored in enumerate(found))
    return Section(name="explanations", title="Explanations", blocks=blocks, parts=parts)


def _part(material: Material, stored: StoredExplanation, position: int) -> Section:
    facts = stored.facts
    counted = f"n = {facts['radiographs']} radiographs of {facts['patients']} patients"
    pictures = tuple(
        Picture(
            name=f"explanation-{position}-{name}",
            caption=material.caption(_caption(name, material), counted=counted),
            label=_caption(name, material),
            figure=figure,
        )
        for name, figure in stored.figures().items()
    )
    blocks: list[Block] = [Prose(text=_how(stored), tone="note")]
    if (overlap := stored.table(OVERLAP)).size:
        blocks.append(_regions(material, overlap, counted, position))
    if (curves := stored.table(CURVES)).size:
        blocks.append(_areas(material, curves, counted, position))
    if (contributions := stored.table(CONTRIBUTIONS)).size:
        blocks.append(_parts(material, contributions, counted, position))
    title = f"{facts['model']}, {facts['method'].replace('_', ' ')}"
    return Section(name=f"explanation-{position}", title=title, blocks=(*blocks, Gallery(pictures=pictures)))


def _caption(name: str, material: Material) -> str:
    return _CAPTIONS[name].format(class_kind=material.words.scale.class_kind)


def _how(stored: StoredExplanation) -> str:
    if stored.facts["held_out"]:
        return "Each radiograph is explained by the fold model that did not train on its patient."
    return "Each radiograph is explained by the mean of all fold models, none of which saw its patient."


def _regions(material: Material, overlap: pd.DataFrame, counted: str, position: int) -> Table:
    pairs = dict.fromkeys(zip(overlap["region"], overlap["heat_of"], strict=True))
    body = []
    for region, heat_of in pairs:
        mine = overlap[(overlap["region"] == region) & (overlap["heat_of"] == heat_of)]
        cells = [estimate(row) for measure in _MEASURES for row in rows(mine, measure=measure)]
        body.append((Cell(str(region)), Cell(HEAT_OF.get(str(heat_of), str(heat_of))), *cells))
    return Table(
        name=f"explanation-regions-{position}",
        caption=material.caption("Heat by region with 95 % intervals (patient bootstrap, BCa).", counted=counted),
        columns=("region", "heat of", *_MEASURES.values()),
        rows=tuple(body),
        notes=reasons(overlap.to_dict("records")),
        words=(1,),
    )


def _areas(material: Material, curves: pd.DataFrame, counted: str, position: int) -> Table:
    mine = curves[curves["curve"].str.endswith("_area")].to_dict("records")
    unit, places = material.words.scale.unit, material.words.scale.decimals + 1
    body = tuple(
        (Cell(str(row["curve"]).replace("_", " ")), Cell(str(row["order"])), estimate(row, digits=places))
        for row in mine
    )
    return Table(
        name=f"explanation-areas-{position}",
        caption=material.caption(f"Mean distance from the whole picture's estimate, {unit}.", counted=counted),
        columns=("curve", "order of cells", unit),
        rows=body,
        notes=("Deletion: larger than random is better. Insertion: smaller.",),
        words=(1,),
    )


def _parts(material: Material, contributions: pd.DataFrame, counted: str, position: int) -> Table:
    scale = material.words.scale
    size = contributions.assign(size=contributions["contribution"].abs())
    means = size.groupby("part", sort=False)["size"].mean().sort_values(ascending=False)
    return Table(
        name=f"explanation-parts-{position}",
        caption=material.caption(
            f"Mean absolute contribution to the estimate against other people (Shapley), {scale.unit}.", counted=counted
        ),
        columns=("part", scale.unit),
        rows=tuple(
            (Cell(str(part)), Cell(number(float(value), digits=scale.decimals + 1))) for part, value in means.items()
        ),
    )
