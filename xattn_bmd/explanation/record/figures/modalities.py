"""The share of the estimates that is owed to the picture and to the record, a bar for each model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xattn_bmd.explanation.record.contributions import IMAGE
from xattn_bmd.explanation.record.modality_shares import RECORD
from xattn_bmd.report.figures.style import (
    BLUE,
    GREY,
    ORANGE,
    legend_below,
    look,
    new_figure,
    shorten,
    with_title,
)
from xattn_bmd.report.words import RADIOGRAPHS, Words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_ROW_INCHES = 0.42


@look()
def modality_bars(shares: pd.DataFrame, *, words: Words = RADIOGRAPHS) -> Figure:
    """Draw each model's share of picture and record (mean size of the contributions), with its 95 % interval.

    Args:
        shares: from :func:`~xattn_bmd.explanation.record.modality_shares.modality_shares`; the tables of several
            models may be put under one another.
        words: what an image is called.
    """
    chosen = shares[shares["measure"] == "share"]
    image, record = (chosen[chosen["input"] == name].reset_index(drop=True) for name in (IMAGE, RECORD))
    places = np.arange(len(image))
    figure = new_figure(1.5 + _ROW_INCHES * len(image))
    axes = figure.add_subplot()
    axes.barh(places, image["value"], height=0.6, color=BLUE, label="picture")
    axes.barh(places, record["value"], left=image["value"], height=0.6, color=ORANGE, hatch="////", label="record")
    ends = np.array([image["value"] - image["low"], image["high"] - image["value"]])
    axes.errorbar(image["value"], places, xerr=ends, fmt="none", ecolor=GREY, elinewidth=1.6, capsize=3.0)
    axes.set_yticks(places, [f"{shorten(name)}\n{100 * value:.0f} % picture" for name, value in _named(image)])
    axes.set_ylim(len(image) - 0.5, -0.5)
    axes.set_xlim(0.0, 1.0)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("share of what moves the estimate")
    first = image.iloc[0]
    with_title(figure, words.counted(int(first["n"]), int(first["patients"])))
    legend_below(figure, axes)
    return figure


def _named(image: pd.DataFrame) -> list[tuple[str, float]]:
    return [(str(name), float(value)) for name, value in zip(image["model"], image["value"], strict=True)]
