"""Feature maps of a panel's pictures: computed once where all folds look through the same frozen weights.

Axes: ``R`` rows asked for, ``C, h, w`` channels, rows and columns of a map.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xattn_bmd.data.dataset import row_blocks
from xattn_bmd.data.pictures.build import default_workers
from xattn_bmd.data.views import View
from xattn_bmd.explanation.record.panel import Panel
from xattn_bmd.models.image import ImageEncoder
from xattn_bmd.training.in_threads import in_threads


class Maps(NamedTuple):
    """What an image encoder makes of some pictures.

    Attributes:
        features: ``(R, C, h, w)``.
        absent: ``(R,)`` True where there is no picture; None where each has one.
    """

    features: Tensor
    absent: Tensor | None


class PictureMaps:
    """The maps of a panel.

    Args:
        panel: the people.
        rows: rows that will ever be asked for.
        shared: whether all networks see the same map.
        device: where the networks are.
    """

    def __init__(self, panel: Panel, rows: NDArray[np.int64], *, shared: bool, device: torch.device) -> None:
        self._panel, self._rows, self._shared, self._device = panel, rows, shared, device
        self._kept: dict[View, Maps] = {}

    def of(self, encoder: ImageEncoder, rows: NDArray[np.int64], *, view: View) -> Maps:
        """Return the maps of some rows.

        Args:
            encoder: of the network that looks.
            rows: ``R`` rows of the panel.
            view: how each picture is turned and shifted before.
        """
        if not self._shared:
            return self._made(encoder, rows, view)
        if view not in self._kept:
            self._kept[view] = self._made(encoder, self._rows, view)
        place = np.full(len(self._panel.table), -1, dtype=np.int64)
        place[self._rows] = np.arange(len(self._rows))
        at, kept = torch.from_numpy(place[rows]).to(self._device), self._kept[view]
        return Maps(kept.features[at], None if kept.absent is None else kept.absent[at])

    def _made(self, encoder: ImageEncoder, rows: NDArray[np.int64], view: View) -> Maps:
        def block_maps(block: NDArray[np.int64]) -> tuple[Tensor, NDArray[np.bool_]]:
            pictures, no_image = self._panel.take(rows[block])
            with torch.inference_mode():
                seen = view.of(pictures.take(np.arange(len(block))).to(self._device))
                return encoder.features(seen), np.zeros(len(block), np.bool_) if no_image is None else no_image

        threads = default_workers() if self._device.type == "cpu" else 1
        made = list(in_threads(block_maps, row_blocks(len(rows)), threads=threads))
        absent = np.concatenate([no_image for _, no_image in made])
        features = torch.cat([block for block, _ in made])
        return Maps(features, torch.from_numpy(absent).to(self._device) if absent.any() else None)
