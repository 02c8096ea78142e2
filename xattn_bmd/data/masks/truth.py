"""Regions inside the ``ID.npz`` files that a simulation writes beside its radiographs."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import SimulationError

_DAMAGED = (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile)


def truth_regions(path: Path) -> tuple[str, ...]:
    """Return the names of the masks in a truth file, in its order; none where it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            packed = (int(np.prod(stored["shape"])) + 7) // 8
            return tuple(name for name in stored.files if _is_packed(stored[name], packed))
    except _DAMAGED:
        return ()


def read_truth(path: Path, regions: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """Return masks ``(H, W)`` bool of a simulated radiograph as its file shows it, by region.

    Args:
        path: ``truth/ID.npz``.
        regions: names of the regions.

    Raises:
        SimulationError: if the file is missing or damaged, or has no such region.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            height, width = (int(side) for side in stored["shape"])
            return {
                name: np.unpackbits(stored[name], count=height * width).reshape(height, width).astype(np.bool_)
                for name in regions
            }
    except _DAMAGED as cause:
        raise SimulationError(
            f"A truth file must be an intact .npz of a simulated cohort, but {path.name} is not readable; "
            "delete it and run the simulation again."
        ) from cause


def _is_packed(array: NDArray[np.generic], size: int) -> bool:
    return array.dtype == np.uint8 and array.shape == (size,)
