"""What is known about each simulated chest: the noise-free areal map of the clavicles, their mask, and the numbers."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.truth import AREAL_STEP

if TYPE_CHECKING:
    from xattn_bmd.simulate.chest.radiograph import ChestPicture


@dataclass(frozen=True, kw_only=True)
class ChestTruth:
    """The truth of one radiograph, as displayed; the mask lies beside it, in ``masks/clavicle``.

    Attributes:
        areal: ``(H/2, W/2)`` float32, noise-free areal density of both clavicles, g/cm².
        facts: the scalars of the truth table.
    """

    areal: NDArray[np.float32]
    facts: dict[str, float]


def truth_bytes(picture: ChestPicture) -> bytes:
    """Return the compressed truth of one radiograph; the same bytes for the same input."""
    height, width = picture.areal.shape
    blocks = picture.areal.reshape(height // AREAL_STEP, AREAL_STEP, width // AREAL_STEP, AREAL_STEP)
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        clavicle_areal=blocks.mean(axis=(1, 3)).astype(np.float16),
        fact_names=np.array([name for name, _ in picture.facts]),
        fact_values=np.array([value for _, value in picture.facts]),
    )
    return stream.getvalue()


def mask_bytes(picture: ChestPicture) -> bytes:
    """Return the mask of both clavicles as a PNG, 0 and 255; the same bytes for the same input."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(picture.clavicle.astype(np.uint8) * np.uint8(255)).save(stream, format="PNG")
    return stream.getvalue()


def load_chest_truth(path: str | Path) -> ChestTruth:
    """Read the truth of one radiograph.

    Args:
        path: ``truth/<radiograph_id>.npz`` of a simulated cohort of chests.

    Raises:
        SimulationError: where the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            facts = dict(zip(stored["fact_names"].tolist(), stored["fact_values"].tolist(), strict=True))
            return ChestTruth(areal=stored["clavicle_areal"].astype(np.float32), facts=facts)
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as cause:
        raise SimulationError(
            f"A truth file must be an intact .npz of simulated chests, but {Path(path).name} is not readable; "
            "delete it and run the simulation again."
        ) from cause
