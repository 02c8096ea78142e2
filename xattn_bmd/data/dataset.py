"""Radiographs and records of one part of a fold, fetched a whole batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from xattn_bmd.data.variables import EncodedVariables
from xattn_bmd.types import Batch, Variables


@dataclass(frozen=True)
class CohortArrays:
    """Everything of a cohort that a network sees, row by row.

    Attributes:
        pixels: ``(N, H, W)`` uint16, the opened image cache, or None where no image is needed.
        right_side: ``(N,)`` bool, True for right hips, which are mirrored to look like left ones.
        variables: encoded record of all ``N`` rows.
        targets: ``(N,)`` float64 density in g/cm², NaN where unknown.
    """

    pixels: NDArray[np.uint16] | None
    right_side: NDArray[np.bool_]
    variables: EncodedVariables
    targets: NDArray[np.float64]


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
        )

    def _images(self, rows: NDArray[np.int64]) -> Tensor:
        if self.arrays.pixels is None:
            return torch.zeros(len(rows), 1, 1, 1)
        pixels = self.arrays.pixels[rows].astype(np.float32) / np.float32(65535)
        right = self.arrays.right_side[rows]
        pixels[right] = pixels[right, :, ::-1]
        return torch.from_numpy(pixels)[:, None]


def keep_batch(batch: Any) -> Any:  # noqa: ANN401
    """Collate function for a dataset whose ``__getitems__`` already returns whole batches."""
    return batch
