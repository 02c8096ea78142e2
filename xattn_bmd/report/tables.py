"""The comparison of models as plain text for a console, a log or a file."""

from __future__ import annotations

import io
import math
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from xattn_bmd.bone.reference import get_reference
from xattn_bmd.bone.scale import AREAL, DensityScale, scale_of
from xattn_bmd.bone.tscore import NORMAL_EDGE
from xattn_bmd.metrics.paired.bootstrap import PAIRED_BOOTSTRAP
from xattn_bmd.metrics.tables.layout import POOLED
from xattn_bmd.metrics.tables.screening import without_averages

if TYPE_CHECKING:
    import pandas as pd

WIDTH = 118
SIMULATED = "SIMULATED {}: these numbers say nothing about patients."
OPTIMISTIC = "OPTIMISTIC: protocol 'paper' chose each checkpoint on the fold that is scored here."
UNDEFINED = "-"


def comparison_table(
    metrics: pd.DataFrame, screening: pd.DataFrame, comparisons: pd.DataFrame, *, optimistic: bool, simulated: bool
) -> str:
    """Return the comparison as text, one line per model, at most :data:`WIDTH` columns wide.

    Print it as it is; it holds no colours or control characters.

    Args:
        metrics: from :func:`xattn_bmd.metrics.tables.regression.metrics_table`.
        screening: from :func:`xattn_bmd.metrics.tables.screening.screening_table`.
        comparisons: from :func:`xattn_bmd.metrics.tables.comparisons.comparisons_table`; may be empty.
        optimistic: whether the run used the protocol ``paper``.
        simulated: whether the radiographs are simulated.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    against = "" if comparisons.empty else str(comparisons["model_b"].iloc[0])
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("model", overflow="ellipsis", no_wrap=True, max_width=18)
    for heading in _headings(against):
        table.add_column(heading, justify="right", no_wrap=True)
    for model in dict.fromkeys(metrics["model"]):
        table.add_row(model, *_cells(model, metrics, screening, comparisons, against=against))
    stream = io.StringIO()
    console = Console(file=stream, width=WIDTH, force_terminal=False, color_system=None, markup=False, highlight=False)
    for line in _warnings(_scale(screening), optimistic=optimistic, simulated=simulated):
        console.print(line)
    console.print(_caption(metrics, "radiographs" if _scale(screening) is AREAL else "images"))
    console.print(table)
    console.print(_footnote(screening, against=against))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def _headings(against: str) -> tuple[str, ...]:
    shared = ("R² [95 %]", "MAE", "RMSE", "r", "AUROC", "sens", "spec")
    return (*shared, f"MSE vs {against} [95 %]") if against else shared


def _cells(
    model: str, metrics: pd.DataFrame, screening: pd.DataFrame, comparisons: pd.DataFrame, *, against: str
) -> list[str]:
    pooled = _by_metric(metrics[(metrics["model"] == model) & (metrics["method"] == POOLED)])
    at_edge = (screening["model"] == model) & (screening["threshold"] == NORMAL_EDGE)
    screened = _by_metric(without_averages(screening[at_edge]))
    cells = [_with_interval(*(pooled["r2"][name] for name in ("value", "low", "high")), number="{:.3f}")]
    cells += [_number(pooled[name]["value"], _scale(screening).decimals) for name in ("mae", "rmse")]
    cells.append(_number(pooled["pearson_r"]["value"]))
    cells += [_number(screened[name]["value"]) for name in ("auroc", "sensitivity", "specificity")]
    return [*cells, _change(model, comparisons, against=against)] if against else cells


def _change(model: str, comparisons: pd.DataFrame, *, against: str) -> str:
    if model == against:
        return "reference"
    compared = comparisons[(comparisons["model_a"] == model) & (comparisons["test"] == PAIRED_BOOTSTRAP)]
    if compared.empty:
        return UNDEFINED
    row = _by_metric(compared)["mse"]
    change = [100.0 * row[name] for name in ("relative", "relative_low", "relative_high")]
    return _with_interval(*change, number="{:+.1f}", unit=" %")


def _by_metric(rows: pd.DataFrame) -> dict[str, dict[Hashable, Any]]:
    return {str(row["metric"]): row for row in rows.to_dict("records")}


def _with_interval(value: float, low: float, high: float, *, number: str, unit: str = "") -> str:
    if math.isnan(value):
        return UNDEFINED
    text = number.format(value) + unit
    return text if math.isnan(low) else f"{text} [{number.format(low)}, {number.format(high)}]"


def _number(value: float, places: int = 3) -> str:
    return UNDEFINED if math.isnan(value) else f"{value:.{places}f}"


def _scale(screening: pd.DataFrame) -> DensityScale:
    return scale_of(get_reference(str(screening["reference"].iloc[0])))


def _warnings(scale: DensityScale, *, optimistic: bool, simulated: bool) -> list[str]:
    return [*([simulated_text(scale)] if simulated else []), *([OPTIMISTIC] if optimistic else [])]


def simulated_text(scale: DensityScale) -> str:
    """Return the warning of simulated images: hips, unless their densities are of QCT."""
    return SIMULATED.format("hips" if scale is AREAL else "images")


def _caption(metrics: pd.DataFrame, images: str) -> str:
    first = metrics.iloc[0]
    return f"{first['n']} {images} of {first['patients']} patients, pooled out-of-fold; 95 % patient bootstrap"


def _footnote(screening: pd.DataFrame, *, against: str) -> str:
    row = screening[screening["threshold"] == NORMAL_EDGE].iloc[0]
    lines = [
        f"MAE, RMSE in {_scale(screening).unit}.  AUROC, sens, spec: {row['positive']}",
        f"reference {row['reference']}",
    ]
    if against:
        lines.append(f"MSE vs {against}: (model - {against}) / {against}, paired on patients; below zero is better")
    return "\n".join(lines)
