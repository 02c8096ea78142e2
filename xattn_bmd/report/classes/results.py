"""How well every model tells the classes apart, how far models differ, and what is lost elsewhere."""

from __future__ import annotations

from xattn_bmd.metrics.confusion import ALL, MACRO
from xattn_bmd.report.classes.evidence import ClassEvidence
from xattn_bmd.report.classes.source import ClassSource
from xattn_bmd.report.figures.confusion import confusion
from xattn_bmd.report.material import Row, one, rows
from xattn_bmd.report.numbers import count, estimate, in_words, p_value
from xattn_bmd.report.page import Bullets, Cell, Gallery, Picture, Prose, Section, Table
from xattn_bmd.report.sections.grid import ABSENT, by_model, missing_notes
from xattn_bmd.report.words import Words

_OVERALL = ("accuracy", "kappa", "weighted_kappa")
_EACH = ("auroc", "accuracy", "sensitivity", "specificity", "precision", "f1")


def key(source: ClassSource, evidence: ClassEvidence) -> Section:
    """Return the section on the main result."""
    said = []
    for model in source.models:
        area, right = (
            one(evidence.metrics, model=model, metric=metric, **{"class": name})
            for name, metric in ((MACRO, "auroc"), (ALL, "accuracy"))
        )
        if area is not None and right is not None:
            said.append(f"{model}: macro AUROC {in_words(estimate(area))}, accuracy {in_words(estimate(right))}")
    return Section(
        name="key-result",
        title="Key result",
        blocks=(
            Prose(text=source.caption("Each class against all others, with 95 % intervals.")),
            Bullets(items=tuple(said)),
        ),
    )


def each_class(source: ClassSource, evidence: ClassEvidence) -> Section:
    """Return the section on the metrics of every model and the confusion of classes."""
    table = evidence.metrics
    overall = by_model(
        source,
        table[table["class"] == ALL],
        _OVERALL,
        name="classes",
        caption="Agreement of the predicted with the true class.",
    )
    pictures = tuple(
        Picture(
            name=f"confusion-{position}",
            caption=source.caption(f"{model}: {source.words.images} by true and predicted class."),
            label=f"Confusion matrix of {model}",
            figure=confusion(evidence.confusion, model=model, classes=source.classes, words=source.words),
        )
        for position, model in enumerate(source.models)
    )
    return Section(
        name="models", title="Classes", blocks=(overall, _by_class(source, evidence), Gallery(pictures=pictures))
    )


def comparison(source: ClassSource, evidence: ClassEvidence) -> Section:
    """Return the section on differences between models."""
    found = evidence.comparisons
    if found.empty:
        return Section(
            name="differences",
            title="Differences between models",
            blocks=(Prose(text="The table holds one model, so there is nothing to compare."),),
        )
    base = str(found["model_b"].iloc[0])
    body = tuple(
        (
            Cell(str(row["model_a"])),
            Cell(f"{'macro ' * (row['class'] == MACRO)}{source.words.label(str(row['metric']))}"),
            estimate(row | {"value": row["difference"]}),
            Cell(p_value(row["p"])),
            Cell(p_value(row["p_holm"])),
        )
        for row in rows(found)
    )
    table = Table(
        name="differences",
        caption=source.caption(f"Every model minus {base}, paired patient bootstrap with 95 % percentile intervals."),
        columns=("model", "metric", f"difference to {base}", "p", "p, Holm"),
        rows=body,
        words=(1,),
        notes=("Holm adjusts for the number of models compared, metric by metric.",),
    )
    return Section(name="differences", title="Differences between models", blocks=(table,))


def external(source: ClassSource, evidence: ClassEvidence) -> Section:
    """Return the section on internal beside external results."""
    tables = []
    for position, model in enumerate(source.models):
        found = rows(evidence.drop, model=model)
        sizes = [count(found[0][f"n_{part}"]) for part in ("internal", "external")]
        counted = f"n = {sizes[0]} internal and {sizes[1]} external {source.words.images}"
        tables.append(
            Table(
                name=f"external-{position}",
                caption=source.caption(f"{model}: internal and external values with 95 % intervals.", counted=counted),
                columns=("metric", "internal", "external", "change"),
                rows=tuple(_drop_row(row, source.words) for row in found if row["metric"] in (*_EACH, *_OVERALL)),
                notes=(
                    "Change is external minus internal; its interval treats the two cohorts as independent samples "
                    "(Zou and Donner 2008). Internal values are those of single fold models on people they had not "
                    "seen; external ones are of the mean of all fold models.",
                ),
            )
        )
    return Section(name="external", title="Internal beside external", blocks=tuple(tables))


def _by_class(source: ClassSource, evidence: ClassEvidence) -> Table:
    table = evidence.metrics[evidence.metrics["class"] != ALL]
    body = []
    for model in source.models:
        for name in (*source.classes, MACRO):
            found = [one(table, model=model, metric=metric, **{"class": name}) for metric in _EACH]
            body.append((Cell(model, name), *(ABSENT if row is None else estimate(row) for row in found)))
    return Table(
        name="classes-each",
        caption=source.caption("Each class against all others, and their macro average."),
        columns=("model and class", *map(source.words.label, _EACH)),
        rows=tuple(body),
        notes=missing_notes(table, words=source.words),
    )


def _drop_row(row: Row, words: Words) -> tuple[Cell, ...]:
    return Cell(words.label(str(row["metric"])), str(row["class"])), *(
        estimate({"value": row[part], "low": row[f"{part}_low"], "high": row[f"{part}_high"]})
        for part in ("internal", "external", "change")
    )
