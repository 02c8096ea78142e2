"""Training patches: drawn from the volumes more often where a label is, and changed at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from xattn_bmd.data.volumes.window import window
from xattn_bmd.segment.config import SegmenterConfig
from xattn_bmd.segment.samples import Sample


class PatchDraws:
    """Draws batches of changed patches.

    Args:
        samples: training volumes; one that is smaller than a patch is continued by its border.
        config: settings of the segmenter.
        rng: the only source of randomness.
    """

    def __init__(self, samples: Sequence[Sample], *, config: SegmenterConfig, rng: np.random.Generator) -> None:
        self._config, self._rng = config, rng
        self._hu = [padded(sample.hu, config.patch) for sample in samples]
        self._classes = [padded(sample.classes, config.patch) for sample in samples]
        self._spots = [
            [np.flatnonzero(classes == label) for label in range(1, config.classes) if (classes == label).any()]
            for classes in self._classes
        ]

    def batch(self) -> tuple[Tensor, Tensor]:
        """Return patches ``(B, 1, d, h, w)`` float32 from 0 to 1, and their classes ``(B, d, h, w)`` int64."""
        drawn = [self._patch() for _ in range(self._config.batch_size)]
        return torch.stack([image for image, _ in drawn]), torch.stack([classes for _, classes in drawn])

    def _patch(self) -> tuple[Tensor, Tensor]:
        number = int(self._rng.integers(len(self._hu)))
        start = self._start(number)
        box = tuple(slice(first, first + side) for first, side in zip(start, self._config.patch, strict=True))
        hu = self._hu[number][box].astype(np.float32)
        return change(hu, self._classes[number][box], config=self._config, rng=self._rng)

    def _start(self, number: int) -> list[int]:
        shape, patch = self._hu[number].shape, self._config.patch
        last = [side - long for side, long in zip(shape, patch, strict=True)]
        if self._rng.random() >= self._config.foreground:
            return [int(self._rng.integers(end + 1)) for end in last]
        spots = self._spots[number][int(self._rng.integers(len(self._spots[number])))]
        centre = np.unravel_index(int(self._rng.choice(spots)), shape)
        corner = (int(at) - long // 2 for at, long in zip(centre, patch, strict=True))
        return [min(max(at, 0), end) for at, end in zip(corner, last, strict=True)]


def change(
    hu: NDArray[np.float32], classes: NDArray[np.uint8], *, config: SegmenterConfig, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Turn, scale and mirror a patch with its classes, change its HU, and window it.

    Args:
        hu: ``(d, h, w)``.
        classes: ``(d, h, w)``.
        config: ranges of the changes; the spacing makes turns rigid in mm.
        rng: what draws.

    Returns:
        image ``(1, d, h, w)`` from 0 to 1, and classes ``(d, h, w)`` int64.
    """
    image = torch.from_numpy(hu)[None, None]
    truth = torch.from_numpy(classes.astype(np.float32))[None, None]
    if config.rotation or config.scale:
        grid = functional.affine_grid(_turn(config, rng)[None], list(image.shape), align_corners=False)
        image = functional.grid_sample(image, grid, padding_mode="border", align_corners=False)
        truth = functional.grid_sample(truth, grid, mode="nearest", padding_mode="border", align_corners=False)
    if rng.random() < config.mirror:
        image, truth = image.flip(-1), truth.flip(-1)
    values = image[0, 0].numpy() * np.float32(1 + rng.uniform(-config.contrast, config.contrast))
    values += np.float32(rng.uniform(-config.shift_hu, config.shift_hu))
    values += rng.standard_normal(values.shape, dtype=np.float32) * np.float32(rng.uniform(0, config.noise_hu))
    low, high = config.window_hu
    return torch.from_numpy(window(values, low=low, high=high))[None], truth[0, 0].to(torch.int64)


def padded(array: NDArray[Any], least: Sequence[int]) -> NDArray[Any]:
    """Return an array whose sides are at least ``least``, continued by its last voxels; itself where they are.

    Example:
        >>> padded(np.array([[1, 2]]), (1, 4)).tolist()
        [[1, 2, 2, 2]]
    """
    behind = [(0, max(0, need - side)) for side, need in zip(array.shape, least, strict=True)]
    return np.pad(array, behind, mode="edge") if any(more for _, more in behind) else array


def _turn(config: SegmenterConfig, rng: np.random.Generator) -> Tensor:
    """Return ``(3, 4)`` for ``affine_grid``: a rigid turn and a scale in mm, in shares of the half patch, (w, h, d)."""
    from scipy.spatial.transform import Rotation

    angles = rng.uniform(-config.rotation, config.rotation, size=3)
    size = 1 + rng.uniform(-config.scale, config.scale)
    half = np.array([side * step for side, step in zip(config.patch, config.spacing_mm, strict=True)])[::-1] / 2
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * size
    shares = turn * half[None, :] / half[:, None]
    return torch.from_numpy(np.concatenate([shares, np.zeros((3, 1))], axis=1).astype(np.float32))
