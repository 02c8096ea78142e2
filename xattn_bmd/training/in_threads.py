"""Work in threads of this process: results in order, few items ahead, each thread computing with one thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import torch

from xattn_bmd.training.threads import compute_threads

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 2
"""Items sent for each thread: one in work, one waiting."""


def in_threads(function: Callable[[Item], Result], items: Iterable[Item], *, threads: int) -> Iterator[Result]:
    """Yield the function's result of every item, in order.

    Decoders and convolutions release the interpreter's lock, so threads use all cores and nothing is copied between
    processes.  torch's number of threads belongs to the thread that sets it; it is one in each, whatever ``threads``
    is, so that no result depends on it.

    Args:
        function: called in a thread of the pool.
        items: read only as far as :data:`AHEAD` items a thread.
        threads: threads of the pool.

    Example:
        >>> list(in_threads(abs, [-1, 2, -3], threads=2))
        [1, 2, 3]
    """
    waiting: deque[Future[Result]] = deque()
    feed = iter(items)
    with (
        compute_threads(1),
        ThreadPoolExecutor(threads, "estimate", initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        try:
            waiting.extend(pool.submit(function, item) for item in islice(feed, AHEAD * threads))
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(function, item) for item in islice(feed, 1))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
