"""How much of a model's estimates is owed to the picture and how much to the record.

Axes: ``N`` radiographs, ``W`` weightings of the patients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xattn_bmd.explanation.record.contributions import IMAGE, Contributions, Values
from xattn_bmd.metrics.intervals import patient_draws, percentile_interval, resampled_sums, split_draws

if TYPE_CHECKING:
    import pandas as pd

RECORD = "record"


def modality_shares(contributions: Contributions, *, seed: int = 0) -> pd.DataFrame:
    """Return what each input moves the estimates by, and its share, with patient-bootstrap 95 % intervals.

    - ``mean_size``: mean absolute contribution, g/cm².
    - ``share``: its part of the two mean sizes.
    - ``variance_share``: covariance of contribution and prediction over the variance of the prediction: the part of the
      differences between people that the input makes.  Negative where it works against the other.

    Args:
        contributions: of at least one radiograph.
        seed: of the bootstrap.

    Returns:
        One row for each input (``image``, ``record``) and measure: model, input, measure, value, low, high, n (of
        radiographs), patients; no interval for a single patient.

    Example:
        ``modality_shares(record_contributions("RUN", cohort))``
    """
    import pandas as pd

    patients, code = np.unique(contributions.patient_ids, return_inverse=True)
    draws = patient_draws(len(patients), seed=seed)
    sums = np.zeros((len(patients), 8))
    np.add.at(sums, code, _terms(contributions))
    rows = []
    for (part, measure), values in _measures(resampled_sums(draws.weights, sums)).items():
        found = split_draws(values, draws)
        low, high = percentile_interval(found.replicates)
        rows.append({"input": part, "measure": measure, "value": found.value, "low": low, "high": high})
    counted = {"n": len(code), "patients": len(patients)}
    return pd.DataFrame([{"model": contributions.model} | row | counted for row in rows])


def _terms(contributions: Contributions) -> Values:
    """Return what each radiograph adds to eight sums, ``(N, 8)``."""
    image, record = contributions.image, contributions.record.sum(axis=1)
    # the people compared with differ between folds, and their mean is no part of either input
    moved = image + record
    columns = [
        np.ones_like(image),
        np.abs(image),
        np.abs(record),
        image,
        record,
        moved**2,
        image * moved,
        record * moved,
    ]
    return np.stack(columns, axis=1)


def _measures(sums: Values) -> dict[tuple[str, str], Values]:
    count, size_image, size_record, image, record, squared, with_image, with_record = sums.T
    mean = (image + record) / count
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = squared / count - mean**2
        both = size_image + size_record
        return {
            (IMAGE, "mean_size"): size_image / count,
            (RECORD, "mean_size"): size_record / count,
            (IMAGE, "share"): size_image / both,
            (RECORD, "share"): size_record / both,
            (IMAGE, "variance_share"): (with_image / count - image / count * mean) / variance,
            (RECORD, "variance_share"): (with_record / count - record / count * mean) / variance,
        }
