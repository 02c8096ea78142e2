"""What is known about each simulated spine: masks, the noise-free areal map, and every vertebra shown whole."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.spine.person import LEVELS
from xattn_bmd.simulate.truth import AREAL_STEP

if TYPE_CHECKING:
    from xattn_bmd.simulate.spine.radiograph import SpinePicture


@dataclass(frozen=True, kw_only=True)
class SpineTruth:
    """The truth of one radiograph, as displayed; ``M`` vertebral bodies are shown whole, from above.

    Attributes:
        vertebrae: ``(H, W)`` bool, all of these bodies together.
        levels: ``(H, W)`` uint8, 0 or the level: 1 for T10 to 8 for L5; the upper body where two overlap.
        areal: ``(H/2, W/2)`` float32, noise-free areal density of all bone, g/cm².
        shown: names of the levels shown whole.
        boxes: ``(M, 4)`` ``x0, y0, x1, y1`` of their silhouettes, pixels.
        points: ``(M, 6, 2)`` x and y of the six points of morphometry, pixels: superior posterior, middle, anterior,
            then inferior anterior, middle, posterior.
        heights: ``(M, 3)`` anterior, middle and posterior height, mm.
        losses: ``(M,)`` largest loss of height against the undeformed body, a share.
        facts: the scalars of the truth table.
    """

    vertebrae: NDArray[np.bool_]
    levels: NDArray[np.uint8]
    areal: NDArray[np.float32]
    shown: tuple[str, ...]
    boxes: NDArray[np.int64]
    points: NDArray[np.float64]
    heights: NDArray[np.float64]
    losses: NDArray[np.float64]
    facts: dict[str, float]


def truth_bytes(picture: SpinePicture) -> bytes:
    """Return the compressed truth of one radiograph; the same bytes for the same input."""
    height, width = picture.areal.shape
    levels = np.zeros((height, width), dtype=np.uint8)
    for vertebra in reversed(picture.vertebrae):
        window = vertebra.window
        rows, columns = window.mask.shape
        part = levels[window.top : window.top + rows, window.left : window.left + columns]
        part[window.mask] = LEVELS.index(vertebra.body.level) + 1
    blocks = picture.areal.reshape(height // AREAL_STEP, AREAL_STEP, width // AREAL_STEP, AREAL_STEP)
    shown = picture.vertebrae
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        shape=np.array([height, width], dtype=np.int32),
        areal_step=np.int32(AREAL_STEP),
        areal=blocks.mean(axis=(1, 3)).astype(np.float16),
        vertebrae=np.packbits(levels > 0),
        levels=levels,
        shown=np.array([vertebra.body.level for vertebra in shown], dtype="<U3"),
        boxes=np.array([vertebra.window.box for vertebra in shown], dtype=np.int32).reshape(-1, 4),
        points=np.array([vertebra.points for vertebra in shown]).reshape(-1, 6, 2),
        heights=np.array([vertebra.heights for vertebra in shown]).reshape(-1, 3),
        losses=np.array([vertebra.body.loss for vertebra in shown], dtype=np.float64),
        fact_names=np.array([name for name, _ in picture.facts]),
        fact_values=np.array([value for _, value in picture.facts]),
    )
    return stream.getvalue()


def load_spine_truth(path: str | Path) -> SpineTruth:
    """Read the truth of one radiograph.

    Args:
        path: ``truth/<radiograph_id>.npz`` of a simulated cohort of spines.

    Raises:
        SimulationError: where the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return SpineTruth(
                vertebrae=stored["levels"] > 0,
                levels=stored["levels"],
                areal=stored["areal"].astype(np.float32),
                shown=tuple(stored["shown"].tolist()),
                boxes=stored["boxes"].astype(np.int64),
                points=stored["points"],
                heights=stored["heights"],
                losses=stored["losses"],
                facts=dict(zip(stored["fact_names"].tolist(), stored["fact_values"].tolist(), strict=True)),
            )
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as cause:
        raise SimulationError(
            f"A truth file must be an intact .npz of simulated spines, but {Path(path).name} is not readable; "
            "delete it and run the simulation again."
        ) from cause
