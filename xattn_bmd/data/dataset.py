"""What a network sees of a cohort: arrays as they are stored, and the same on the device that trains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from xattn_bmd.data.mapped import arrived, travelling
from xattn_bmd.data.masks.opened import CohortMasks
from xattn_bmd.data.row_store import RowStore
from xattn_bmd.data.variables import EncodedVariables
from xattn_bmd.types import Batch, Variables

_BLOCK = 32
_WHITE = 65535


@dataclass(frozen=True)
class Pictures:
    """The pictures of a cohort, row by row.

    Attributes:
        pixels: ``(N, H, W)`` uint16, or ``(N, D, H, W)`` of CT volumes, the opened image cache.
        right_side: ``(N,)`` bool, True for right hips, which are mirrored to look like left ones.
    """

    pixels: NDArray[np.uint16]
    right_side: NDArray[np.bool_]

    def take(self, rows: NDArray[np.int64]) -> Tensor:
        """Return ``(B, D, H, W)`` float32 in 0-1 of some rows, ``D`` 1 of radiographs, every hip turned left."""
        return DevicePictures(self, torch.device("cpu")).take(torch.from_numpy(rows))


class DevicePictures:
    """The pictures of a cohort on a device.

    Args:
        pictures: as they are stored.
        device: where batches are wanted.
    """

    def __init__(self, pictures: Pictures, device: torch.device) -> None:
        # torch indexes signed integers on every device, unsigned ones not
        self._store = RowStore(pictures.pixels.view(np.int16), device=device)
        self._right_side = torch.from_numpy(pictures.right_side).to(device)

    def take(self, row: Tensor) -> Tensor:
        """Return ``(B, D, H, W)`` float32 in 0-1 of some rows, ``D`` 1 of radiographs, every hip turned left."""
        levels = self._store.take(row)
        if levels.device.type == "cpu":
            grey = levels.view(torch.uint16).to(torch.float32).div_(_WHITE)
        else:
            grey = levels.to(torch.int32).bitwise_and_(_WHITE).to(torch.float32).div_(_WHITE)
        right = self._right_side[row.to(self._right_side.device)]
        turned = torch.where(right.view(-1, *[1] * (grey.ndim - 1)), grey.flip(-1), grey)
        return turned if turned.ndim == 4 else turned[:, None]


class CohortImages:
    """The radiographs of a cohort as a network sees them; one object serves all fits of a process.

    Args:
        pictures: the ``N`` pictures.
        features: ``(N, K, C, h, w)`` float32 stored feature maps of ``K`` views of each picture, seen in place of the
            pictures, or None.  View 0 is the picture as it is, the others are augmented views for training.
        content_hashes: fingerprint of each radiograph's picture by id, for checks of leakage.
        masks: masks of the radiographs, which are read when the first is asked for; None where there are none.
    """

    def __init__(
        self,
        pictures: Pictures,
        *,
        features: NDArray[np.float32] | None = None,
        content_hashes: Mapping[str, str] | None = None,
        masks: CohortMasks | None = None,
    ) -> None:
        self.pictures = pictures
        self.features = features
        self.masks = masks
        self.content_hashes = dict(content_hashes or {})
        self._pixel_stores: dict[torch.device, DevicePictures] = {}
        self._map_stores: dict[torch.device, RowStore] = {}

    def __getstate__(self) -> dict[str, Any]:
        """What travels to another process: no copy on this one's devices, and of a memory map its file's name alone."""
        stored = {name: travelling(getattr(self, name)) for name in ("features", "content_hashes", "masks")}
        pictures = (travelling(self.pictures.pixels), self.pictures.right_side)
        return stored | {"pictures": pictures, "_pixel_stores": {}, "_map_stores": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open again what travelled by name."""
        pixels, right_side = state["pictures"]
        pictures = Pictures(pixels=arrived(pixels), right_side=right_side)
        self.__dict__.update(state | {"pictures": pictures, "features": arrived(state["features"])})

    @property
    def views(self) -> int:
        """Number of stored views of each picture, ``K``; 0 where the pictures themselves are seen."""
        return 0 if self.features is None else int(self.features.shape[1])

    def pixels(self, row: Tensor, device: torch.device) -> Tensor:
        """Return ``(B, D, H, W)`` float32 in 0-1 of some rows, ``D`` 1 of radiographs, every hip turned left."""
        if device not in self._pixel_stores:
            self._pixel_stores[device] = DevicePictures(self.pictures, device)
        return self._pixel_stores[device].take(row)

    def maps(self, row: Tensor, view: Tensor, device: torch.device) -> Tensor:
        """Return one stored map ``(B, C, h, w)`` of each row."""
        assert self.features is not None
        if device not in self._map_stores:
            self._map_stores[device] = RowStore(self.features, device=device)
        return self._map_stores[device].take(row, view)

    def masked(self, row: Tensor, device: torch.device) -> tuple[Tensor, Tensor] | None:
        """Return masks ``(B, 1, H, W)`` of some rows, 0 or 1, and ``(B,)`` who has one; None where there are none."""
        return None if self.masks is None else self.masks.take(row, device)


