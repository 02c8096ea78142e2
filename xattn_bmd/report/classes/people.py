"""Who was scored, and how they were dealt into folds."""

from __future__ import annotations

from xattn_bmd.report.classes.evidence import ClassEvidence
from xattn_bmd.report.classes.source import ClassSource
from xattn_bmd.report.flow import flow_figure
from xattn_bmd.report.numbers import count, percent
from xattn_bmd.report.page import Block, Cell, Picture, Prose, Section, Table, Terms
from xattn_bmd.report.sections.provenance import plan_facts
from xattn_bmd.report.sections.subgroups import NO_RECORD
from xattn_bmd.report.table1 import table1_note


def cohort(source: ClassSource, evidence: ClassEvidence) -> Section:
    """Return the section on the cohort."""
    picture = Picture(
        name="flow",
        caption=source.caption(f"{source.words.heading} and patients from the image folder to the analysis."),
        label=f"Flow diagram of {source.words.images} and patients",
        figure=flow_figure(evidence.flow, words=source.words),
    )
    return Section(
        name="cohort",
        title="Cohort",
        blocks=(_facts(source), *_table1(source, evidence)),
        parts=(Section(name="flow", title=f"Flow of {source.words.images}", blocks=(picture,)),),
    )


def folds(source: ClassSource) -> Section:
    """Return the section on the fold plan."""
    keys = ["repeat", "fold"]
    once = source.predictions.drop_duplicates(["radiograph_id", "repeat"])
    body = []
    for (repeat, fold), rows in once.groupby(keys, sort=True):
        each = [count(int((rows["target"] == name).sum())) for name in source.classes]
        cells = (str(repeat), str(fold), count(len(rows)), count(rows["patient_id"].nunique()), *each)
        body.append(tuple(map(Cell, cells)))
    table = Table(
        name="folds",
        caption=source.caption("Every scored fold."),
        columns=(*keys, source.words.images, "patients", *source.classes),
        rows=tuple(body),
        notes=(f"All {source.words.images} of a patient lie in one fold.",),
    )
    return Section(name="folds", title="Fold plan", blocks=(*plan_facts(source.plan), table))


def _facts(source: ClassSource) -> Terms:
    once = source.predictions.drop_duplicates("radiograph_id")
    sites = sorted(set(once["site"].dropna().astype(str)) - {""}) if "site" in once.columns else []
    items = [(source.words.images, count(len(once))), ("patients", count(once["patient_id"].nunique()))]
    for name in source.classes:
        found = int((once["target"] == name).sum())
        items.append((name, f"{count(found)} {source.words.images} ({percent(found / len(once))})"))
    items.append(("sites", ", ".join(sites) or "not stated"))
    return Terms(items=tuple(items))


def _table1(source: ClassSource, evidence: ClassEvidence) -> tuple[Block, ...]:
    table = evidence.table1
    if table.empty:
        return (Prose(text=NO_RECORD, tone="note"),)
    return (
        Table(
            name="table1",
            caption=source.caption(f"The cohort by clinical variables and {source.target['column']}."),
            columns=tuple(map(str, table.columns)),
            rows=tuple(tuple(Cell(str(value)) for value in row) for row in table.itertuples(index=False)),
            words=(1,),
            notes=(table1_note(source.words.image),),
        ),
    )
