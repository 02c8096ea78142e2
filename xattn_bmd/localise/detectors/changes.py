"""Random changes of a training picture and its boxes."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from xattn_bmd.localise.config import LocaliserConfig
from xattn_bmd.localise.detectors.detector import Boxes

_SMALLEST_SIDE = 2.0


class RandomChanges:
    """Mirror, shift, scale, and change brightness and contrast; torch's own generator draws.

    Args:
        config: ranges of the changes.

    Example:
        >>> boxes = Boxes(torch.tensor([[8.0, 8, 24, 16]]), torch.tensor([0]))
        >>> _ = torch.manual_seed(0)
        >>> config = LocaliserConfig(flip=1.0, scale=0.0, shift=0.0)
        >>> _, moved = RandomChanges(config)(torch.rand(1, 32, 32), boxes)
        >>> moved.corners.tolist()
        [[8.0, 8.0, 24.0, 16.0]]
    """

    def __init__(self, config: LocaliserConfig) -> None:
        moves = [v2.RandomHorizontalFlip(config.flip)]
        if config.scale or config.shift:
            sizes, shifts = (1 - config.scale, 1 + config.scale), (config.shift, config.shift)
            moves.append(v2.RandomAffine(0, translate=shifts, scale=sizes, interpolation=v2.InterpolationMode.BILINEAR))
        moves.append(v2.ColorJitter(brightness=config.contrast, contrast=config.contrast))
        moves += [v2.ClampBoundingBoxes(), v2.SanitizeBoundingBoxes(min_size=_SMALLEST_SIDE)]
        self._moves = v2.Compose(moves)

    def __call__(self, picture: Tensor, boxes: Boxes) -> tuple[Tensor, Boxes]:
        """Return the changed picture ``(1, H, W)`` and those boxes of which something is left inside."""
        height, width = int(picture.shape[1]), int(picture.shape[2])
        framed = tv_tensors.BoundingBoxes(boxes.corners, format="XYXY", canvas_size=(height, width))
        moved = self._moves({"image": tv_tensors.Image(picture), "boxes": framed, "labels": boxes.labels})
        corners = moved["boxes"].as_subclass(torch.Tensor)
        return moved["image"].as_subclass(torch.Tensor), Boxes(corners, moved["labels"])
