"""Comparison and external validation of class predictions as plain text for a console or a log."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from xattn_bmd.metrics.confusion import ALL, MACRO
from xattn_bmd.metrics.tables.class_heads import DIFFERENCE
from xattn_bmd.report.tables import OPTIMISTIC, UNDEFINED

if TYPE_CHECKING:
    import pandas as pd

SIMULATED = "SIMULATED radiographs: these numbers say nothing about patients."
SHOWN = {
    (MACRO, "auroc"): "macro AUROC",
    (ALL, "accuracy"): "accuracy",
    (MACRO, "sensitivity"): "macro sens",
    (MACRO, "f1"): "macro F1",
    (ALL, "kappa"): "kappa",
}
"""What the texts show; the tables have all classes and metrics."""

_NAME = 32


def class_comparison_text(
    metrics: pd.DataFrame, comparisons: pd.DataFrame, *, optimistic: bool, simulated: bool
) -> str:
    """Return the comparison as text, one line per model and one per difference.

    Args:
        metrics: from :func:`xattn_bmd.metrics.tables.class_metrics.class_metrics_table`.
        comparisons: from :func:`xattn_bmd.metrics.tables.class_comparisons.class_comparisons_table`; may be empty.
        optimistic: whether the run used the protocol ``paper``.
        simulated: whether the radiographs are simulated.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"radiograph_id": ["a", "b", "c"], "patient_id": ["p", "q", "r"], "model": "cnn",
        ...     "repeat": 0, "fold": 0, "target": ["old", "old", "fresh"], "probability_old": [0.9, 0.4, 0.3],
        ...     "probability_fresh": [0.1, 0.6, 0.7]})
        >>> from xattn_bmd.metrics.tables.class_metrics import class_metrics_table
        >>> found = class_metrics_table(table, replicates=100)
        >>> print(class_comparison_text(found, pd.DataFrame(), optimistic=False, simulated=False).splitlines()[0])
        3 radiographs of 3 patients, pooled out-of-fold; 95 % patient bootstrap
    """
    first = metrics.iloc[0]
    lines = _warnings(optimistic=optimistic, simulated=simulated)
    lines.append(
        f"{first['n']} radiographs of {first['patients']} patients, pooled out-of-fold; 95 % patient bootstrap"
    )
    lines.append(_line("model", list(SHOWN.values())))
    for model, rows in metrics.groupby("model", sort=False):
        found = {(str(row["class"]), str(row["metric"])): row for row in rows.to_dict("records")}
        lines.append(_line(str(model), [_cell(found[key]) for key in SHOWN]))
    for row in comparisons.to_dict("records"):
        what = SHOWN[str(row["class"]), str(row["metric"])]
        change, p = _cell(row, "difference", sign="+"), f"p = {row['p']:.3f}, Holm {row['p_holm']:.3f}"
        lines.append(f"{row['model_a']} - {row['model_b']}: {what} {change}, {p}")
    return "\n".join(lines) + "\n"


def class_heads_text(table: pd.DataFrame) -> str:
    """Return the classes by density and by class head as text, one line for each way and one for their difference.

    Args:
        table: from :func:`xattn_bmd.metrics.tables.class_heads.class_heads_table`.
    """
    lines = ["classes of the density, called by the predicted density or by the class head:"]
    lines.append(_line("model", list(SHOWN.values())))
    for (model, source), rows in table.groupby(["model", "classes_from"], sort=False):
        found = {(str(row["class"]), str(row["metric"])): row for row in rows.to_dict("records")}
        sign = "+" if source == DIFFERENCE else ""
        lines.append(_line(f"{model}: {source}", [_cell(found[key], sign=sign) for key in SHOWN]))
    return "\n".join(lines) + "\n"


def class_drop_text(drop: pd.DataFrame, *, simulated: bool) -> str:
    """Return the main metrics of every model in both cohorts, one line each.

    Args:
        drop: columns ``model, metric, class``, then ``internal``, ``external`` and ``change``, each with ``_low`` and
            ``_high``, ``n_internal`` and ``n_external``.
        simulated: whether the radiographs of either cohort are simulated.
    """
    head = drop.iloc[0]
    lines = _warnings(optimistic=False, simulated=simulated)
    lines.append(
        f"internal: {head['n_internal']} radiographs, out-of-fold; external: {head['n_external']} radiographs; "
        "95 % intervals; nothing was fitted on the external cohort"
    )
    lines.append(_line("model", ["metric", "internal", "external", "change"]))
    for row in drop.to_dict("records"):
        key = str(row["class"]), str(row["metric"])
        if key in SHOWN:
            cells = [SHOWN[key], _cell(row, "internal"), _cell(row, "external"), _cell(row, "change", sign="+")]
            lines.append(_line(str(row["model"]), cells))
    return "\n".join(lines)


def _warnings(*, optimistic: bool, simulated: bool) -> list[str]:
    return [*([SIMULATED] if simulated else []), *([OPTIMISTIC] if optimistic else [])]


def _line(name: str, cells: list[str]) -> str:
    return f"{name:<{_NAME}}" + "".join(f"{cell:>24}" for cell in cells)


def _cell(row: dict[Hashable, Any], name: str = "", *, sign: str = "") -> str:
    """Return a value with its interval: ``value, low, high``, or ``NAME, NAME_low, NAME_high``."""
    paired = name in ("", "difference")
    value = float(row[name or "value"])
    low, high = (float(row[end if paired else f"{name}_{end}"]) for end in ("low", "high"))
    if math.isnan(value):
        return UNDEFINED
    text = f"{value:{sign}.3f}"
    return text if math.isnan(low) else f"{text} [{low:{sign}.3f}, {high:{sign}.3f}]"
