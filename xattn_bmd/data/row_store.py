"""Rows of a large array, gathered on the device that trains."""

from __future__ import annotations

import logging

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

RESIDENT_SHARE = 0.5
"""Largest share of an accelerator's free memory that one array may take; a larger one is read row by row."""

_log = logging.getLogger(__name__)


class RowStore:
    """An array whose rows are wanted on a device, a batch at a time.

    An accelerator gets one copy of the whole array, and batches are gathered there: nothing is sent to it afterwards.
    An array that would take more than ``share`` of its free memory is streamed: each batch is read from the array,
    which may be a memory map, and sent.  On the CPU the array itself is read, so a memory map stays one.

    Args:
        array: ``(N, ...)`` of any type that torch can index.
        device: where batches are wanted.
        share: largest share of the accelerator's free memory.

    Example:
        >>> store = RowStore(np.arange(6.0).reshape(3, 2), device=torch.device("cpu"))
        >>> store.take(torch.tensor([2, 0])).tolist()
        [[4.0, 5.0], [0.0, 1.0]]
    """

    def __init__(self, array: NDArray[np.generic], *, device: torch.device, share: float = RESIDENT_SHARE) -> None:
        self._array = array
        self._device = device
        self._whole: Tensor | None = None
        if device.type != "cpu" and _fits(array.nbytes, device, share=share):
            self._whole = torch.from_numpy(np.ascontiguousarray(array)).to(device)
        elif device.type != "cpu":
            _log.warning(
                "%.1f GB of images are streamed from the memory map: they take more than %.0f %% of the free memory "
                "of %s.",
                array.nbytes / 1e9,
                100 * share,
                device,
            )

    @property
    def resident(self) -> bool:
        """True where the whole array lies on an accelerator."""
        return self._whole is not None

    def take(self, row: Tensor, view: Tensor | None = None) -> Tensor:
        """Return some rows, or one view of each row.

        Args:
            row: ``(B,)`` int64.
            view: ``(B,)`` int64 position on the array's second axis, or None for whole rows.

        Returns:
            ``(B, ...)`` on the device.
        """
        index = (row,) if view is None else (row, view)
        if self._whole is not None:
            return self._whole[tuple(part.to(self._device) for part in index)]
        found = torch.from_numpy(np.ascontiguousarray(self._array[tuple(part.cpu().numpy() for part in index)]))
        if self._device.type == "cpu":
            return found
        return (found.pin_memory() if self._device.type == "cuda" else found).to(self._device, non_blocking=True)


def _fits(needed: int, device: torch.device, *, share: float) -> bool:
    """Tell whether an array may lie on an accelerator as a whole."""
    if device.type == "cuda":
        return needed <= share * torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        free = torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
        return needed <= share * free
    return True
