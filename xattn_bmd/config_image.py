"""How a radiograph or a CT volume becomes pixels, and how training pictures are changed at random."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

from xattn_bmd.config_checks import at_least
from xattn_bmd.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class ImageConfig:
    """How a file becomes the pixels that are cached.

    A cohort shows radiographs (``slices`` 1) or CT volumes (more): of a radiograph ``crop`` and ``window`` are read, of
    a volume ``spacing_mm`` and ``hu_window``.

    Attributes:
        size: height and width of the cached square image, pixels; of each slice of a volume.
        crop: ``"border"`` cuts away the unexposed collimation border, ``"none"`` keeps the whole picture.
        window: lower and upper percentile of the picture's own grey levels that map to 0 and 1.
        slices: 1 for radiographs; for CT volumes the slices that are kept about the middle of each.
        spacing_mm: ``(slice, row, column)`` spacing to which volumes are resampled, mm.
        hu_window: Hounsfield units that map to 0 and 1, the same for all volumes: density is read off the scale.
    """

    size: int = 224
    crop: Literal["border", "none"] = "border"
    window: tuple[float, float] = (0.5, 99.5)
    slices: int = 1
    spacing_mm: tuple[float, float, float] = (3.0, 1.0, 1.0)
    hu_window: tuple[float, float] = (-200.0, 1000.0)

    @property
    def is_volume(self) -> bool:
        """Whether files are CT volumes."""
        return self.slices > 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a cached image: ``(size, size)``, or ``(slices, size, size)`` of a volume."""
        return (self.slices, self.size, self.size) if self.is_volume else (self.size, self.size)

    def settings_read(self) -> dict[str, Any]:
        """Return the settings that decide the pixels; those of the other kind of image change nothing.

        Example:
            >>> sorted(ImageConfig(slices=16).settings_read())
            ['hu_window', 'size', 'slices', 'spacing_mm']
        """
        kind = ("slices", "spacing_mm", "hu_window") if self.is_volume else ("crop", "window")
        return {name: getattr(self, name) for name in ("size", *kind)}


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Ranges of the random changes made to a training image; each radiograph draws its own in every epoch.

    All slices of a CT volume are changed alike, in their plane; noise is drawn for each voxel.  ``contrast`` and
    ``gamma`` change Hounsfield units, from which a density is read: 0, or small, for CT.

    Attributes:
        rotation: largest rotation, degrees.
        translation: largest shift, fraction of the image side.
        scale: largest relative change of size.
        contrast: largest relative change of contrast.
        gamma: largest log2 change of gamma.
        noise: SD of additive noise, grey levels in 0-1.
        flip: probability of a left-right mirror image.  Hips with a declared side are turned to look like left ones
            before, so a mirror image shows them as right ones; 0 where the side is known.
        cutout: side of one square that is set to the picture's mean, fraction of the image side; 0 cuts nothing out.
    """

    rotation: float = 8.0
    translation: float = 0.05
    scale: float = 0.08
    contrast: float = 0.15
    gamma: float = 0.2
    noise: float = 0.01
    flip: float = 0.0
    cutout: float = 0.0


def check_volume_settings(image: ImageConfig) -> None:
    """Refuse settings with which no CT volume becomes pixels.

    Raises:
        ConfigError: naming the setting, its rule and the value found.

    Example:
        >>> check_volume_settings(ImageConfig(slices=16))
    """
    at_least("image.slices", image.slices, 1)
    low, high = image.hu_window
    if not all(isfinite(side) and side > 0 for side in image.spacing_mm):
        raise ConfigError(
            f"image.spacing_mm is three positive lengths in mm, but {image.spacing_mm} was given; take (3.0, 1.0, 1.0)."
        )
    if not (isfinite(low) and isfinite(high) and low < high):
        raise ConfigError(
            f"image.hu_window is two rising Hounsfield units, but {image.hu_window} was given; take (-200, 1000)."
        )
