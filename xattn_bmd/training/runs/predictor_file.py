"""The file that makes a model's folder of a run a predictor: ``predictor.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from xattn_bmd.atomic import atomic_write
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.data.seen import Seen
from xattn_bmd.errors import RunError
from xattn_bmd.metrics.class_predictions import read_class_predictions
from xattn_bmd.metrics.predictions import read_predictions
from xattn_bmd.metrics.tables.inputs import read_inputs
from xattn_bmd.metrics.tables.regression import metrics_table
from xattn_bmd.metrics.tables.screening import screening_table
from xattn_bmd.training.prediction.class_development import ClassDevelopment, describe_class_development
from xattn_bmd.training.prediction.development import Development, describe_development
from xattn_bmd.training.registry import image_encoder_origin, uses_images
from xattn_bmd.training.runs.crop_file import save_crop_stage
from xattn_bmd.training.runs.result_tables import METRICS, SCREENING
from xattn_bmd.training.runs.run import INPUTS, PREDICTIONS
from xattn_bmd.training.study import Study, reference_of

if TYPE_CHECKING:
    from xattn_bmd.localise.crops.stage import CropStage

FILE, FORMAT = "predictor.json", "xattn-bmd-predictor-2"
_WITHOUT_DEVELOPMENT = "xattn-bmd-predictor-1"


def write_predictors(run: Path, study: Study, *, crop: CropStage | None = None) -> None:
    """Describe the finished folds of every model of a finished run, so that each model's folder alone is a predictor.

    Args:
        run: the run folder, with its joined predictions and result tables.
        study: what was run.
        crop: the stage that cropped the radiographs; it is copied into the folder of every model that sees them.
    """
    config, roles = study.config, study.cohort.roles
    pictures = study.cache.content_hashes if any(uses_images(name) for name in config.models) else ()
    seen = Seen.of(salt=study.plan.hash, patients=study.cohort.patient_ids, pictures=pictures)
    if roles.classes:
        predictions = read_class_predictions(run / PREDICTIONS, classes=roles.classes)
        metrics = pd.read_csv(run / METRICS, float_precision="round_trip")
        for model, mine in predictions.groupby("model"):
            scored = metrics[metrics["model"] == model]
            found = describe_class_development(mine, classes=roles.classes, metrics=scored, seen=seen)
            _write(run / str(model), study, found, {}, crop=crop)
        return
    predictions = read_predictions(run / PREDICTIONS)
    metrics, screening = (pd.read_csv(run / name, float_precision="round_trip") for name in (METRICS, SCREENING))
    inputs = read_inputs(run / INPUTS) if (run / INPUTS).is_file() else predictions.head(0).assign(inputs="")
    for model in config.models:
        development = describe_development(
            predictions[predictions["model"] == model],
            metrics=metrics[metrics["model"] == model],
            screening=screening[screening["model"] == model],
            reference=get_reference(reference_of(config)),
            seen=seen,
        )
        mine = inputs[inputs["model"] == model]
        withheld = {str(left): _described(rows, study, seen) for left, rows in mine.groupby("inputs")}
        _write(run / model, study, development, withheld, crop=crop)


def _described(predictions: pd.DataFrame, study: Study, seen: Seen) -> Development:
    """Describe what a model says where one of its inputs is withheld, as what it says with both."""
    reference, seed = get_reference(reference_of(study.config)), study.config.seed
    return describe_development(
        predictions,
        metrics=metrics_table(predictions, seed=seed),
        screening=screening_table(predictions, reference, seed=seed),
        reference=reference,
        seen=seen,
    )


def _write(
    folder: Path,
    study: Study,
    development: Development | ClassDevelopment,
    withheld: Mapping[str, Development],
    *,
    crop: CropStage | None,
) -> None:
    config = study.config
    stage = crop if uses_images(folder.name) else None
    save_crop_stage(folder, stage)
    record: dict[str, Any] = {
        "format": FORMAT,
        "model": folder.name,
        "simulated": study.cohort.roles.simulated,
        "image_encoder": image_encoder_origin(config, [folder.name]),
        "protocol": config.protocol,
        "plan_hash": study.plan.hash,
        "reference": config.reference,
        "image": asdict(config.image),
        "roles": study.cohort.roles.to_dict(),
        "folds": [f"repeat_{r:02d}/fold_{f:02d}" for r in range(config.repeats) for f in range(config.folds)],
        "development": development.to_dict(),
    }
    if stage is not None:
        record["crop"] = stage.digest
    if withheld:
        record["withheld"] = {left: _without_seen(found) for left, found in withheld.items()}
    atomic_write(folder / FILE, json.dumps(record, indent=1, allow_nan=False) + "\n")


def _without_seen(development: Development) -> dict[str, Any]:
    return {name: value for name, value in development.to_dict().items() if name != "seen"}


def read_record(path: Path) -> dict[str, Any]:
    """Return the content of a ``predictor.json``.

    Raises:
        RunError: if there is none, or it is of another format.
    """
    if not path.is_file():
        raise RunError(
            f"A predictor folder holds {FILE}, but {path.parent} does not; give RUN/MODEL of a finished comparison."
        )
    record: dict[str, Any] = json.loads(path.read_text())
    if record.get("format") == _WITHOUT_DEVELOPMENT:
        raise RunError(
            f"A predictor has the format {FORMAT!r}, but {path.parent} holds {_WITHOUT_DEVELOPMENT!r}, without what "
            "intervals and evaluation need; run the same `compare` command again: it keeps the fits and writes the "
            "predictor anew."
        )
    if record.get("format") != FORMAT:
        raise RunError(
            f"A predictor has the format {FORMAT!r}, but {path.parent} holds {record.get('format')!r}; "
            "use the version of xattn_bmd that wrote it."
        )
    return record
