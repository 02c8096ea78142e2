"""External validation: a finished predictor on another cohort, with nothing fitted there.

Thresholds, triage cuts, recalibration and interval widths are carried over from the development cohort unchanged.  The
estimate is the mean of the fold models, as in use; the internal values beside it are those of the single fold models,
each on people it had not seen.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from xattn_bmd.atomic import atomic_folder
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.data.cache_folder import default_cache_folder
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.roles import ClassRole
from xattn_bmd.errors import RunError
from xattn_bmd.metrics.tables.comparisons import comparisons_table
from xattn_bmd.models.origin import NO_IMAGES
from xattn_bmd.training.environment import environment
from xattn_bmd.training.evaluation import Evaluation as Evaluation
from xattn_bmd.training.external_checks import check_cohort, check_predictors, refuse_pictures, require_same_inputs
from xattn_bmd.training.external_class_heads import class_head_predictions, external_class_heads
from xattn_bmd.training.external_classes import DROP, class_predictions, class_tables
from xattn_bmd.training.external_drop import external_drop
from xattn_bmd.training.external_rows import external_rows
from xattn_bmd.training.external_tables import (
    Carried,
    external_agreement,
    external_coverage,
    external_decision_curve,
    external_metrics,
    external_screening,
    external_triage,
)
from xattn_bmd.training.prediction.development import Development
from xattn_bmd.training.prediction.fold_estimates import FoldEstimates
from xattn_bmd.training.prediction.predictor import Predictor
from xattn_bmd.training.runs.result_tables import CLASS_HEADS
from xattn_bmd.training.runs.run import CLASS_PREDICTIONS, COHORT, ENVIRONMENT, PREDICTIONS, RECORD
from xattn_bmd.training.runs.run_record import cohort_facts, pictures_digest, record_table
from xattn_bmd.types import PREDICTION_COLUMNS, UNIT_COLUMN

REPLICATES = 2000


def evaluate(
    predictor: Predictor | Sequence[Predictor],
    cohort: Cohort,
    *,
    out: str | Path,
    cache: str | Path | None = None,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> Evaluation:
    """Evaluate one predictor, or several on the same rows, on a cohort that took no part in their development.

    Args:
        predictor: one or several predictors with different names and one reference population.
        cohort: radiographs with measured densities in the predictor's unit, or with classes, and the same clinical
            variables.
        out: folder to make; it appears when it is complete.
        cache: folder of decoded images; None takes the user's cache folder.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        The evaluation: predictions, metrics, screening, agreement, triage, decision curve, conformal, drop and
        comparisons (of classes: predictions, metrics, confusion, drop and comparisons; of models with a class head also
        its class predictions and class heads) as CSV, and what describes the cohort and the machine.

    Raises:
        CohortError: if the cohort has problems, lacks a density or has other classes, measures in another unit or with
            another reference, or holds a patient or a picture of a development cohort (pictures are looked for where a
            predictor sees them).
        LocaliseError: where predictors crop, as :meth:`Predictor.cropped`, or if their localiser was fitted on people
            of the cohort.
        RunError: if the folder exists, the predictors cannot be compared, or the disk is full.
    """
    predictors = (predictor,) if isinstance(predictor, Predictor) else tuple(predictor)
    target = Path(out)
    if target.exists():
        raise RunError(f"An evaluation is written to a new folder, but {target} exists; choose another name.")
    check_predictors(predictors)
    cohort = cohort.in_id_order()
    for one in predictors:
        check_cohort(one, cohort)
        if one.crop_stage is not None:
            one.crop_stage.refuse_fitted_on(cohort, cache=Path(cache) if cache else default_cache_folder())
    estimates = {one.model: one.estimate_folds(cohort, cache=cache, require_target=True) for one in predictors}
    for one in predictors:
        require_same_inputs(one, estimates[one.model], cohort)
    pictures = {name: content for each in estimates.values() for name, content in each.pictures.items()}
    for one in predictors:
        refuse_pictures(one, pictures)
    simulated = cohort.roles.simulated or any(one.simulated for one in predictors)
    tables = _tables(predictors, cohort, estimates, seed=seed, replicates=replicates)
    said = class_head_predictions(cohort, estimates, reference=predictors[0].reference)
    with atomic_folder(target) as folder:
        for name, table in tables.items():
            labelled = table.assign(validation="external", simulated=simulated)
            labelled.to_csv(folder / name, index=False)
        _predictions(cohort, estimates).to_csv(folder / PREDICTIONS, index=False)
        if said is not None:
            said.to_csv(folder / CLASS_PREDICTIONS, index=False)
        record_table(cohort).to_csv(folder / RECORD, index=False)
        (folder / COHORT).write_text(_json(_description(predictors, cohort, estimates)))
        (folder / ENVIRONMENT).write_text(_json(environment(image_encoder=_image_encoders(predictors))))
    return Evaluation(target, simulated, cohort.roles.classes)


def _tables(
    predictors: Sequence[Predictor], cohort: Cohort, estimates: dict[str, FoldEstimates], *, seed: int, replicates: int
) -> dict[str, pd.DataFrame]:
    target = predictors[0].roles.target
    if isinstance(target, ClassRole):
        developments = {one.model: one.development for one in predictors}
        predictions = class_predictions(cohort, estimates, classes=target.classes)
        return class_tables(predictions, developments, target=target, seed=seed, replicates=replicates)
    return _density_tables(predictors, cohort, estimates, seed=seed, replicates=replicates)


def _density_tables(
    predictors: Sequence[Predictor], cohort: Cohort, estimates: dict[str, FoldEstimates], *, seed: int, replicates: int
) -> dict[str, pd.DataFrame]:
    predictions = _predictions(cohort, estimates)
    reference = get_reference(predictors[0].reference)
    carried = {
        one.model: Carried(_development(one, estimates[one.model]), estimates[one.model].each) for one in predictors
    }
    against = "concat" if "concat" in carried else predictors[0].model
    metrics = external_metrics(predictions, seed=seed, replicates=replicates)
    screening = external_screening(predictions, reference, carried, seed=seed, replicates=replicates)
    tables = {
        "metrics.csv": metrics,
        "screening.csv": screening,
        "agreement.csv": external_agreement(predictions, carried, seed=seed, replicates=replicates),
        "triage.csv": external_triage(predictions, reference, carried, seed=seed, replicates=replicates),
        "decision_curve.csv": external_decision_curve(
            predictions, reference, carried, seed=seed, replicates=replicates
        ),
        "conformal.csv": external_coverage(predictions, carried, seed=seed, replicates=replicates),
        "comparisons.csv": comparisons_table(
            predictions, reference=reference, against=against, seed=seed, replicates=replicates
        ),
        DROP: external_drop([metrics, screening], {model: one.development for model, one in carried.items()}),
    }
    said = class_head_predictions(cohort, estimates, reference=reference.name)
    if said is not None:
        tables[CLASS_HEADS] = external_class_heads(
            predictions, said, reference, carried, seed=seed, replicates=replicates
        )
    return tables


def _predictions(cohort: Cohort, estimates: dict[str, FoldEstimates]) -> pd.DataFrame:
    if classes := cohort.roles.classes:
        return class_predictions(cohort, estimates, classes=classes)
    shared = external_rows(cohort) | {"target": cohort.targets}
    parts = [
        pd.DataFrame({**shared, "model": model, "prediction": each.each.mean(axis=0)})
        for model, each in estimates.items()
    ]
    table = pd.concat(parts, ignore_index=True)[list(PREDICTION_COLUMNS)]
    unit = cohort.roles.unit
    return table if unit == "g/cm2" else table.assign(**{UNIT_COLUMN: unit})


def _development(predictor: Predictor, estimates: FoldEstimates) -> Development:
    return predictor.development_with(estimates.inputs[0])


def _description(
    predictors: Sequence[Predictor], cohort: Cohort, estimates: dict[str, FoldEstimates]
) -> dict[str, Any]:
    pictures = {name: content for each in estimates.values() for name, content in each.pictures.items()}
    facts = cohort_facts(cohort, images=pictures_digest(pictures))
    return {
        "validation": "external",
        **facts,
        "simulated": cohort.roles.simulated or any(one.simulated for one in predictors),
        "roles": facts["roles"] | ({} if predictors[0].classes else {"reference": predictors[0].reference}),
        "predictors": [_predictor_description(one) | {"inputs": estimates[one.model].inputs[0]} for one in predictors],
    }


def _predictor_description(predictor: Predictor) -> dict[str, Any]:
    development = predictor.development
    target: dict[str, Any] = (
        {"target_mean": development.target_mean, "target_sd": development.target_sd}
        if isinstance(development, Development)
        else {"classes": dict(development.counts)}
    )
    return {
        "model": predictor.model,
        "plan_hash": development.seen.salt,
        "simulated": predictor.simulated,
        "image_encoder": predictor.image_encoder,
        "image": predictor.image.settings_read() if predictor.uses_images else None,
        "radiographs": development.n,
        "patients": development.patients,
        **target,
    }


def _image_encoders(predictors: Sequence[Predictor]) -> str:
    return "; ".join(dict.fromkeys(one.image_encoder for one in predictors if one.uses_images)) or NO_IMAGES


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
