"""The stored tables of the simulation: bone shapes, attenuation coefficients, the model of the clinical record.

``NOTICE`` in this folder states the origin and licence of each.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import zipfile
from importlib import resources
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import SimulationError

ArrayAsset = Literal["femur.npz", "populations.npz", "pelvis.npz", "attenuation.npz", "spine.npz"]
ASSETS = ("attenuation.npz", "femur.npz", "pelvis.npz", "subjects.json")
"""The files of the bench's fingerprint; ``populations.npz`` is computed from ``femur.npz`` alone."""


def read_asset(name: str) -> bytes:
    """Return the bytes of one stored file.

    Raises:
        SimulationError: where the file is missing from the installation.
    """
    try:
        return resources.files(__name__).joinpath(name).read_bytes()
    except (FileNotFoundError, IsADirectoryError) as cause:
        raise SimulationError(
            f"The simulation needs its stored file {name}, but the installation lacks it; reinstall xattn-bmd."
        ) from cause


@functools.cache
def load_arrays(name: ArrayAsset) -> dict[str, NDArray[Any]]:
    """Return every array of a stored ``.npz`` file.

    Raises:
        SimulationError: where the file is missing or damaged.
    """
    try:
        with np.load(io.BytesIO(read_asset(name)), allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as cause:
        raise SimulationError(
            f"The simulation needs an intact {name}, but the installed file is damaged; reinstall xattn-bmd."
        ) from cause


@functools.cache
def load_json(name: Literal["subjects.json"]) -> dict[str, Any]:
    """Return the content of a stored JSON file.

    Raises:
        SimulationError: where the file is missing or damaged.
    """
    try:
        content: dict[str, Any] = json.loads(read_asset(name))
    except ValueError as cause:
        raise SimulationError(
            f"The simulation needs an intact {name}, but the installed file is damaged; reinstall xattn-bmd."
        ) from cause
    return content


@functools.cache
def asset_fingerprint() -> str:
    """Return a short hash over all stored files, kept with every simulated cohort."""
    digest = hashlib.sha256()
    for name in ASSETS:
        digest.update(read_asset(name))
    return digest.hexdigest()[:16]
