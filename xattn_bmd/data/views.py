"""Slightly different views of a picture, whose predictions are averaged (test-time augmentation).

They are the same for every radiograph and drawn from nothing, so a prediction never depends on its batch or cohort.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from xattn_bmd.config import AugmentConfig
from xattn_bmd.data.transforms import looked_up

_SHARE = 0.5
"""Views are turned and shifted by this share of the largest change in training: the middle of what was learnt."""


@dataclass(frozen=True, kw_only=True)
class View:
    """How a picture is changed before it is looked at; the default is the picture as it is.

    Attributes:
        degrees: rotation.
        right: shift to the right, fraction of the image side.
        down: shift downwards, fraction of the image side.
        mirrored: whether left and right change places.
    """

    degrees: float = 0.0
    right: float = 0.0
    down: float = 0.0
    mirrored: bool = False

    def of(self, image: Tensor) -> Tensor:
        """Return this view of pictures ``(B, 1, H, W)``; a mirror image alone is exact.

        Example:
            >>> View(mirrored=True).of(torch.tensor([[[[1.0, 2.0]]]])).tolist()
            [[[[2.0, 1.0]]]]
        """
        if not (self.degrees or self.right or self.down):
            return image.flip(-1) if self.mirrored else image
        ones = torch.ones(len(image), device=image.device)
        return looked_up(
            image,
            angle=ones * math.radians(self.degrees),
            scale=ones,
            shift=torch.stack([ones * -2 * self.right, ones * -2 * self.down], dim=1),
            mirrored=ones > 0 if self.mirrored else None,
        )


AS_IT_IS = View()
"""The picture unchanged."""


def prediction_views(count: int, *, augment: AugmentConfig) -> tuple[View, ...]:
    """Return the views of a prediction: the picture as it is, then slight turns and shifts evenly around it.

    Turn and shift are half the largest of training, so that no view is stranger than what was learnt.  A mirror image
    is only looked at where training showed some (``augment.flip`` above 0): every hip with a known side is turned to
    look like a left one before, and a network that saw left hips alone knows nothing of right ones.  Then every view is
    followed by its mirror image.

    Args:
        count: number of views.
        augment: random changes of training.

    Example:
        >>> [view.right for view in prediction_views(3, augment=AugmentConfig(translation=0.1))]
        [0.0, 0.05, -0.05]
        >>> [view.mirrored for view in prediction_views(2, augment=AugmentConfig(flip=0.5))]
        [False, True]
    """
    around = (math.ceil(count / 2) if augment.flip else count) - 1
    upright = [View(), *(_around(position, around, augment) for position in range(around))]
    if not augment.flip:
        return tuple(upright)
    both = [View(**(vars(view) | {"mirrored": mirrored})) for view in upright for mirrored in (False, True)]
    return tuple(both[:count])


def _around(position: int, count: int, augment: AugmentConfig) -> View:
    """Return one of ``count`` views whose shifts lie evenly on a circle and whose turns alternate."""
    place = 2 * math.pi * position / count
    far = _SHARE * augment.translation
    return View(
        degrees=_SHARE * augment.rotation * (1 - 2 * (position % 2)),
        right=round(far * math.cos(place), 9) + 0.0,
        down=round(far * math.sin(place), 9) + 0.0,
    )
