"""Radiographs as the detector sees them, and the way from its pixels back to those of the radiograph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xattn_bmd.config import ImageConfig
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.pictures.content_hash import content_hash
from xattn_bmd.data.preprocess import WHITE, frame_of, preprocess
from xattn_bmd.data.radiograph import read_radiograph
from xattn_bmd.types import Radiograph


@dataclass(frozen=True, eq=False)
class SeenRadiograph:
    """One radiograph made small.

    Attributes:
        pixels: ``(h, w)`` uint16, the whole radiograph without padding, its own percentiles as black and white.
        scale: radiograph pixels for each picture pixel, rows and columns.
        shape: rows and columns of the radiograph.
        content_hash: fingerprint of what the radiograph shows.
    """

    pixels: NDArray[np.uint16]
    scale: tuple[float, float]
    shape: tuple[int, int]
    content_hash: str

    def tensor(self) -> Tensor:
        """Return the picture ``(1, h, w)`` float32 in 0-1."""
        return torch.from_numpy(self.pixels.astype(np.float32) / WHITE)[None]

    def seen(self, corners: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return boxes ``(K, 4)`` of the radiograph in pixels of the picture."""
        return corners / self._steps()

    def in_radiograph(self, corners: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return boxes ``(K, 4)`` of the picture in pixels of the radiograph, cut at its edges."""
        rows, columns = self.shape
        return np.clip(corners * self._steps(), 0.0, np.array([columns, rows, columns, rows], dtype=np.float64))

    def _steps(self) -> NDArray[np.float64]:
        down, right = self.scale
        return np.array([right, down, right, down])


def see_radiograph(path: Path, *, size: int) -> SeenRadiograph:
    """Read a radiograph as every part of this library reads it, and make its longer side ``size`` pixels.

    Pixels that are not square in mm are made so.

    Args:
        path: the image file.
        size: longer side of the picture, pixels.

    Raises:
        RadiographError: if the file is not one grey-scale radiograph.
    """
    return seen_of(read_radiograph(path), size=size)


def seen_of(radiograph: Radiograph, *, size: int) -> SeenRadiograph:
    """Return an opened radiograph as :func:`see_radiograph` does a file."""
    config = ImageConfig(size=size, crop="none")
    frame = frame_of(radiograph, config)
    square, _ = preprocess(radiograph, config, frame=frame)
    rows, columns = radiograph.pixels.shape
    return SeenRadiograph(
        pixels=square[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width].copy(),
        scale=frame.scale,
        shape=(rows, columns),
        content_hash=content_hash(radiograph.pixels),
    )


def see_cohort(cohort: Cohort, *, size: int) -> dict[str, SeenRadiograph]:
    """Return every radiograph of a cohort made small, by id.

    Raises:
        CohortError: listing every problem of the cohort and its files.
        RadiographError: if a file is not one grey-scale radiograph.
    """
    cohort.require_valid(require_target=False)
    return {name: see_radiograph(path, size=size) for name, path in cohort.image_paths.items()}


def picture_sizes(cohort: Cohort) -> Mapping[str, tuple[int, int]]:
    """Return rows and columns of every radiograph of a cohort as displayed, by id.

    Every file is read, for only the reader knows how a picture is turned.

    Raises:
        CohortError: listing every problem of the cohort and its files.
        RadiographError: if a file is not one grey-scale radiograph.
    """
    cohort.require_valid(require_target=False)
    shapes = {name: read_radiograph(path).pixels.shape for name, path in cohort.image_paths.items()}
    return {name: (rows, columns) for name, (rows, columns) in shapes.items()}
