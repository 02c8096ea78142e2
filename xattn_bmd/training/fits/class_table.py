"""What a model says of classes, as columns: the likeliest class, and the probability of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xattn_bmd.bone.density_classes import class_names
from xattn_bmd.bone.reference import Reference
from xattn_bmd.metrics.class_checks import probability_columns
from xattn_bmd.metrics.classification import who_codes
from xattn_bmd.types import PREDICTION_COLUMNS


def probability_table(probabilities: NDArray[np.float64], classes: Sequence[str]) -> pd.DataFrame:
    """Return ``probability_CLASS`` of each class.

    Args:
        probabilities: ``(N, K)``.
        classes: ``K`` names.
    """
    return pd.DataFrame(probabilities, columns=probability_columns(classes))


def with_likeliest(table: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return a table of probabilities with the class of the highest first, of several as high the first.

    Example:
        >>> names = ("old", "fresh")
        >>> with_likeliest(probability_table(np.array([[0.2, 0.8]]), names), names).to_dict("list")
        {'prediction': ['fresh'], 'probability_old': [0.2], 'probability_fresh': [0.8]}
    """
    likeliest = table[probability_columns(classes)].to_numpy().argmax(axis=1)
    table = table.copy()
    table.insert(0, "prediction", np.array(classes, dtype=object)[likeliest])
    return table


def class_table_columns(reference: Reference) -> list[str]:
    """Return the columns of ``class_predictions.csv``: those of a table of class predictions.

    Example:
        >>> from xattn_bmd.bone.reference import QCT_SPINE
        >>> class_table_columns(QCT_SPINE)[-3:]
        ['probability_normal', 'probability_low', 'probability_osteoporosis']
    """
    return [*PREDICTION_COLUMNS, *probability_columns(class_names(reference))]


def class_head_table(
    probabilities: NDArray[np.float64], measured: NDArray[np.float64], *, reference: Reference
) -> pd.DataFrame:
    """Return ``target``, the class of the measured density, the likeliest class and the probability of each.

    Args:
        probabilities: ``(N, 3)`` of a class head beside that of the density.
        measured: ``(N,)`` densities, in the unit of the reference.
        reference: whose cut-offs class the densities.

    Example:
        >>> from xattn_bmd.bone.reference import QCT_SPINE
        >>> found = class_head_table(np.array([[0.2, 0.7, 0.1]]), np.array([121.0]), reference=QCT_SPINE)
        >>> found[["target", "prediction"]].values.tolist()
        [['normal', 'low']]
    """
    names = class_names(reference)
    table = with_likeliest(probability_table(probabilities, names), names)
    return table.assign(target=np.array(names, dtype=object)[who_codes(measured, reference=reference)])
