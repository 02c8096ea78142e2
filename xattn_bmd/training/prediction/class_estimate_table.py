"""What a predictor says of each radiograph, from the probabilities of classes that its folds estimate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xattn_bmd.data.withheld import Known
from xattn_bmd.metrics.class_checks import probability_columns
from xattn_bmd.training.fits.class_table import probability_table, with_likeliest


def class_estimate_columns(classes: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of a predictor's table of classes, in order.

    Example:
        >>> class_estimate_columns(("old", "fresh"))[:4]
        ('radiograph_id', 'prediction', 'probability_old', 'probability_fresh')
    """
    return ("radiograph_id", "prediction", *probability_columns(classes), "fold_agreement", "simulated", "inputs")


def class_estimate_table(
    radiograph_ids: Sequence[str], each: NDArray[np.float64], *, classes: Sequence[str], inputs: Sequence[Known]
) -> pd.DataFrame:
    """Return one row per radiograph; each depends on its own estimates alone.

    Args:
        radiograph_ids: ``N`` ids.
        each: (K, N, C) probabilities by each fold's model.
        classes: ``C`` names.
        inputs: ``N`` times, what the model saw.

    Returns:
        The columns of :func:`class_estimate_columns` but ``simulated``: the class of the highest mean probability, the
        mean probabilities, and ``fold_agreement``, the share of the fold models whose own likeliest class it is.
    """
    table = with_likeliest(probability_table(each.mean(axis=0), classes), classes)
    own = np.array(classes, dtype=object)[each.argmax(axis=2)]
    agreement = (own == table["prediction"].to_numpy()).mean(axis=0)
    return table.assign(radiograph_id=list(radiograph_ids), fold_agreement=agreement, inputs=list(inputs))
