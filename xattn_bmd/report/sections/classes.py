"""The three classes of density: how well they are told apart, and who changes class between two models."""

from __future__ import annotations

from xattn_bmd.report.figures.confusion import confusion
from xattn_bmd.report.figures.reclassification import reclassification
from xattn_bmd.report.material import Material, one, rows
from xattn_bmd.report.numbers import percent, span
from xattn_bmd.report.page import Block, Cell, Gallery, Picture, Prose, Section, Table
from xattn_bmd.report.sections import class_heads
from xattn_bmd.report.sections.grid import ABSENT, by_model, missing_notes

_MACRO = "macro"
_OVERALL = ("accuracy", "kappa", "weighted_kappa")
_MOVES = {"share_reclassified": "change class", "better": "for the better", "worse": "for the worse", "net": "net"}


def section(material: Material) -> Section:
    """Return the section."""
    scale = material.words.scale
    text = f"{scale.class_rule}, of measured and of predicted density."
    table = material.evidence.classes
    overall = by_model(
        material,
        table[table["class"] == "all"],
        _OVERALL,
        name="classes",
        caption=f"Agreement of predicted with measured {scale.class_kind}.",
    )
    reclassified = Section(name="reclassification", title="Reclassification", blocks=_reclassified(material))
    heads = material.source.class_heads
    return Section(
        name="classes",
        title=f"{scale.class_kind}es",
        blocks=(Prose(text=text), overall, _by_class(material), _confusions(material)),
        parts=(reclassified,) if heads is None else (reclassified, class_heads.part(material, heads)),
    )


def _by_class(material: Material) -> Table:
    table = material.evidence.classes
    table = table[table["class"] != "all"]
    keys = tuple(dict.fromkeys(table["metric"]))
    body = []
    for model in material.models:
        for name in (*material.words.scale.classes, _MACRO):
            found = [one(table, model=model, metric=metric, **{"class": name}) for metric in keys]
            cells = [ABSENT if row is None else material.words.estimate(row) for row in found]
            body.append((Cell(model, name), *cells))
    return Table(
        name="classes-each",
        caption=material.caption("Each class against the two others, and their macro average."),
        columns=("model and class", *(material.words.label(str(metric)) for metric in keys)),
        rows=tuple(body),
        notes=missing_notes(table, words=material.words),
    )


def _confusions(material: Material) -> Gallery:
    words = material.words
    return Gallery(
        pictures=tuple(
            Picture(
                name=f"confusion-{position}",
                caption=material.caption(f"{model}: {words.images} by measured and predicted class."),
                label=f"Confusion matrix of the {words.scale.class_kind}es, {model}",
                figure=confusion(material.evidence.confusion, model=model, words=words),
            )
            for position, model in enumerate(material.models)
        )
    )


def _reclassified(material: Material) -> tuple[Block, ...]:
    summary = material.evidence.reclassification_summary
    if summary.empty:
        return (Prose(text="The table holds one model, so nobody changes class."),)
    base, words = str(summary["model_b"].iloc[0]), material.words
    body = []
    for model in dict.fromkeys(summary["model_a"]):
        found = {str(row["metric"]): row for row in rows(summary, model_a=model)}
        body.append((Cell(str(model)), *(_share(found.get(metric)) for metric in _MOVES)))
    table = Table(
        name="reclassification",
        caption=material.caption(
            f"Share of {words.images} that change {words.scale.class_kind} when a model is used instead of {base}."
        ),
        columns=("model", *_MOVES.values()),
        rows=tuple(body),
        notes=("Better: nearer to the measured class; worse: farther from it; net: better minus worse.",),
    )
    others = [model for model in dict.fromkeys(summary["model_a"])]
    drawn = tuple(
        Picture(
            name=f"reclassification-{material.models.index(model)}",
            caption=material.caption(f"Class by {base} against class by {model}, for each measured class."),
            label=f"Reclassification between {base} and {model}",
            figure=reclassification(material.evidence.reclassification, model_a=model, model_b=base, words=words),
        )
        for model in others[:1]
    )
    return table, *drawn


def _share(row: object) -> Cell:
    if not isinstance(row, dict):
        return ABSENT
    return Cell(percent(row["value"]), span(row["low"], row["high"], as_percent=True).replace("+", ""))
