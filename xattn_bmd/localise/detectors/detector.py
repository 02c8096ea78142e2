"""One detector behind one small contract, whichever network it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from xattn_bmd.localise.config import LocaliserConfig
from xattn_bmd.localise.detectors.light import light_detector
from xattn_bmd.localise.detectors.strong import strong_detector

SCORE_FLOOR = 0.01
"""Smallest score of a detection that is looked at at all."""


class Boxes(NamedTuple):
    """Boxes of one picture.

    Attributes:
        corners: ``(K, 4)`` float32 ``x0, y0, x1, y1``, pixels of the picture.
        labels: ``(K,)`` int64, from 0.
        scores: ``(K,)`` float32 in 0-1, the most certain first; None for true boxes.
    """

    corners: Tensor
    labels: Tensor
    scores: Tensor | None = None


class Detector(nn.Module):
    """A torchvision detector for grey pictures, with labels from 0.

    Shape:
        pictures ``(1, H, W)`` float32 in 0-1, of any sizes; boxes in their pixels.

    Args:
        labels: number of kinds of box.
        config: network and first weights.

    Raises:
        ModelError: if the weights or the trunk cannot be had.

    Example:
        >>> detector = Detector(labels=1, config=LocaliserConfig(backbone="test_resnet", size=64)).eval()
        >>> [found] = detector.find([torch.rand(1, 64, 48)])
        >>> found.corners.shape[1], found.scores.shape == found.labels.shape
        (4, True)
    """

    def __init__(self, *, labels: int, config: LocaliserConfig) -> None:
        super().__init__()
        # class 0 is background in Faster R-CNN and the first label in FCOS
        self.first = 0 if config.detector == "light" else 1
        weights, size = config.first_weights, config.size
        if config.detector == "light":
            self.network = light_detector(
                labels=labels, backbone=config.trunk, weights=weights, width=config.width, size=size, floor=SCORE_FLOOR
            )
        else:
            self.network = strong_detector(labels=labels, weights=weights, size=size, floor=SCORE_FLOOR)
        self.channels = 1 if config.detector == "light" else 3

    def loss(self, pictures: Sequence[Tensor], truth: Sequence[Boxes]) -> Tensor:
        """Return the sum of the network's losses; in training mode only.

        Args:
            pictures: (B,) pictures.
            truth: (B,) their boxes.
        """
        targets = [{"boxes": boxes.corners, "labels": boxes.labels + self.first} for boxes in truth]
        losses: dict[str, Tensor] = self.network(self._coloured(pictures), targets)
        return torch.stack(list(losses.values())).sum()

    @torch.no_grad()
    def find(self, pictures: Sequence[Tensor]) -> list[Boxes]:
        """Return what is found in each picture; in evaluation mode only."""
        answers = self.network(self._coloured(pictures))
        return [Boxes(each["boxes"], each["labels"] - self.first, each["scores"]) for each in answers]

    def _coloured(self, pictures: Sequence[Tensor]) -> list[Tensor]:
        return [picture.expand(self.channels, -1, -1) for picture in pictures]
