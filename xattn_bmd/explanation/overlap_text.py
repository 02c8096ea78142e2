"""Heat in each region beside chance and controls as plain text for a console or a log."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xattn_bmd.report.explanations import SIMULATED

if TYPE_CHECKING:
    import pandas as pd

SHOWN = ("share_over_chance", "positive_share_over_chance", "pointing")
NO_MASKS = "heat maps made; no masks were given, so no region was judged"
_LAYOUT = "{:<12} {:<28} {:<16} {:>22} {:>7}"


def overlap_text(overlap: pd.DataFrame, *, simulated: bool) -> str:
    """Return the main scores, one line each, under 100 columns wide.

    Args:
        overlap: ``overlap.csv`` of an explanation.
        simulated: whether radiographs are simulated.

    Example:
        >>> import pandas as pd
        >>> overlap_text(pd.DataFrame(), simulated=False)
        'heat maps made; no masks were given, so no region was judged'
    """
    lines = [SIMULATED] if simulated else []
    if overlap.empty:
        return "\n".join([*lines, NO_MASKS])
    first = overlap.iloc[0]
    lines.append(f"{first['method']}: n = {first['n']} radiographs of {first['patients']} patients; 95 % intervals")
    lines.append(_LAYOUT.format("region", "measure", "heat of", "value", "chance"))
    for row in overlap[overlap["measure"].isin(SHOWN)].to_dict("records"):
        words = (str(row["region"])[:12], str(row["measure"]), str(row["heat_of"]))
        lines.append(_LAYOUT.format(*words, _value(row), f"{row['chance']:.2f}"))
    reasons = dict.fromkeys(str(text) for text in overlap["reason"] if isinstance(text, str) and text)
    return "\n".join([*lines, *reasons])


def _value(row: dict[Any, Any]) -> str:
    value, low, high = (float(row[name]) for name in ("value", "low", "high"))
    if math.isnan(value):
        return "undefined"
    return f"{value:.2f}" if math.isnan(low) else f"{value:.2f} [{low:.2f}, {high:.2f}]"
