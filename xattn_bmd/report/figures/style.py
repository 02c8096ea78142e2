"""The common look of all figures: narrow enough for a phone, safe for the colour-blind, readable in grey print.

Everything is set inside :func:`look`, so neither a user's own matplotlib settings nor pyplot take any part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 4.5
"""Width of every figure in inches: shown 370 px wide, its letters are about as large as the text beside it."""
SMALL = 9.5
MODELS_AT_MOST = 6
RASTER_FROM = 2000
"""From this many points on they are stored as a picture inside the SVG, which would take megabytes otherwise."""

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#000000"
GREY, PALE = "#595959", "#D9D9D9"
"""Colours of Okabe and Ito (2008, Color Universal Design), without the yellow that vanishes on white, and two greys."""

_TITLE_LETTERS, _LETTERS_OF_TWO_COLUMNS = 52, 20

_LOOK: dict[str, object] = {
    "font.family": "DejaVu Sans",
    "font.size": 10.0,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "figure.titlesize": 10.5,
    "axes.labelsize": 10.0,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "lines.linewidth": 1.6,
    "hatch.linewidth": 0.5,
    "text.parse_math": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "xattn_bmd",
    "savefig.facecolor": "white",
}


class ModelStyle(NamedTuple):
    """How one model is drawn; no two share a line or a marker, so that grey print tells them apart."""

    color: str
    line: str | tuple[int, tuple[int, ...]]
    marker: str


STYLES = (
    ModelStyle(BLUE, "-", "o"),
    ModelStyle(VERMILLION, (0, (6, 2)), "s"),
    ModelStyle(GREEN, (0, (1, 1)), "^"),
    ModelStyle(PURPLE, (0, (6, 2, 1, 2)), "D"),
    ModelStyle(ORANGE, (0, (3, 1, 1, 1, 1, 1)), "v"),
    ModelStyle(BLACK, (0, (2, 3)), "X"),
)


@contextmanager
def look() -> Iterator[None]:
    """Hold the common look while a figure is made or drawn; also a decorator, ``@look()``."""
    from matplotlib import style

    with style.context(["default", _LOOK]):
        yield


def new_figure(height: float) -> Figure:
    """Return an empty figure, :data:`WIDTH` inches wide, that keeps its labels from overlapping."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout="constrained")


@look()
def sentence(text: str) -> Figure:
    """Return a figure that only says why there is nothing to draw."""
    figure = new_figure(1.0)
    figure.text(0.5, 0.5, wrapped(text, width=48), ha="center", va="center", color=GREY)
    return figure


def model_styles(models: Sequence[str]) -> Mapping[str, ModelStyle]:
    """Return the style of each of the first :data:`MODELS_AT_MOST` different models, by position."""
    shown = list(dict.fromkeys(models))[:MODELS_AT_MOST]
    return dict(zip(shown, STYLES, strict=False))


def left_out(models: Sequence[str]) -> str:
    """Return a note on the models that are too many to be drawn; empty where all are drawn."""
    number = len(dict.fromkeys(models))
    return f"{MODELS_AT_MOST} of {number} models shown" if number > MODELS_AT_MOST else ""


def with_title(figure: Figure, text: str) -> None:
    """Write a title at the left edge, above everything, in as many lines as it needs."""
    figure.suptitle(wrapped(text, width=_TITLE_LETTERS), x=0.01, ha="left")


def legend_below(figure: Figure, *parts: Axes) -> None:
    """Put one legend of all axes under them, where it hides no data."""
    named = [pair for axes in parts for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    if named:
        handles, labels = zip(*named, strict=True)
        columns = 1 if max(map(len, labels)) > _LETTERS_OF_TWO_COLUMNS else 2
        figure.legend(list(handles), list(labels), loc="outside lower center", ncols=columns)


def shorten(name: str, *, length: int = 18) -> str:
    """Return a name that fits beside an axis; both ends stay, as long names often differ in one of them only.

    Example:
        >>> shorten("a_model_with_a_very_long_name")
        'a_model_w…ong_name'
    """
    head = length // 2
    return name if len(name) <= length else f"{name[:head]}…{name[head + 1 - length :]}"


def wrapped(text: str, *, width: int) -> str:
    """Return text broken into lines of at most ``width`` letters."""
    import textwrap

    return "\n".join(textwrap.fill(line, width) for line in text.splitlines())


def padded(values: NDArray[np.float64], *, share: float = 0.05) -> tuple[float, float]:
    """Return axis limits around the finite values, never without width.

    Example:
        >>> padded(np.array([0.0, 1.0, np.nan]), share=0.1)
        (-0.1, 1.1)
    """
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    margin = share * (high - low) or 0.05
    return low - margin, high + margin
