"""Radiographs and records of one part of a fold, fetched a whole batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from xattn_bmd.data.variables import EncodedVariables
from xattn_bmd.types import Batch, Variables

_BLOCK = 32


@dataclass(frozen=True)
class Pictures:
    """The pictures of a cohort, row by row.

    Attributes:
        pixels: ``(N, H, W)`` uint16, the opened image cache.
        right_side: ``(N,)`` bool, True for right hips, which are mirrored to look like left ones.
    """

    pixels: NDArray[np.uint16]
    right_side: NDArray[np.bool_]

    def take(self, rows: NDArray[np.int64]) -> Tensor:
        """Return ``(B, 1, H, W)`` float32 in 0-1 of some rows, every hip turned to look like a left hip."""
        pixels = self.pixels[rows].astype(np.float32) / np.float32(65535)
        right = self.right_side[rows]
        pixels[right] = pixels[right, :, ::-1]
        return torch.from_numpy(pixels)[:, None]


@dataclass(frozen=True)
class CohortArrays:
    """Everything of a cohort that a network sees, row by row.

    Attributes:
        pictures: the ``N`` pictures, or None where no image is needed.
        variables: encoded record of all ``N`` rows.
        targets: ``(N,)`` float64 density in g/cm², NaN where unknown.
        features: ``(N, K, C, h, w)`` float32 feature maps of ``K`` views of each picture, seen in place of the
            pictures; None where the pictures are.
    """

    pictures: Pictures | None
    variables: EncodedVariables
    targets: NDArray[np.float64]
    features: NDArray[np.float32] | None = None


class CohortDataset(Dataset[Batch]):
    """Rows of a cohort as :class:`~xattn_bmd.types.Batch`; ``__getitems__`` serves a whole batch at once.

    Args:
        arrays: the whole cohort.
        rows: rows that belong to this part of the fold.
    """

    def __init__(self, arrays: CohortArrays, rows: Sequence[int]) -> None:
        self.arrays = arrays
        self.rows = np.asarray(rows, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> Batch:
        return self.__getitems__([position])

    def __getitems__(self, positions: list[int]) -> Batch:
        """Return the batch at the given positions of this part."""
        rows = self.rows[positions]
        variables = self.arrays.variables
        return Batch(
            image=self._images(rows),
            variables=Variables(
                numeric=torch.from_numpy(variables.numeric[rows]),
                codes=torch.from_numpy(variables.codes[rows]),
                missing=torch.from_numpy(variables.missing[rows]),
            ),
            target=torch.from_numpy(self.arrays.targets[rows].astype(np.float32)),
            row=torch.from_numpy(rows),
            features=None if self.arrays.features is None else torch.from_numpy(self.arrays.features[rows]),
        )

    def _images(self, rows: NDArray[np.int64]) -> Tensor:
        if self.arrays.pictures is None or self.arrays.features is not None:
            return torch.zeros(len(rows), 1, 1, 1)
        return self.arrays.pictures.take(rows)


def keep_batch(batch: Any) -> Any:  # noqa: ANN401
    """Collate function for a dataset whose ``__getitems__`` already returns whole batches."""
    return batch


def row_blocks(total: int) -> Iterator[NDArray[np.int64]]:
    """Yield the rows 0 to ``total - 1`` in order, a block that fits any memory at a time.

    Example:
        >>> [len(block) for block in row_blocks(70)]
        [32, 32, 6]
    """
    for start in range(0, total, _BLOCK):
        yield np.arange(start, min(start + _BLOCK, total))
