"""How often the models' intervals hold the measured density."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from xattn_bmd.report.figures.forest import Row, forest, heading
from xattn_bmd.report.figures.style import (
    MODELS_AT_MOST,
    STYLES,
    left_out,
    look,
    sentence,
    shorten,
    with_title,
)
from xattn_bmd.report.words import RADIOGRAPHS, Words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EVERYONE = "all"
_METHODS = {"cross_fold": "cross-fold", "cv_plus": "CV+", "gaussian": "Gaussian"}


@look()
def coverage(conformal: pd.DataFrame, *, group: str = EVERYONE, words: Words = RADIOGRAPHS) -> Figure:
    """Draw the coverage of each model's prediction intervals with its 95 % interval, beside the nominal level.

    One row per model, method and level; the mean width of the prediction intervals stands at the right.

    Args:
        conformal: the table of prediction intervals.
        group: ``all``, or one of its subgroups such as ``sex=female``.
        words: of the report.
    """
    chosen = conformal[conformal["group"] == group].dropna(subset=["coverage"])
    if chosen.empty:
        return sentence("No prediction intervals are known for this group.")
    models = list(dict.fromkeys(chosen["model"]))
    levels = sorted(float(level) for level in set(chosen["level"]))
    rows = [row for model in models[:MODELS_AT_MOST] for row in _rows(chosen[chosen["model"] == model], levels, words)]
    figure = forest(rows, xlabel="measured densities inside the interval (%)")
    _nominal_levels(figure.axes[0], levels, words)
    note = left_out(models)
    title = words.counted(int(chosen["n"].max()), int(chosen["patients"].max()))
    with_title(figure, f"{title}; {note}" if note else title)
    return figure


def _rows(model: pd.DataFrame, levels: Sequence[float], words: Words) -> Iterator[Row]:
    yield heading(shorten(str(model["model"].iloc[0])))
    for _, rows in model.groupby("method", sort=False):
        for one in rows.sort_values("level").to_dict("records"):
            yield _row(one, levels, words)


def _row(one: dict[Hashable, Any], levels: Sequence[float], words: Words) -> Row:
    style = STYLES[levels.index(float(one["level"])) % len(STYLES)]
    method = _METHODS.get(one["method"], str(one["method"]))
    label = f"{method}, {100 * one['level']:g} %"
    value, low, high = (100.0 * float(one[name]) for name in ("coverage", "low", "high"))
    text = f"{value:.1f} %, {words.scale.text(one['width'])}".replace("inf", "no end")
    return Row(label, value, low, high, text, color=style.color, marker=style.marker)


def _nominal_levels(axes: Axes, levels: Sequence[float], words: Words) -> None:
    for place, level in enumerate(levels):
        style = STYLES[place % len(STYLES)]
        axes.axvline(100.0 * level, color=style.color, linewidth=1.0, linestyle=style.line, zorder=0.5)
        axes.annotate(
            f"{100 * level:g}",
            (100.0 * level, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            color=style.color,
        )
    axes.annotate(
        f"coverage, mean\nwidth ({words.scale.unit})",
        (1.02, 1.0),
        xycoords="axes fraction",
        xytext=(0, 3),
        textcoords="offset points",
        va="bottom",
    )
