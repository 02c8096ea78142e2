"""The tables of a finished run: the folds' predictions joined, and what they score."""

from __future__ import annotations

import io
from pathlib import Path

from xattn_bmd.atomic import atomic_write
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.config import CompareConfig
from xattn_bmd.data.folds import FoldPlan
from xattn_bmd.metrics.crossfit import calibration_rows
from xattn_bmd.metrics.predictions import read_calibration, read_predictions
from xattn_bmd.metrics.tables.comparisons import comparisons_table
from xattn_bmd.metrics.tables.regression import metrics_table
from xattn_bmd.metrics.tables.screening import screening_table
from xattn_bmd.training.registry import uses_both
from xattn_bmd.training.runs.fold_store import fold_folder
from xattn_bmd.training.runs.run import ATTENTION, CALIBRATION, INPUTS, MASKS, PREDICTIONS
from xattn_bmd.training.study import Job, reference_of

TABLES = ("metrics.csv", "screening.csv", "comparisons.csv")
_JOINED = (ATTENTION, CALIBRATION, INPUTS, MASKS)
"""Tables of the fits that are joined beside the predictions, where fits have them."""

PROTOCOL_LABELS = {"nested": "nested", "paper": "paper (optimistic)"}
"""How each protocol is named in every table."""


def has_results(folder: Path, *, config: CompareConfig) -> bool:
    """Tell whether every table of the finished run is there."""
    kept = [] if config.protocol == "paper" else [CALIBRATION]
    if (config.model.image_dropout or config.model.record_dropout) and any(map(uses_both, config.models)):
        kept.append(INPUTS)
    if config.model.mask_head != "none":
        kept.append(MASKS)
    return all((folder / name).is_file() for name in (PREDICTIONS, *kept, *TABLES))


def write_results(folder: Path, *, jobs: list[Job], config: CompareConfig, plan: FoldPlan, simulated: bool) -> None:
    """Join the folds' predictions in one table and score it; every scored row says under which conditions it arose.

    What is fitted to predictions is fitted on the inner validation parts, where the protocol has any.
    """
    joined = {name: _joined(folder, jobs, name) for name in (*_JOINED, PREDICTIONS)}
    predictions = read_predictions(io.StringIO(joined[PREDICTIONS]))
    kept = joined[CALIBRATION]
    calibration = calibration_rows(read_calibration(io.StringIO(kept))) if kept else None
    reference, seed = get_reference(reference_of(config)), config.seed
    scored = (
        metrics_table(predictions, seed=seed),
        screening_table(predictions, reference, calibration=calibration, seed=seed),
        comparisons_table(predictions, reference=reference, against="concat", seed=seed),
    )
    protocol = PROTOCOL_LABELS[config.protocol]
    for name, table in zip(TABLES, scored, strict=True):
        labelled = table.assign(protocol=protocol, simulated=simulated, plan_hash=plan.hash)
        atomic_write(folder / name, labelled.to_csv(index=False))
    for name in (*_JOINED, PREDICTIONS):
        if joined[name]:
            atomic_write(folder / name, joined[name])


def _joined(folder: Path, jobs: list[Job], name: str) -> str:
    """Return the rows of all fits that have such a table under one header; empty where none has it."""
    parts = [path for job in jobs if (path := fold_folder(folder, job) / name).is_file()]
    texts = [part.read_text().splitlines(keepends=True) for part in parts]
    return "".join([*texts[0][:1], *(line for text in texts for line in text[1:])]) if texts else ""
