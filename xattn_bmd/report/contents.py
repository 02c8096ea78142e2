"""What a report consists of before it is drawn and written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xattn_bmd.report.page import Section
from xattn_bmd.report.words import Words

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False)
class Contents:
    """What a report consists of.

    Attributes:
        path: the run folder, or the table, that it is made from.
        title: heading of the page.
        subtitle: one line below it.
        sections: the sections, in order.
        tables: the tables stored beside the page, by name.
        words: what images are called, and how densities are written.
        simulated: whether the images are made up; None where the source does not say.
        optimistic: whether each checkpoint was chosen on the fold that is scored.
        image_encoder: what the image encoder had learnt from before, in words.
    """

    path: Path
    title: str
    subtitle: str
    sections: tuple[Section, ...]
    tables: Mapping[str, pd.DataFrame]
    words: Words
    simulated: bool | None
    optimistic: bool
    image_encoder: str
