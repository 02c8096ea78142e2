"""Memory maps on their way to another process of the same machine: the name of the file, not its content."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class MappedFile:
    """A ``.npy`` file that is a memory map as a whole.

    Attributes:
        path: the file.
    """

    path: Path


def travelling(value: Any) -> Any:  # noqa: ANN401
    """Return what of a value is sent: the file of a whole memory map, anything else as it is.

    Args:
        value: an array or any other value.
    """
    if not isinstance(value, np.memmap) or value.filename is None:
        return value
    path = Path(value.filename)
    whole = value.offset + value.nbytes == path.stat().st_size
    return MappedFile(path) if whole else value


def arrived(value: Any) -> Any:  # noqa: ANN401
    """Return the value that :func:`travelling` sent.

    Example:
        >>> arrived(travelling("no map"))
        'no map'
    """
    return np.load(value.path, mmap_mode="r") if isinstance(value, MappedFile) else value
