"""A segmenter's folder: ``network.safetensors`` and ``segmenter.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from xattn_bmd.atomic import atomic_folder
from xattn_bmd.errors import ModelError

NETWORK, RECORD, FORMAT = "network.safetensors", "segmenter.json", "xattn-bmd-segmenter-1"


def save_record(folder: Path, values: dict[str, Any], state: dict[str, Tensor]) -> None:
    """Write both files into a new folder, in one step.

    Raises:
        ModelError: if the folder exists or cannot be written.
    """
    if folder.exists():
        raise ModelError(f"A segmenter is saved into a new folder, but {folder} exists; choose another name.")
    text = json.dumps({"format": FORMAT, **values}, indent=1, allow_nan=False, ensure_ascii=False)
    with atomic_folder(folder, error=ModelError) as partial:
        (partial / NETWORK).write_bytes(save({name: value.contiguous() for name, value in state.items()}))
        (partial / RECORD).write_text(f"{text}\n", encoding="utf-8")


def load_record(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return what :func:`save_record` wrote.

    Raises:
        ModelError: if a file is missing, damaged, or of another format.
    """
    try:
        values: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        found = values.get("format")
    except (OSError, ValueError, AttributeError) as cause:
        raise ModelError(
            f"A segmenter's folder holds {RECORD}, but {folder} has no whole one; give its folder."
        ) from cause
    if found != FORMAT:
        raise ModelError(
            f"A segmenter has the format {FORMAT!r}, but {folder} holds {found!r}; use the version that wrote it."
        )
    try:
        return values, load_file(folder / NETWORK)
    except (OSError, SafetensorError) as cause:
        raise ModelError(
            f"A segmenter's folder holds {NETWORK}, but that of {folder} is missing or damaged; copy it again."
        ) from cause
