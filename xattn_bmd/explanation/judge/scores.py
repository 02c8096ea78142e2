"""Every score of every radiograph's heat as a table with one row per radiograph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.explanation.judge.masks import FIELD
from xattn_bmd.explanation.judge.overlap import top_overlap
from xattn_bmd.explanation.judge.pointing import pointing
from xattn_bmd.explanation.judge.share import region_share

if TYPE_CHECKING:
    import pandas as pd

SCORES = ("share", "positive_share", "pointing", "iou", "dice")
"""Scores of a region; each has a column ``REGION_SCORE`` and one ``REGION_SCORE_chance``."""


def region_scores(heat: NDArray[np.float32], masks: Mapping[str, NDArray[np.float32]]) -> pd.DataFrame:
    """Return the scores of heat maps in every region.

    Args:
        heat: ``(N, S, S)``.
        masks: ``(N, S, S)`` by region, with ``field``; see :func:`~xattn_bmd.explanation.judge.masks.seen_masks`.

    Returns:
        ``N`` rows; for each region and each of :data:`SCORES` a column ``REGION_SCORE`` and ``REGION_SCORE_chance``.

    Example:
        >>> ones = np.ones((1, 8, 8), np.float32)
        >>> table = region_scores(ones, {"femur": ones / 2, "field": ones})
        >>> float(table["femur_share"][0]), float(table["femur_share_chance"][0])
        (0.5, 0.5)
    """
    import pandas as pd

    field = masks[FIELD]
    columns: dict[str, NDArray[np.float64]] = {}
    for name, region in masks.items():
        if name == FIELD:
            continue
        plain, positive = region_share(heat, region, field), region_share(heat, region, field, sign="positive")
        overlap = top_overlap(heat, region, field)
        binary = region_share(heat, (region >= 0.5).astype(np.float32), field).chance
        values = (plain.share, positive.share, pointing(heat, region, field), overlap.iou, overlap.dice)
        chances = (plain.chance, plain.chance, binary, overlap.iou_chance, overlap.dice_chance)
        for score, value, chance in zip(SCORES, values, chances, strict=True):
            columns |= {f"{name}_{score}": value, f"{name}_{score}_chance": chance}
    return pd.DataFrame(columns)
