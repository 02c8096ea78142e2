"""How a radiograph becomes pixels, and how training pictures are changed at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class ImageConfig:
    """How a file becomes the pixels that are cached.

    Attributes:
        size: height and width of the cached square image, pixels.
        crop: ``"border"`` cuts away the unexposed collimation border, ``"none"`` keeps the whole picture.
        window: lower and upper percentile of the picture's own grey levels that map to 0 and 1.
    """

    size: int = 224
    crop: Literal["border", "none"] = "border"
    window: tuple[float, float] = (0.5, 99.5)


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Ranges of the random changes made to a training image; each radiograph draws its own in every epoch.

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
