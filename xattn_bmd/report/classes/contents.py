"""The report of class predictions."""

from __future__ import annotations

from pathlib import Path

from xattn_bmd.report.classes.evidence import ClassEvidence, gather_classes
from xattn_bmd.report.classes.people import cohort, folds
from xattn_bmd.report.classes.results import comparison, each_class, external, key
from xattn_bmd.report.classes.source import ClassSource, open_class_source
from xattn_bmd.report.contents import Contents
from xattn_bmd.report.page import Bullets, Section
from xattn_bmd.report.sections.provenance import recorded_settings


def class_contents(
    path: Path, *, classes: tuple[str, ...], record: str | Path | None, seed: int, replicates: int
) -> Contents:
    """Return what the report of a run or an evaluation of classes consists of.

    Args:
        path: its folder, or the predictions table in it.
        classes: names of the classes, in their order.
        record: CSV file of clinical variables with ``radiograph_id``; None takes the folder's own.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Raises:
        RunError: if it is not finished, or a file of it is damaged.
        MetricError: if the table or the record cannot be used.
    """
    source = open_class_source(path, classes=classes, record=record)
    evidence = gather_classes(source, seed=seed, replicates=replicates)
    return Contents(
        path=source.path,
        title=f"{source.target['column']} from {source.words.images}: evaluation report",
        subtitle=f"{', '.join(source.models)}; {source.counted}",
        sections=_sections(source, evidence),
        tables=evidence.tables(),
        words=source.words,
        simulated=source.simulated,
        optimistic=source.optimistic,
        image_encoder=str((source.environment or {}).get("image_encoder", "")),
    )


def _sections(source: ClassSource, evidence: ClassEvidence) -> tuple[Section, ...]:
    return (
        key(source, evidence),
        cohort(source, evidence),
        each_class(source, evidence),
        comparison(source, evidence),
        *([external(source, evidence)] if len(evidence.drop) else []),
        *([folds(source)] if source.plan is not None else []),
        recorded_settings(source.config_text, source.environment),
        _methods(source),
    )


def _methods(source: ClassSource) -> Section:
    chosen = (
        "Protocol 'paper': each checkpoint was chosen on the fold that is scored, so every number is optimistic."
        if source.optimistic
        else "Early stopping and every other choice used an inner validation part of the training folds."
    )
    pooled = (
        "External validation: the estimate is the mean probability over all fold models; nothing was fitted here."
        if len(source.drop if source.drop is not None else ())
        else f"Predictions are those for scored folds, pooled. {chosen}"
    )
    texts = (
        pooled,
        "Each class is set against all others; 'macro' is the plain mean over the classes. The predicted class is the "
        "one of the highest probability; no threshold was tuned.",
        "Intervals are 95 % bias-corrected and accelerated (BCa) bootstrap intervals. Patients are drawn, each with "
        f"all {source.words.images} and repeats; models share the draws, so comparisons are paired. Models were not "
        "trained again in the draws: the intervals hold for these models and other patients, not for another training.",
        "A dash stands for a number that does not exist; a note below the table says why.",
        "No figure here was corrected for looking at many of them, except where Holm is named.",
    )
    return Section(name="methods", title="Methods notes", blocks=(Bullets(items=texts),))
