"""Errors and screening within groups of patients."""

from __future__ import annotations

from xattn_bmd.bone.tscore import NORMAL_EDGE
from xattn_bmd.report.figures.subgroup_forest import subgroup_forest
from xattn_bmd.report.material import Material, Row, reasons
from xattn_bmd.report.numbers import UNDEFINED, count
from xattn_bmd.report.page import Block, Cell, Gallery, Picture, Prose, Section, Table
from xattn_bmd.report.sections.grid import ABSENT
from xattn_bmd.report.words import Words

NO_RECORD = (
    "No clinical record came with the predictions, so there are no groups; give one with --record TABLE.csv "
    "(joined by radiograph_id)."
)
_METRICS = ("mae", "bias", "sensitivity", "specificity")


def section(material: Material) -> Section:
    """Return the section."""
    table = material.evidence.subgroups
    blocks: tuple[Block, ...] = (Prose(text=NO_RECORD),)
    if not table.empty:
        blocks = (
            _forests(material),
            *(_table(material, model, position) for position, model in enumerate(material.models)),
        )
    return Section(name="subgroups", title="Subgroups", blocks=blocks)


def _forests(material: Material) -> Gallery:
    model, words = material.models[0], material.words
    return Gallery(
        pictures=tuple(
            Picture(
                name=f"subgroups-{metric}",
                caption=material.caption(f"{model}: {words.label(metric)} in every group with its 95 % interval."),
                label=f"Forest plot of {words.label(metric)} by subgroup, {model}",
                figure=subgroup_forest(material.evidence.subgroups, model=model, metric=metric, words=words),
            )
            for metric in ("mae", "bias")
        )
    )


def _table(material: Material, model: str, position: int) -> Table:
    table, words = material.evidence.subgroups, material.words
    found: dict[tuple[str, str], dict[str, Row]] = {}
    mine = table[table["model"] == model].to_dict("records")
    for row in mine:
        found.setdefault((str(row["variable"]), str(row["group"])), {})[str(row["metric"])] = row
    body = tuple(_row(variable, group, by_metric, words) for (variable, group), by_metric in found.items())
    return Table(
        name=f"subgroups-{position}",
        caption=material.caption(
            f"{model}: error, bias and screening at {words.at(NORMAL_EDGE)} by group, with 95 % intervals."
        ),
        columns=("group", *(words.label(metric) for metric in _METRICS), words.images, "patients"),
        rows=body,
        notes=tuple(f"{UNDEFINED}: {words.reason(reason)}." for reason in reasons(mine)),
    )


def _row(variable: str, group: str, found: dict[str, Row], words: Words) -> tuple[Cell, ...]:
    any_row = next(iter(found.values()))
    values = (words.estimate(found[metric]) if metric in found else ABSENT for metric in _METRICS)
    return Cell(variable, group), *values, Cell(count(any_row["n"])), Cell(count(any_row["patients"]))
