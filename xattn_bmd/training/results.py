"""The tables of a finished run: the folds' predictions joined, and what they score."""

from __future__ import annotations

import io
from pathlib import Path

from xattn_bmd.atomic import atomic_write
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.config import CompareConfig
from xattn_bmd.data.folds import FoldPlan
from xattn_bmd.metrics.crossfit import calibration_rows
from xattn_bmd.metrics.predictions import read_predictions
from xattn_bmd.metrics.tables.comparisons import comparisons_table
from xattn_bmd.metrics.tables.regression import metrics_table
from xattn_bmd.metrics.tables.screening import screening_table
from xattn_bmd.training.fit import Job, reference_of
from xattn_bmd.training.run import CALIBRATION, PREDICTIONS, fold_folder
from xattn_bmd.training.run_record import read_calibration

TABLES = ("metrics.csv", "screening.csv", "comparisons.csv")
PROTOCOL_LABELS = {"nested": "nested", "paper": "paper (optimistic)"}
"""How each protocol is named in every table."""


def has_results(folder: Path, *, config: CompareConfig) -> bool:
    """Tell whether every table of the finished run is there."""
    kept = () if config.protocol == "paper" else (CALIBRATION,)
    return all((folder / name).is_file() for name in (PREDICTIONS, *kept, *TABLES))


def write_results(folder: Path, *, jobs: list[Job], config: CompareConfig, plan: FoldPlan, simulated: bool) -> None:
    """Join the folds' predictions in one table and score it; every scored row says under which conditions it arose.

    What is fitted to predictions is fitted on the inner validation parts, where the protocol has any.
    """
    joined = _joined(folder, jobs, PREDICTIONS)
    predictions = read_predictions(io.StringIO(joined))
    if config.protocol != "paper":
        atomic_write(folder / CALIBRATION, _joined(folder, jobs, CALIBRATION))
    kept = read_calibration(folder / CALIBRATION)
    calibration = None if kept is None else calibration_rows(kept)
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
    atomic_write(folder / PREDICTIONS, joined)


def _joined(folder: Path, jobs: list[Job], name: str) -> str:
    texts = [(fold_folder(folder, job) / name).read_text().splitlines(keepends=True) for job in jobs]
    return "".join([texts[0][0], *(line for text in texts for line in text[1:])])
