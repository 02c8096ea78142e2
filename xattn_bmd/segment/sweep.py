"""A network swept over a volume of any length in memory for one patch's depth of slices.

Patches overlap and count less towards their borders (Gaussian weights).  As the patches lie on a regular grid and the
weights are a product over the axes, the sum of the weights is a product too and needs no volume of its own.

Axes: ``K`` classes, ``D`` slices, ``H`` rows, ``W`` columns; small letters those of a patch.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from xattn_bmd.data.volumes.window import window
from xattn_bmd.segment.config import SegmenterConfig
from xattn_bmd.segment.patches import padded

_SIGMA = 0.25
"""Standard deviation of the weights as a share of the patch: at a face a patch counts 0.14 of what its middle does."""

_AT_ONCE = 4


def sweep(
    network: nn.Module,
    hu_DHW: NDArray[np.float32] | NDArray[np.int16],
    *,
    config: SegmenterConfig,
    device: torch.device,
) -> Iterator[NDArray[np.float32]]:
    """Yield the probability of each class, slice after slice.

    Args:
        network: in evaluation mode, on the device.
        hu_DHW: HU at the working spacing.  A side that is shorter than a patch makes the patch as short, to the next
            multiple that the network can halve.
        config: settings of the segmenter.
        device: where the network is.

    Yields:
        ``(K, H, W)`` float32 that sum to 1 over the classes, ``D`` times.
    """
    patch = [
        min(long, _next(side, config.smallest_side)) for long, side in zip(config.patch, hu_DHW.shape, strict=True)
    ]
    depth, rows, columns = hu_DHW.shape
    hu = padded(hu_DHW, patch)
    starts = [_starts(side, long, config.overlap) for side, long in zip(hu.shape, patch, strict=True)]
    axes = [_axis_weights(long) for long in patch]
    sums = [_summed(side, start, weight) for side, start, weight in zip(hu.shape, starts, axes, strict=True)]
    share = 1 / (sums[1][:, None] * sums[2][None, :])
    ring = np.zeros((config.classes, patch[0], *hu.shape[1:]), dtype=np.float32)  # slice d lies at d % patch depth
    weight = axes[0][:, None, None] * axes[1][:, None] * axes[2]
    for first, after in zip(starts[0], [*starts[0][1:], hu.shape[0]], strict=True):
        slab = hu[first : first + patch[0]]
        slots = np.arange(first, first + patch[0]) % patch[0]
        for box, probability in _answers(network, slab, starts[1:], patch, config=config, device=device):
            for slot, values in zip(slots, np.moveaxis(probability * weight, 1, 0), strict=True):
                ring[:, slot, box[0], box[1]] += values
        for number in range(first, min(after, depth)):
            done = ring[:, number % patch[0]]
            yield (done * (share / sums[0][number]))[:, :rows, :columns]
            done[:] = 0


def _answers(
    network: nn.Module,
    slab: NDArray[np.float32] | NDArray[np.int16],
    starts: list[list[int]],
    patch: list[int],
    *,
    config: SegmenterConfig,
    device: torch.device,
) -> Iterator[tuple[tuple[slice, slice], NDArray[np.float32]]]:
    """Yield rows and columns of every patch of a slab, and its probabilities ``(K, d, h, w)``."""
    low, high = config.window_hu
    boxes = [(slice(h, h + patch[1]), slice(w, w + patch[2])) for h, w in product(*starts)]
    for begin in range(0, len(boxes), _AT_ONCE):
        some = boxes[begin : begin + _AT_ONCE]
        images = np.stack([window(slab[:, box[0], box[1]], low=low, high=high) for box in some])[:, None]
        with torch.inference_mode():
            answers = network(torch.from_numpy(images).to(device)).softmax(dim=1).float().cpu().numpy()
        yield from zip(some, answers, strict=True)


def _next(side: int, multiple: int) -> int:
    return max(2, -(-side // multiple)) * multiple


def _starts(side: int, long: int, overlap: float) -> list[int]:
    step = max(1, int(long * (1 - overlap)))
    return [min(start, side - long) for start in range(0, side - long + step, step)]


def _axis_weights(long: int) -> NDArray[np.float32]:
    offset = np.arange(long) - (long - 1) / 2
    return np.asarray(np.exp(-0.5 * (offset / (_SIGMA * long)) ** 2), dtype=np.float32)


def _summed(side: int, starts: list[int], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    total = np.zeros(side, dtype=np.float32)
    for start in starts:
        total[start : start + len(weight)] += weight
    return total
