"""Radiograph to the square uint16 picture that is cached: crop, percentile window, resize, pad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xattn_bmd.config import ImageConfig
from xattn_bmd.data.pictures.border import Box, exposed_field
from xattn_bmd.data.pictures.thinned import thinned
from xattn_bmd.errors import ConfigError
from xattn_bmd.types import Radiograph

WHITE = 65535
"""Level of the upper percentile in the cached picture; the lower one is 0."""


@dataclass(frozen=True)
class Frame:
    """Where the exposed field of a radiograph lies in its square picture.

    Attributes:
        box: rows and columns of the radiograph that are kept.
        height: rows of the square that they fill.
        width: columns of the square that they fill.
        top: first such row.
        left: first such column.
    """

    box: Box
    height: int
    width: int
    top: int
    left: int

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Frame:
        """Return the frame that ``dataclasses.asdict`` turned into plain JSON values."""
        return cls(**values | {"box": Box(*values["box"])})

    @property
    def scale(self) -> tuple[float, float]:
        """Radiograph pixels for each picture pixel, rows and columns."""
        return self.box.shape[0] / self.height, self.box.shape[1] / self.width


def preprocess(
    radiograph: Radiograph, config: ImageConfig, *, frame: Frame | None = None
) -> tuple[NDArray[np.uint16], tuple[str, ...]]:
    """Return the square picture of a radiograph and the steps that made it.

    The grey window comes from the picture's own percentiles inside the crop, so nothing is learned from other patients
    and any linear display window cancels out.

    Args:
        radiograph: as read from its file.
        config: size, crop and percentile window.
        frame: what :func:`frame_of` found, where the caller has asked already.

    Returns:
        ``(size, size)`` uint16, 0 at the lower percentile and 65535 at the upper one, padded with 0; and the steps.

    Raises:
        ConfigError: if the settings are impossible.

    Example:
        >>> pixels = np.random.default_rng(0).random((80, 40)).astype(np.float32)
        >>> picture, steps = preprocess(Radiograph(pixels, None, ()), ImageConfig(size=32))
        >>> picture.shape, picture.dtype, int(picture[:, :8].max()), steps[-1]
        ((32, 32), dtype('uint16'), 0, 'padded with black to a square: 0 above, 8 on the left')
    """
    frame = frame or frame_of(radiograph, config)
    box = frame.box
    field = radiograph.pixels[box.top : box.bottom, box.left : box.right]
    low, high = _window(field, config.window)
    scaled = field - np.float32(low)
    scaled /= np.float32(high - low)
    np.clip(scaled, 0.0, 1.0, out=scaled)
    resized = np.asarray(Image.fromarray(scaled).resize((frame.width, frame.height), Image.Resampling.BILINEAR))
    square = np.zeros((config.size, config.size), dtype=np.uint16)
    square[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width] = np.rint(resized * WHITE)
    return square, _steps(frame, config, low=low, high=high)


def frame_of(radiograph: Radiograph, config: ImageConfig) -> Frame:
    """Return where the field lies in the square picture; pixels that are not square in mm are made so.

    Args:
        radiograph: as read from its file.
        config: size and crop.

    Raises:
        ConfigError: if the settings are impossible.
    """
    _require_possible(config)
    rows, columns = radiograph.pixels.shape
    box = exposed_field(radiograph.pixels) if config.crop == "border" else Box(0, rows, 0, columns)
    row_mm, column_mm = radiograph.spacing_mm or (1.0, 1.0)
    height, width = box.shape[0] * row_mm, box.shape[1] * column_mm
    longest = max(height, width)
    height, width = (max(1, round(config.size * side / longest)) for side in (height, width))
    return Frame(box=box, height=height, width=width, top=(config.size - height) // 2, left=(config.size - width) // 2)


def picture_spacing(radiograph: Radiograph, frame: Frame) -> tuple[float, float] | None:
    """Return the ``(row, column)`` spacing of the square picture in mm, or None where the file does not say."""
    if radiograph.spacing_mm is None:
        return None
    return radiograph.spacing_mm[0] * frame.scale[0], radiograph.spacing_mm[1] * frame.scale[1]


def _window(field: NDArray[np.float32], percentiles: tuple[float, float]) -> tuple[float, float]:
    low, high = (float(value) for value in np.percentile(thinned(field), percentiles))
    if high > low:
        return low, high
    # nearly all pixels share one level: only the extremes still show anything
    low, high = float(field.min()), float(field.max())
    return (low, high) if high > low else (low, low + 1.0)


def _require_possible(config: ImageConfig) -> None:
    low, high = config.window
    if config.size < 8:
        raise ConfigError(f"The image size is at least 8 pixels, but {config.size} was given; choose 128 or 224.")
    if not 0 <= low < high <= 100:
        raise ConfigError(
            f"The image window is two rising percentiles in 0-100, but {(low, high)} was given; use (0.5, 99.5)."
        )
    if config.crop not in ("border", "none"):
        raise ConfigError(
            f"The image crop is 'border' or 'none', but {config.crop!r} was given; choose one of the two."
        )


def _steps(frame: Frame, config: ImageConfig, *, low: float, high: float) -> tuple[str, ...]:
    box = frame.box
    cut = "border cut away" if config.crop == "border" else "whole picture kept"
    return (
        f"{cut}: rows {box.top}-{box.bottom}, columns {box.left}-{box.right}",
        f"percentiles {config.window[0]:g} and {config.window[1]:g} ({low:.6g} and {high:.6g}) mapped to 0 and {WHITE}",
        f"resized to {frame.height} x {frame.width}, {frame.scale[0]:.4g} x {frame.scale[1]:.4g} pixels into one",
        f"padded with black to a square: {frame.top} above, {frame.left} on the left",
    )
