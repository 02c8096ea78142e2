"""A device that is out of memory: the batch is cut in parts whose gradients are added up, and this is said once."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from xattn_bmd.errors import RunError

_Fitted = TypeVar("_Fitted")
_FEWEST = 2  # batch norm needs two radiographs
_log = logging.getLogger(__name__)


class BatchParts:
    """In how many parts the batches of a process's fits are cut; found by running out of memory, and kept.

    Attributes:
        parts: parts of each batch, 1 until the device was too small.
    """

    def __init__(self) -> None:
        self.parts = 1

    def fit(self, attempt: Callable[[int], _Fitted], *, batch_size: int) -> _Fitted:
        """Return what an attempt returns, with twice as many parts each time the device is out of memory.

        An attempt starts from the same seed, so nothing of a failed one is left in its result.

        Args:
            attempt: called with the number of parts.
            batch_size: radiographs a step on one device.

        Raises:
            RunError: if even the smallest parts do not fit.
        """
        while True:
            try:
                return attempt(self.parts)
            except (torch.OutOfMemoryError, RuntimeError) as cause:
                if not _out_of_memory(cause):
                    raise
                self._halve(batch_size, cause)
            _release()

    def _halve(self, batch_size: int, cause: BaseException) -> None:
        if batch_size // (2 * self.parts) < _FEWEST:
            raise RunError(
                f"A fit needs memory for at least {_FEWEST} radiographs at a time, but the device is too small even "
                f"for batches of {batch_size} in {self.parts} parts; choose smaller images, another backbone, or "
                "training.accelerator: cpu."
            ) from cause
        self.parts *= 2
        _log.warning(
            "The device is out of memory with batches of %d; from now on each is computed in %d parts of %d whose "
            "gradients are added up.",
            batch_size,
            self.parts,
            batch_size // self.parts,
        )


def _out_of_memory(error: BaseException) -> bool:
    """Tell an exhausted device from other errors; not every backend of torch has a class for it."""
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error).lower()


def _release() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
