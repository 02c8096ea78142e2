"""What is stored of a finished fit, as bytes that can be made on one machine and written on another."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd

from xattn_bmd.atomic import atomic_folder
from xattn_bmd.errors import RunError
from xattn_bmd.models.fusions.named import source_digest
from xattn_bmd.training.fits.fit import FoldResult
from xattn_bmd.training.runs.estimator_file import STATE_FILE, EstimatorFiles, estimator_files, write_shared
from xattn_bmd.training.runs.run import ATTENTION, CALIBRATION, CLASS_PREDICTIONS, INPUTS, MASKS, PREDICTIONS
from xattn_bmd.training.study import Job

HISTORY = "history.csv"


def fold_folder(folder: Path, job: Job) -> Path:
    """Return where one fit is stored; fold 1 and fold 10 never share a prefix.

    Example:
        >>> fold_folder(Path("RUN"), Job("xattn", 0, 3)).as_posix()
        'RUN/xattn/repeat_00/fold_03'
    """
    return folder / job.model / f"repeat_{job.repeat:02d}" / f"fold_{job.fold:02d}"


def fold_files(result: FoldResult, *, key: str) -> EstimatorFiles:
    """Return the files of a finished fit.

    Args:
        result: the fit.
        key: its content address, kept in its record; see :func:`~xattn_bmd.training.workers.jobs.job_key`.
    """
    source = source_digest(result.estimator.model)
    added = {"key": key} if source is None else {"key": key, "source": source}
    estimator = replace(result.estimator, record=result.estimator.record | added)
    stored = estimator_files(estimator)
    history = pd.DataFrame(result.history) if result.history else None
    tables = {
        HISTORY: history,
        PREDICTIONS: result.predictions,
        CALIBRATION: result.calibration,
        ATTENTION: result.attention,
        INPUTS: result.inputs,
        MASKS: result.masks,
        CLASS_PREDICTIONS: result.classes,
    }
    texts = {name: table.to_csv(index=False).encode() for name, table in tables.items() if table is not None}
    return EstimatorFiles(stored.fold | texts, stored.shared)


def write_fold(target: Path, files: EstimatorFiles) -> None:
    """Store one finished fit; it is whole or absent.

    Args:
        target: the fold's folder, from :func:`fold_folder`; it must not exist.
        files: from :func:`fold_files`.

    Raises:
        RunError: if the disk is full; nothing is left behind.
    """
    write_shared(target.parents[1], files.shared)
    with atomic_folder(target) as folder:
        for name, content in files.fold.items():
            (folder / name).write_bytes(content)


def is_finished(target: Path, *, key: str) -> bool:
    """Tell whether a fit is stored already.

    Args:
        target: the fold's folder.
        key: content address of the fit that is wanted.

    Raises:
        RunError: if another fit is stored there.
    """
    if not target.is_dir():
        return False
    try:
        stored = json.loads((target / STATE_FILE).read_text())["record"].get("key")
    except (OSError, ValueError, KeyError):
        stored = None
    if stored != key:
        raise RunError(
            f"A stored fit is kept only if all that decides it is the same, but {target} was fitted with something "
            "else, for instance other contents of the weights file that the settings name, or another source of a "
            "fusion of your own; delete that folder to fit it again, put the file back, or choose another output "
            "folder."
        )
    return True
