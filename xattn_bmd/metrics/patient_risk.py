"""From the crops of a patient to the patient: does any of them show a class?

The risk that at least one of a patient's crops shows the class is ``1 - Π (1 - p)`` over the crops' probabilities, as
if they were independent of each other.  They are not quite, and a network is often too sure of itself: so the risk is
also recalibrated by a logistic line through its logit, which is never fitted to the patients that it is applied to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.class_checks import named_classes, probability_columns
from xattn_bmd.metrics.class_predictions import validate_class_predictions

if TYPE_CHECKING:
    import pandas as pd

PATIENT_RISK_COLUMNS = ("model", "repeat", "fold", "patient_id", "crops", "positive", "risk", "recalibrated", "on")

OTHER_FOLDS, DEVELOPMENT = "other folds", "development cohort"
_EDGE = 1e-6
"""Risks are held this far from 0 and 1 before their logit is taken."""


def patient_risks(predictions: pd.DataFrame, *, positive: str, developed: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return each patient's risk that at least one crop shows a class.

    Args:
        predictions: a table of class predictions (:mod:`xattn_bmd.metrics.class_predictions`), several crops of a
            patient or one.
        positive: the class that is looked for, ``fresh`` say.
        developed: out-of-fold class predictions of the cohort on which the same models were developed; the
            recalibration of an external cohort is fitted on them.  None fits it on the other folds.

    Returns:
        One row per (model, repeat, patient) with :data:`PATIENT_RISK_COLUMNS`: ``positive`` is whether the patient has
        such a crop, ``risk`` as it stands, ``recalibrated`` and ``on`` what it was fitted on; NaN and empty where there
        is nothing to fit on: a single fold without ``developed``, or fitting patients who are all alike.

    Raises:
        MetricError: if a table cannot be scored, there is no such class, or ``developed`` lacks a model.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"radiograph_id": ["a", "b"], "patient_id": "p", "model": "cnn", "repeat": 0,
        ...     "fold": 0, "target": ["old", "fresh"], "probability_old": [0.5, 0.6], "probability_fresh": [0.5, 0.4]})
        >>> patient_risks(table, positive="fresh")[["crops", "positive", "risk"]].values.tolist()
        [[2, True, 0.7]]
    """
    import pandas as pd

    patients = _combined(predictions, positive)
    source = None if developed is None else _combined(developed, positive)
    if source is not None and (absent := sorted(set(patients["model"]) - set(source["model"]))):
        raise MetricError(
            f"The table of development has the models that are recalibrated, but {absent[0]} is not among "
            f"{', '.join(sorted(set(source['model'])))}; give its out-of-fold predictions too."
        )
    groups = patients.groupby(["model", "repeat", "fold"], sort=False)
    scored = [
        _recalibrated(
            rows, others=_fitting_patients(rows, patients=patients, source=source), developed=source is not None
        )
        for _, rows in groups
    ]
    return pd.concat(scored).sort_index()[list(PATIENT_RISK_COLUMNS)]


def _combined(predictions: pd.DataFrame, positive: str) -> pd.DataFrame:
    names = named_classes(predictions, None)
    if positive not in names:
        raise MetricError(
            f"The class that is looked for is one of {', '.join(names)}, but {positive!r} was given; name one of them."
        )
    table = validate_class_predictions(predictions)
    (column,) = probability_columns((positive,))
    with np.errstate(divide="ignore"):
        spared = np.log1p(-np.clip(table[column].to_numpy(dtype=np.float64), 0.0, 1.0))
    table = table.assign(spared=spared, positive=table["target"] == positive)
    key = ["model", "repeat", "fold", "patient_id"]
    found = table.groupby(key, sort=False, as_index=False).agg(
        crops=("radiograph_id", "size"), positive=("positive", "any"), spared=("spared", "sum")
    )
    return found.assign(risk=-np.expm1(found["spared"])).drop(columns="spared")


def _fitting_patients(rows: pd.DataFrame, *, patients: pd.DataFrame, source: pd.DataFrame | None) -> pd.DataFrame:
    """Return the patients on whom the risks of one model in one fold are recalibrated."""
    if source is not None:
        return source[source["model"].isin(rows["model"])]
    same = patients["model"].isin(rows["model"]) & patients["repeat"].isin(rows["repeat"])
    return patients[same & ~patients["fold"].isin(rows["fold"])]


def _recalibrated(rows: pd.DataFrame, *, others: pd.DataFrame, developed: bool) -> pd.DataFrame:
    if others["positive"].nunique() < 2:
        return rows.assign(recalibrated=np.nan, on="")
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression().fit(_logit(others["risk"]), others["positive"])
    return rows.assign(
        recalibrated=fitted.predict_proba(_logit(rows["risk"]))[:, 1], on=DEVELOPMENT if developed else OTHER_FOLDS
    )


def _logit(risk: pd.Series[float]) -> NDArray[np.float64]:
    """Return the logit of risks, (N, 1)."""
    kept = np.clip(risk.to_numpy(dtype=np.float64), _EDGE, 1.0 - _EDGE)
    return np.log(kept / (1.0 - kept))[:, None]
