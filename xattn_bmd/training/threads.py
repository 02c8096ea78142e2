"""The number of CPU threads that a fit computes with: part of its result, so it is set, not found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def compute_threads(count: int) -> Iterator[None]:
    """Compute with this many threads within the block, in torch and in the BLAS of numpy and scikit-learn.

    Sums are split among threads, so their last digits depend on the number; they do not depend on the cores.

    Args:
        count: threads.

    Example:
        >>> with compute_threads(1):
        ...     torch.get_num_threads()
        1
    """
    before = torch.get_num_threads()
    with threadpool_limits(limits=count):
        torch.set_num_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(before)
