"""Feature maps of pictures, a block of them at a time: on all cores, or on one accelerator.

Axes: ``B`` radiographs of a block, ``K`` views of each, ``C, h, w`` channels, rows and columns of a map.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xattn_bmd.data.dataset import Pictures
from xattn_bmd.models.image import ImageEncoder
from xattn_bmd.models.layout import channels_last
from xattn_bmd.training.threads import compute_threads

CPU_BLOCK = 16
"""Radiographs, or slices, of a block on the CPU: part of the maps' last digits, so it is the same on every machine."""

ACCELERATOR_PIXELS = 256 * 224 * 224
"""Pixels of a block on an accelerator: 256 radiographs of 224 pixels keep it busy and take a few GB of its memory."""

Views = Callable[[Tensor, Tensor], list[Tensor]]
"""Pictures ``(B, 1, H, W)`` and their rows ``(B,)`` → ``K`` views of the pictures."""


def map_blocks(
    pictures: Pictures, encoder: ImageEncoder, *, views_of: Views, threads: int | None = None
) -> Iterator[NDArray[np.float32]]:
    """Yield the maps that an encoder's frozen part makes of pictures, in float32, on the encoder's device.

    On the CPU several blocks are computed at the same time, each by one thread: all cores work, and the maps are the
    same to the last bit whatever their number.  On an accelerator one block follows the other.

    Args:
        pictures: ``N`` pictures.
        encoder: makes the maps; in evaluation mode.
        views_of: what is made of each block of pictures before.
        threads: blocks at a time on the CPU; None takes the cores this process may use.

    Yields:
        ``(B, K, C, h, w)`` float32, of volumes ``(B, K, C, s, h, w)``, the radiographs in order.
    """
    device, total = encoder.grey_mean.device, len(pictures.pixels)
    encoder = channels_last(encoder)

    def maps_of(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        with torch.inference_mode():
            views = views_of(pictures.take(rows).to(device), torch.from_numpy(rows).to(device))
            return torch.stack([encoder.features(view) for view in views], dim=1).cpu().numpy()

    if device.type == "cpu":
        blocks = _blocks(total, size=max(1, CPU_BLOCK // _slices(pictures)))
        yield from _in_threads(maps_of, blocks, threads=threads or _cores())
        return
    for rows in _blocks(total, size=max(1, min(256, ACCELERATOR_PIXELS // pictures.pixels[0].size))):
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            maps = maps_of(rows)
        yield maps


def _blocks(total: int, *, size: int) -> list[NDArray[np.int64]]:
    return [np.arange(start, min(start + size, total)) for start in range(0, total, size)]


def _slices(pictures: Pictures) -> int:
    return int(pictures.pixels.shape[1]) if pictures.pixels.ndim == 4 else 1


def _in_threads(
    maps_of: Callable[[NDArray[np.int64]], NDArray[np.float32]], blocks: list[NDArray[np.int64]], *, threads: int
) -> Iterator[NDArray[np.float32]]:
    """Yield what is made of each block, in order; few are in memory at a time."""
    waiting: deque[Future[NDArray[np.float32]]] = deque()
    # each thread sets its own number: what the caller's is does not reach OpenMP in the others
    with compute_threads(1), ThreadPoolExecutor(threads, "maps", torch.set_num_threads, (1,)) as pool:
        try:
            for rows in blocks:
                waiting.append(pool.submit(maps_of, rows))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
