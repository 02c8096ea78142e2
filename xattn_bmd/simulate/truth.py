"""What is known about each simulated hip: masks, noise-free areal map, and the numbers it was made from."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import SimulationError

if TYPE_CHECKING:
    from xattn_bmd.simulate.hip import HipPicture

AREAL_STEP = 2
"""The areal map is stored at half the resolution of the picture: one value per 2 x 2 pixels."""


@dataclass(frozen=True, kw_only=True)
class Truth:
    """The truth of one radiograph, as displayed.

    Attributes:
        femur: ``(H, W)`` bool.
        neck: ``(H, W)`` bool, the box of the simulated DXA scan as it lies in the picture.
        pelvis: ``(H, W)`` bool, pelvis and sacrum.
        areal: ``(H/2, W/2)`` float32, noise-free areal density of the femur, g/cm².
        facts: the scalars of the truth table.
    """

    femur: NDArray[np.bool_]
    neck: NDArray[np.bool_]
    pelvis: NDArray[np.bool_]
    areal: NDArray[np.float32]
    facts: dict[str, float]


def truth_bytes(picture: HipPicture) -> bytes:
    """Return the compressed truth of one radiograph; the same bytes for the same input."""
    height, width = picture.areal.shape
    blocks = picture.areal.reshape(height // AREAL_STEP, AREAL_STEP, width // AREAL_STEP, AREAL_STEP)
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        shape=np.array([height, width], dtype=np.int32),
        areal_step=np.int32(AREAL_STEP),
        areal=blocks.mean(axis=(1, 3)).astype(np.float16),
        femur=np.packbits(picture.femur),
        neck=np.packbits(picture.neck),
        pelvis=np.packbits(picture.pelvis),
        fact_names=np.array([name for name, _ in picture.facts]),
        fact_values=np.array([value for _, value in picture.facts]),
    )
    return stream.getvalue()


def load_truth(path: str | Path) -> Truth:
    """Read the truth of one radiograph.

    Args:
        path: ``truth/<radiograph_id>.npz`` of a simulated cohort.

    Raises:
        SimulationError: where the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            height, width = (int(side) for side in stored["shape"])

            def mask(name: str) -> NDArray[np.bool_]:
                return np.unpackbits(stored[name], count=height * width).reshape(height, width).astype(bool)

            return Truth(
                femur=mask("femur"),
                neck=mask("neck"),
                pelvis=mask("pelvis"),
                areal=stored["areal"].astype(np.float32),
                facts=dict(zip(stored["fact_names"].tolist(), stored["fact_values"].tolist(), strict=True)),
            )
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as cause:
        raise SimulationError(
            f"A truth file must be an intact .npz of a simulated cohort, but {Path(path).name} is not readable; "
            "delete it and run the simulation again."
        ) from cause
