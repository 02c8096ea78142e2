"""The pictures of radiographs some of which have none.

Axes: ``N`` radiographs, ``B`` of a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.config import ImageConfig
from xattn_bmd.data.cache import cached_images
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.datamodule import cohort_pictures
from xattn_bmd.data.dataset import Pictures


class PictureBlock(NamedTuple):
    """The pictures of a block.

    Attributes:
        pictures: ``B`` pictures; a black one where there is none.
        no_image: ``(B,)`` True where there is none; None where each has one.
    """

    pictures: Pictures
    no_image: NDArray[np.bool_] | None


def picture_block(
    pixels: Sequence[NDArray[np.uint16] | None], *, sides: Sequence[str | None], shape: tuple[int, ...]
) -> PictureBlock:
    """Put pictures together; None stands for a missing one.

    Args:
        pixels: ``B`` pictures of that shape.
        sides: body side of each, ``"L"``, ``"R"`` or None.
        shape: of each picture.

    Example:
        >>> block = picture_block([None, np.ones((4, 4), np.uint16)], sides=["L", "R"], shape=(4, 4))
        >>> block.no_image.tolist(), block.pictures.pixels[:, 0, 0].tolist()
        ([True, False], [0, 1])
    """
    missing = np.array([picture is None for picture in pixels], dtype=np.bool_)
    black = np.zeros(shape, dtype=np.uint16)
    stacked = np.stack([black if picture is None else picture for picture in pixels])
    right = np.array([side == "R" for side in sides], dtype=np.bool_)
    return PictureBlock(Pictures(stacked, right), missing if missing.any() else None)


@dataclass(frozen=True)
class GivenPictures:
    """The cached pictures of a cohort's radiographs.

    Attributes:
        pictures: those that there are; None where there is none at all.
        place: ``(N,)`` position of each radiograph's picture, -1 where it has none.
        sides: ``N`` body sides.
        shape: of each picture.
        content: content hash of each picture by radiograph id.
    """

    pictures: Pictures | None
    place: NDArray[np.int64]
    sides: tuple[str | None, ...]
    shape: tuple[int, ...]
    content: dict[str, str]

    @classmethod
    def open(cls, cohort: Cohort, *, image: ImageConfig, cache: Path) -> GivenPictures:
        """Decode what the cache does not hold, and open it.

        Args:
            cohort: the radiographs.
            image: how a file becomes a picture.
            cache: cache folder.
        """
        paths = cohort.image_paths
        position = {name: row for row, name in enumerate(paths)}
        place = np.array([position.get(name, -1) for name in cohort.radiograph_ids], dtype=np.int64)
        if not paths:
            return cls(None, place, cohort.sides, image.shape, {})
        opened = cached_images(paths, image=image, folder=cache)
        complete = len(paths) == len(cohort)
        pictures = cohort_pictures(cohort if complete else cohort.subset(paths), opened)
        return cls(
            pictures, place, cohort.sides, image.shape, dict(zip(opened.ids, opened.content_hashes, strict=True))
        )

    def take(self, rows: NDArray[np.int64]) -> PictureBlock:
        """Return the pictures of some rows."""
        place = self.place[rows]
        if self.pictures is not None and (place >= 0).all():
            return PictureBlock(Pictures(self.pictures.pixels[place], self.pictures.right_side[place]), None)
        found = [None if self.pictures is None or at < 0 else self.pictures.pixels[at] for at in place]
        return picture_block(found, sides=[self.sides[row] for row in rows], shape=self.shape)
