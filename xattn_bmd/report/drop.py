"""Internal beside external as plain text for a console or a log."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xattn_bmd.bone.scale import AREAL, DensityScale
from xattn_bmd.bone.tscore import NORMAL_EDGE
from xattn_bmd.report.tables import UNDEFINED, simulated_text

if TYPE_CHECKING:
    import pandas as pd

SHOWN = {
    "r2": "R²",
    "mae": "MAE",
    "rmse": "RMSE",
    "pearson_r": "r",
    "auroc": "AUROC",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
}
"""Metrics that the text shows; the table has all of them."""

_PLACES = 3
_LAYOUT = "{:<14} {:<12} {:>22} {:>22} {:>24}"


def drop_text(drop: pd.DataFrame, *, simulated: bool, scale: DensityScale = AREAL) -> str:
    """Return the main metrics of every model in both cohorts, one line each, under 100 columns wide.

    Args:
        drop: columns ``model, metric, threshold``, then ``internal``, ``external`` and ``change``, each with ``_low``
            and ``_high``, ``n_internal`` and ``n_external``.
        simulated: whether the radiographs of either cohort are simulated.
        scale: unit of the densities.

    Example:
        >>> import pandas as pd
        >>> ends = {f"{side}{end}": 0.1 for side in ("internal", "external", "change") for end in ("", "_low", "_high")}
        >>> row = {"model": "ridge", "metric": "mae", "threshold": None, "n_internal": 40, "n_external": 24} | ends
        >>> drop_text(pd.DataFrame([row]), simulated=False).splitlines()[-1].split(maxsplit=2)
        ['ridge', 'MAE', '0.100 [0.100, 0.100]   0.100 [0.100, 0.100]  +0.100 [+0.100, +0.100]']
    """
    head = drop.iloc[0]
    lines, images = [simulated_text(scale)] if simulated else [], "radiographs" if scale is AREAL else "images"
    lines.append(
        f"internal: {head['n_internal']} {images}, out-of-fold; external: {head['n_external']} {images}; 95 % intervals"
    )
    lines.append(
        f"MAE, RMSE in {scale.unit}; AUROC, sensitivity, specificity: {scale.low}; nothing was fitted on the external "
        "cohort"
    )
    lines.append(_LAYOUT.format("model", "metric", "internal", "external", "change").rstrip())
    screened = drop["threshold"].isna() | (drop["threshold"] == NORMAL_EDGE)
    for row in drop[screened & drop["metric"].isin(SHOWN)].to_dict("records"):
        places = scale.decimals if row["metric"] in ("mae", "rmse") else _PLACES
        cells = [_cell(row, part, "+" * (part == "change"), places) for part in ("internal", "external", "change")]
        lines.append(_LAYOUT.format(str(row["model"])[:14], SHOWN[str(row["metric"])], *cells).rstrip())
    return "\n".join(lines)


def _cell(row: dict[Any, Any], name: str, sign: str, places: int) -> str:
    value, low, high = (float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    if math.isnan(value):
        return UNDEFINED
    text = f"{value:{sign}.{places}f}"
    return text if math.isnan(low) else f"{text} [{low:{sign}.{places}f}, {high:{sign}.{places}f}]"
