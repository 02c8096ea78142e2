"""One estimate on the scale of T-scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xattn_bmd.bone.tscore import NORMAL_EDGE, OSTEOPOROSIS_EDGE
from xattn_bmd.report.figures.style import BLUE, GREY, ORANGE, PALE, VERMILLION, look, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ENDS = (-5.0, 3.0)
_BANDS = (
    (_ENDS[0], OSTEOPOROSIS_EDGE, VERMILLION, "osteoporosis"),
    (OSTEOPOROSIS_EDGE, NORMAL_EDGE, ORANGE, "osteopenia"),
    (NORMAL_EDGE, _ENDS[1], PALE, "normal"),
)


@look()
def t_scale(*, t_score: float, low: float, high: float) -> Figure:
    """Draw an estimated T-score with its interval over the three WHO classes.

    Args:
        t_score: estimate.
        low: lower end of the interval; an end that is not finite is drawn to the edge.
        high: upper end.
    """
    figure = new_figure(1.35)
    axes = figure.add_subplot()
    for start, end, color, name in _BANDS:
        axes.axvspan(start, end, color=color, alpha=0.35, linewidth=0)
        axes.text(
            (start + end) / 2, 0.86, name, ha="center", va="center", color=GREY, transform=axes.get_xaxis_transform()
        )
    ends = np.clip(np.nan_to_num([low, high], posinf=_ENDS[1], neginf=_ENDS[0]), *_ENDS)
    axes.plot(ends, [0.0, 0.0], color=BLUE, linewidth=3.0, solid_capstyle="butt")
    axes.plot([float(np.clip(t_score, *_ENDS))], [0.0], color=BLUE, marker="o", markersize=8.0)
    axes.set_xlim(*_ENDS)
    axes.set_ylim(-1.0, 1.0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("T-score (SD of young adults)")
    return figure