@dataclass(frozen=True)
class CohortArrays:
    """Everything of a cohort that a network sees, row by row.

    Attributes:
        images: the radiographs, or None where no image is needed.
        variables: encoded record of all ``N`` rows.
        targets: ``(N,)`` float64 density in g/cm², NaN where unknown.
        use_masks: whether batches carry the masks of the images.
    """

    images: CohortImages | None
    variables: EncodedVariables
    targets: NDArray[np.float64]
    use_masks: bool = False


class DeviceCohort:
    """A cohort's arrays on a device, where batches are gathered.

    Args:
        arrays: the whole cohort.
        device: where batches are wanted.
    """

    def __init__(self, arrays: CohortArrays, device: torch.device) -> None:
        self._images, self._device = arrays.images, device
        self._masked = arrays.images if arrays.use_masks else None
        encoded = arrays.variables
        self._variables = Variables(
            *(torch.from_numpy(part).to(device) for part in (encoded.numeric, encoded.codes, encoded.missing))
        )
        self._targets = torch.from_numpy(arrays.targets.astype(np.float32)).to(device)

    def batch(self, row: Tensor, *, view: Tensor | None = None) -> Batch:
        """Return some rows of the cohort.

        Args:
            row: ``(B,)`` int64 rows of the cohort.
            view: ``(B,)`` int64 stored view of each radiograph; None takes the picture as it is.
        """
        row = row.to(self._device)
        image, features = self._seen(row, torch.zeros_like(row) if view is None else view)
        variables = Variables(*(part[row] for part in self._variables))
        batch = Batch(image=image, variables=variables, target=self._targets[row], row=row, features=features)
        found = None if self._masked is None else self._masked.masked(row, self._device)
        return batch if found is None else batch._replace(mask=found[0], has_mask=found[1])

    def _seen(self, row: Tensor, view: Tensor) -> tuple[Tensor, Tensor | None]:
        if self._images is not None and self._images.features is None:
            return self._images.pixels(row, self._device), None
        nothing = torch.zeros(len(row), 1, 1, 1, device=self._device)
        return nothing, None if self._images is None else self._images.maps(row, view, self._device)


class RowDataset(Dataset[Tensor]):
    """Row numbers of one part of a fold; batches are gathered from them on the device.

    Args:
        rows: rows that belong to this part of the fold.
    """

    def __init__(self, rows: Sequence[int]) -> None:
        self.rows = torch.tensor(list(rows), dtype=torch.int64)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> Tensor:
        return self.rows[position]

    def __getitems__(self, positions: list[int]) -> Tensor:
        """Return the rows ``(B,)`` at the given positions of this part."""
        return self.rows[positions]


def keep_batch(batch: Any) -> Any:  # noqa: ANN401
    """Collate function for a dataset whose ``__getitems__`` already returns whole batches."""
    return batch


def row_blocks(total: int) -> Iterator[NDArray[np.int64]]:
    """Yield the rows 0 to ``total - 1`` in order, a block that fits any memory at a time.

    Example:
        >>> [len(block) for block in row_blocks(70)]
        [32, 32, 6]
    """
    for start in range(0, total, _BLOCK):
        yield np.arange(start, min(start + _BLOCK, total))
