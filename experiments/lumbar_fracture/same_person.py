"""Which radiographs of a folder may show one person: by the number in their name, and by looking alike.

Names such as ``sunhl-1th-09-Jan-2017-205-A-AP_1a2b3c4d`` hold a person's number (205) and exposures (A, B, ...).  Other
names hold none, and some of these pictures are the same films again, mirrored: so every picture is also compared with
every other one and with its mirror image.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from xattn_bmd import read_radiograph

ALIKE = 0.8
"""Correlation of two small pictures from which they count as one person's."""

_ROWS, _COLUMNS = 48, 24
_NUMBERED = re.compile(r"-\d+-[A-Za-z]+-\d{4}-(\d+)-")


def person_of(paths: Sequence[Path]) -> dict[str, str]:
    """Return a person for each file's name without suffix; radiographs that are linked, even in a chain, share one."""
    numbers = [_NUMBERED.search(path.stem) for path in paths]
    names = np.array([match[1] if match else f"#{row}" for row, match in enumerate(numbers)])
    linked = (names[:, None] == names[None]) | (likeness(paths) > ALIKE)
    _, groups = connected_components(csr_array(linked), directed=False)
    first = {int(group): path.stem for group, path in reversed(list(zip(groups, paths, strict=True)))}
    return {path.stem: first[int(group)] for group, path in zip(groups, paths, strict=True)}


def likeness(paths: Sequence[Path]) -> NDArray[np.float64]:
    """Return (N, N) correlations of small pictures, the larger of both as they are and one of them mirrored."""
    small = np.stack([_small(read_radiograph(path).pixels) for path in paths])
    flat, mirrored = (each.reshape(len(small), -1) for each in (small, small[:, :, ::-1]))
    return np.maximum(flat @ flat.T, flat @ mirrored.T) / flat.shape[1]


def _small(pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return means over a grid, standardised."""
    rows = np.linspace(0, pixels.shape[0], _ROWS + 1).astype(int)[:-1]
    columns = np.linspace(0, pixels.shape[1], _COLUMNS + 1).astype(int)[:-1]
    sums = np.add.reduceat(np.add.reduceat(pixels.astype(np.float64), rows, axis=0), columns, axis=1)
    areas = np.outer(np.diff([*rows, pixels.shape[0]]), np.diff([*columns, pixels.shape[1]]))
    means = sums / areas
    return np.asarray((means - means.mean()) / means.std())
