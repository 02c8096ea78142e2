"""Who was scored: the cohort and how it came about."""

from __future__ import annotations

import math

from xattn_bmd.report.flow import flow_figure
from xattn_bmd.report.material import Material
from xattn_bmd.report.numbers import UNDEFINED
from xattn_bmd.report.page import Block, Cell, Picture, Prose, Section, Table, Terms
from xattn_bmd.report.sections.subgroups import NO_RECORD
from xattn_bmd.report.table1 import table1_note

_SHOWN_IDS = 10


def section(material: Material) -> Section:
    """Return the section."""
    return Section(
        name="cohort",
        title="Cohort",
        blocks=(_facts(material), *_table1(material), *_unmatched(material)),
        parts=(Section(name="flow", title=f"Flow of {material.words.images}", blocks=(_flow(material),)),),
    )


def _facts(material: Material) -> Terms:
    grid, target = material.evidence.grid, material.evidence.grid.target
    words = material.words
    unit, reference = words.scale.unit, material.source.reference
    spread = f" ± {words.density(float(target.std(ddof=1)))}" if len(target) > 1 else ""
    sites = sorted(set(grid.sites.tolist()) - {""})
    limits = ("reference population", reference.name)
    if not words.scale.has_t_scores:
        limits = ("cut-offs", f"{words.scale.cut_offs} ({reference.name})")
    items = [
        (words.images, f"{len(target):,}"),
        ("patients", f"{grid.n_patients:,}"),
        ("measured density", f"{words.density(float(target.mean()))}{spread} {unit} (mean ± SD)"),
        ("range", f"{words.density(float(target.min()))} to {words.density(float(target.max()))} {unit}"),
        ("sites", ", ".join(sites) or "not stated"),
        limits,
    ]
    return Terms(items=tuple(items))


def _table1(material: Material) -> tuple[Block, ...]:
    table = material.evidence.table1
    if table.empty:
        return (Prose(text=NO_RECORD, tone="note"),)
    body = tuple(tuple(Cell(_text(value)) for value in row) for row in table.itertuples(index=False))
    return (
        Table(
            name="table1",
            caption=material.caption("The cohort by clinical variables."),
            columns=tuple(map(str, table.columns)),
            rows=body,
            words=(1,),
            notes=(table1_note(material.words.image),),
        ),
    )


def _text(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return UNDEFINED
    return str(value)


def _unmatched(material: Material) -> tuple[Block, ...]:
    names = material.source.unmatched
    if not names:
        return ()
    listed = ", ".join(names[:_SHOWN_IDS]) + (" and others" if len(names) > _SHOWN_IDS else "")
    images = material.words.images
    text = f"{len(names)} scored {images} have no row in the clinical record and belong to no group: {listed}."
    return (Prose(text=text, tone="warning"),)


def _flow(material: Material) -> Picture:
    return Picture(
        name="flow",
        caption=material.caption(f"{material.words.heading} and patients from the image folder to the analysis."),
        label=f"Flow diagram of {material.words.images} and patients",
        figure=flow_figure(material.evidence.flow_steps, words=material.words),
    )
