"""A stack's fold, made from the stored fits of its members: nothing of the scored fold decides a weight."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xattn_bmd.metrics.predictions import read_calibration, read_predictions, validate_calibration
from xattn_bmd.training.fits.estimator import Estimator
from xattn_bmd.training.fits.fit import FoldResult
from xattn_bmd.training.fits.stacking import held_out_stack, members_of, stack_weights
from xattn_bmd.training.runs.estimator_file import EstimatorFiles, load_estimator
from xattn_bmd.training.runs.fold_store import fold_files, fold_folder
from xattn_bmd.training.runs.run import CALIBRATION, PREDICTIONS
from xattn_bmd.training.study import Job
from xattn_bmd.types import HEAD_COLUMNS


def stack_fold(run: Path, job: Job, *, key: str) -> EstimatorFiles:
    """Return the files of one fold of a stack, whose members' fits are stored.

    The weights are fitted on what the members predict for the fold's inner validation part (``calibration.csv``), on
    which none of them was fitted, though a network's epoch was chosen there.  The stack's own rows for that part are
    predicted with weights fitted without the patient.

    Args:
        run: the run folder.
        job: which stack, repeat and fold.
        key: content address of the fit.

    Raises:
        MetricError: if the members' tables do not belong together, or a patient of the validation part is scored.
    """
    folders = [fold_folder(run, Job(name, job.repeat, job.fold)) for name in members_of(job.model)]
    scored = [read_predictions(folder / PREDICTIONS) for folder in folders]
    held_out = [read_calibration(folder / CALIBRATION) for folder in folders]
    for validation, test in zip(held_out, scored, strict=True):
        validate_calibration(validation, test)
    first = held_out[0]
    predicted, target = _side_by_side(held_out), first["target"].to_numpy(dtype=np.float64)
    weights = stack_weights(predicted, target)
    stacked = held_out_stack(predicted, target, first["patient_id"].tolist())
    members = tuple(load_estimator(folder) for folder in folders)
    shared = {name: members[0].record[name] for name in ("repeat", "fold", "protocol", "plan_hash")}
    named = dict(zip(members_of(job.model), weights.round(6).tolist(), strict=True))
    estimator = Estimator(
        job.model, members[0].encoder, None, {"weights": weights}, shared | {"weights": named}, members=members
    )
    result = FoldResult(estimator, _table(scored[0], job, weights @ _side_by_side(scored)), _table(first, job, stacked))
    return fold_files(result, key=key)


def _side_by_side(tables: list[pd.DataFrame]) -> NDArray[np.float64]:
    """Return ``(M, N)`` predictions, the radiographs as in the first table."""
    order = tables[0]["radiograph_id"]
    return np.stack([table.set_index("radiograph_id")["prediction"].loc[order].to_numpy() for table in tables])


def _table(like: pd.DataFrame, job: Job, prediction: NDArray[np.float64]) -> pd.DataFrame:
    blank = {name: np.nan for name in HEAD_COLUMNS if name in like.columns}
    return like.assign(model=job.model, prediction=prediction, **blank)
