"""Regression metrics of every model by the inputs that it saw: both, the picture alone, the record alone."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.intervals import REPLICATES
from xattn_bmd.metrics.prediction_files import read_table
from xattn_bmd.metrics.predictions import validate_predictions
from xattn_bmd.metrics.tables.layout import POOLED, frame
from xattn_bmd.metrics.tables.regression import METRICS_COLUMNS, metrics_table

if TYPE_CHECKING:
    import pandas as pd

BOTH, INPUTS = "image+record", ("image", "record")
"""What a model saw: everything, or one input with the other withheld."""

INPUTS_COLUMNS = ("inputs", *METRICS_COLUMNS)


def read_inputs(path: Path | str | io.StringIO) -> pd.DataFrame:
    """Return the table of a run's ``inputs.csv``: out-of-fold predictions with the picture or the record withheld.

    Args:
        path: the file, or its text in memory.

    Returns:
        The columns of a predictions table, and ``inputs``: what the model still saw, ``image`` or ``record``.

    Raises:
        MetricError: if the file cannot be read as CSV, the column ``inputs`` is missing or says something else, or the
            rows of one of the two are no valid predictions table.
    """
    import pandas as pd

    try:
        table = read_table(path)
        if "inputs" not in table.columns or not set(table["inputs"]) <= set(INPUTS):
            raise MetricError(
                "the column inputs says image or record in every row, but it is missing or says something else; "
                "restore the file, or leave it out."
            )
        return pd.concat([validate_predictions(part) for _, part in table.groupby("inputs")], ignore_index=True)
    except MetricError as cause:
        raise MetricError(f"inputs.csv: {cause}") from cause


def inputs_table(
    predictions: pd.DataFrame,
    inputs: pd.DataFrame,
    *,
    single: Mapping[str, str],
    seed: int = 0,
    replicates: int = REPLICATES,
) -> pd.DataFrame:
    """Return the pooled regression metrics by inputs, of models that predict without one of them and those beside them.

    Args:
        predictions: a predictions table, in which every model saw all that it reads.
        inputs: from :func:`read_inputs`.
        single: the one input that a model reads, by model; models that are not in the predictions are left out.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (inputs, model, metric) with :data:`INPUTS_COLUMNS`, from both inputs to the record alone; the
        models trained with inputs withheld before those of one input.

    Raises:
        MetricError: if a table cannot be scored.
    """
    import pandas as pd

    able = list(dict.fromkeys(inputs["model"]))
    parts = [(BOTH, predictions[predictions["model"].isin(able)])]
    for seen in INPUTS:
        alone = [model for model, read in single.items() if read == seen]
        withheld = inputs[inputs["inputs"] == seen].drop(columns="inputs")
        parts.append((seen, pd.concat([withheld, predictions[predictions["model"].isin(alone)]], ignore_index=True)))
    made = []
    for seen, part in parts:
        if len(part):
            scored = metrics_table(part, seed=seed, replicates=replicates)
            made.append(scored[scored["method"] == POOLED].assign(inputs=seen))
    joined = pd.concat(made, ignore_index=True) if made else frame([], INPUTS_COLUMNS)
    return joined[list(INPUTS_COLUMNS)]
