"""A trained network in a folder of its own: its weights, and a record of what it is; nothing is unpickled."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from xattn_bmd.atomic import atomic_folder
from xattn_bmd.errors import XattnBmdError

WEIGHTS = "network.safetensors"


@dataclass(frozen=True)
class NetworkFolder:
    """How one kind of network is kept: ``network.safetensors`` and ``WHAT.json``.

    Attributes:
        what: the kind, as messages and the record's file name say it: ``localiser``.
        format: name and version of the format.
        error: what is raised where a folder cannot be written or read.

    Example:
        >>> import tempfile
        >>> import torch
        >>> kind, folder = NetworkFolder("localiser", "example-1", XattnBmdError), Path(tempfile.mkdtemp()) / "new"
        >>> kind.save(folder, {"labels": ["femur"]}, {"weight": torch.ones(2)})
        >>> values, state = kind.load(folder)
        >>> values["labels"], state["weight"].tolist()
        (['femur'], [1.0, 1.0])
    """

    what: str
    format: str
    error: type[XattnBmdError]

    @property
    def record(self) -> str:
        """Name of the file that says what the network is."""
        return f"{self.what}.json"

    def save(self, folder: Path, values: dict[str, Any], state: dict[str, Tensor]) -> None:
        """Write both files into a new folder, in one step.

        Args:
            folder: where to.
            values: plain JSON values.
            state: tensors of the network by name.

        Raises:
            XattnBmdError: if the folder exists or cannot be written.
        """
        if folder.exists():
            raise self.error(f"A {self.what} is saved into a new folder, but {folder} exists; choose another name.")
        text = json.dumps({"format": self.format, **values}, indent=1, allow_nan=False, ensure_ascii=False)
        with atomic_folder(folder, error=self.error) as partial:
            (partial / WEIGHTS).write_bytes(save({name: value.contiguous() for name, value in state.items()}))
            (partial / self.record).write_text(f"{text}\n", encoding="utf-8")

    def load(self, folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return what :meth:`save` wrote.

        Raises:
            XattnBmdError: if a file is missing, damaged, or of another format.
        """
        try:
            values: dict[str, Any] = json.loads((folder / self.record).read_text(encoding="utf-8"))
            found = values.get("format")
        except (OSError, ValueError, AttributeError) as cause:
            raise self.error(
                f"A {self.what}'s folder holds {self.record}, but {folder} has no whole one; give its folder."
            ) from cause
        if found != self.format:
            raise self.error(
                f"A {self.what} has the format {self.format!r}, but {folder} holds {found!r}; use the version that "
                "wrote it."
            )
        try:
            return values, load_file(folder / WEIGHTS)
        except (OSError, SafetensorError) as cause:
            raise self.error(
                f"A {self.what}'s folder holds {WEIGHTS}, but that of {folder} is missing or damaged; copy it again."
            ) from cause
