"""How well each model's mask head segments: Dice and intersection over union, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.intervals import REPLICATES
from xattn_bmd.metrics.tables.layout import INTERVAL_COLUMNS, frame
from xattn_bmd.metrics.tables.means import mean_rows

if TYPE_CHECKING:
    import pandas as pd

MASK_COLUMNS = ("radiograph_id", "patient_id", "site", "model", "repeat", "fold", "dice", "found_share", "mask_share")
"""Columns of ``masks.csv``, one row for each scored radiograph that has a mask.

``dice`` is that of the mask found at probability 0.5, on the square picture that the network sees; ``found_share`` and
``mask_share`` are the shares of that picture that lie inside, found and drawn.
"""

DICE_COLUMNS = ("model", "metric", *INTERVAL_COLUMNS, "n", "patients", "reason")


def dice_table(masks: pd.DataFrame, *, seed: int = 0, replicates: int = REPLICATES) -> pd.DataFrame:
    """Return the mean Dice and intersection over union of every model, with patient-bootstrap 95 % intervals.

    A radiograph that several repeats scored counts once, with its mean.

    Args:
        masks: :data:`MASK_COLUMNS`.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (model, metric) with :data:`DICE_COLUMNS`; metrics ``dice`` and ``iou``.

    Raises:
        MetricError: if a column is missing or a Dice is no share.

    Example:
        >>> import pandas as pd
        >>> rows = [(f"r{k}", f"p{k}", "a", "xattn", 0, 0, d, 0.1, 0.1) for k, d in enumerate((0.5, 1.0))]
        >>> dice_table(pd.DataFrame(rows, columns=MASK_COLUMNS), replicates=50)[["metric", "value"]].values.tolist()
        [['dice', 0.75], ['iou', 0.6666666666666666]]
    """
    _require_shares(masks)
    rows: list[dict[str, Any]] = []
    for model, part in masks.groupby("model", sort=False):
        part = part.assign(iou=part["dice"] / (2 - part["dice"]))
        each = part.groupby("radiograph_id").agg(
            patient=("patient_id", "first"), dice=("dice", "mean"), iou=("iou", "mean")
        )
        values = each[["dice", "iou"]].to_numpy(dtype=np.float64)
        found = mean_rows(values, patients=each["patient"].tolist(), seed=seed, replicates=replicates)
        rows += [{"model": model, "metric": name, **row} for name, row in zip(("dice", "iou"), found, strict=True)]
    return frame(rows, DICE_COLUMNS)


def _require_shares(masks: pd.DataFrame) -> None:
    lacking = [name for name in MASK_COLUMNS if name not in masks.columns]
    if lacking:
        raise MetricError(
            f"A table of masks has the columns {', '.join(MASK_COLUMNS)}, but {', '.join(lacking)} is missing; give "
            "the masks.csv of a run."
        )
    wrong = masks[~masks["dice"].between(0, 1)]
    if len(wrong):
        raise MetricError(
            f"A Dice coefficient lies between 0 and 1, but {wrong['dice'].iloc[0]} is that of "
            f"{wrong['radiograph_id'].iloc[0]!r}; restore the table."
        )
