"""The masks of a cohort as a network is trained on them: opened when first asked for, once a process."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xattn_bmd.config import ImageConfig
from xattn_bmd.data.cache import ImageCache
from xattn_bmd.data.checks.masks import check_mask_files
from xattn_bmd.data.masks.match import MaskMatch
from xattn_bmd.data.masks.stored import MaskRow, file_digests, stored_masks
from xattn_bmd.data.row_store import RowStore
from xattn_bmd.errors import CohortError

if TYPE_CHECKING:
    from xattn_bmd.data.cohort import Cohort


class DeviceMasks:
    """The masks of a cohort on a device.

    Args:
        placed: ``(N, S, S)`` uint8 as they are stored.
        has_mask: ``(N,)`` bool.
        right_side: ``(N,)`` bool, True for right hips, whose masks are mirrored like their pictures.
        device: where batches are wanted.
    """

    def __init__(
        self,
        placed: NDArray[np.uint8],
        has_mask: NDArray[np.bool_],
        right_side: NDArray[np.bool_],
        device: torch.device,
    ) -> None:
        self._store = RowStore(placed, device=device)
        self._has_mask, self._right_side = (torch.from_numpy(part).to(device) for part in (has_mask, right_side))

    def take(self, row: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``(B, 1, S, S)`` float32 masks of some rows, turned like their pictures, and ``(B,)`` who has one."""
        mask = self._store.take(row).to(torch.float32)
        row = row.to(self._right_side.device)
        turned = torch.where(self._right_side[row][:, None, None], mask.flip(-1), mask)
        return turned[:, None], self._has_mask[row]


class CohortMasks:
    """Masks of the ``N`` radiographs of a cohort; nothing is read before the first is asked for.

    Args:
        rows: the radiographs by id, in the cohort's order.
        match: how the files were found.
        right_side: ``(N,)`` bool, True for right hips, whose masks are mirrored like their pictures.
        image: preprocessing settings of the pictures.
        folder: cache folder of the pictures.
    """

    def __init__(
        self,
        rows: Mapping[str, MaskRow],
        *,
        match: MaskMatch,
        right_side: NDArray[np.bool_],
        image: ImageConfig,
        folder: Path,
    ) -> None:
        self._rows, self._match, self._right_side = dict(rows), match, right_side
        self._image, self._folder = image, folder
        self._stores: dict[torch.device, DeviceMasks] = {}

    def __getstate__(self) -> dict[str, Any]:
        """What travels to another process: where the masks lie; that process opens them for itself."""
        return {name: value for name, value in vars(self).items() if name not in ("placed", "digest")} | {"_stores": {}}

    @cached_property
    def placed(self) -> NDArray[np.uint8]:
        """``(N, S, S)`` uint8, 1 inside, before right hips are mirrored.

        Raises:
            CohortError: listing every fault of the files and their join.
            CacheError: if the cache folder is full or cannot be written.
        """
        faults = [fault for fault in check_mask_files(self._match) if fault.severity == "error"]
        if faults:
            raise CohortError("\n".join(fault.message for fault in faults))
        return stored_masks(self._rows, region=self._match.region, image=self._image, folder=self._folder)

    @cached_property
    def has_mask(self) -> NDArray[np.bool_]:
        """``(N,)`` bool, True for a radiograph with a mask."""
        return np.array([row.mask is not None for row in self._rows.values()], dtype=np.bool_)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of every mask file with its radiograph's id, whatever their order: a part of what decides a fit."""
        found = sorted(file_digests(self._rows, folder=self._folder).items())
        lines = [str(self._match.region), *(f"{name} {digest}" for name, digest in found)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def take(self, row: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return ``(B, 1, S, S)`` float32 masks of some rows, turned like their pictures, and ``(B,)`` who has one.

        Args:
            row: ``(B,)`` int64.
            device: where they are wanted.
        """
        if device not in self._stores:
            self._stores[device] = DeviceMasks(self.placed, self.has_mask, self._right_side, device)
        return self._stores[device].take(row)


def cohort_masks(cohort: Cohort, cache: ImageCache, *, image: ImageConfig, folder: Path) -> CohortMasks | None:
    """Return the masks of a cohort, or None where it came without; no mask is read yet.

    Args:
        cohort: ``N`` rows.
        cache: opened image cache holding every radiograph.
        image: its preprocessing settings.
        folder: its folder.
    """
    if cohort.masks.folder is None:
        return None
    keys, paths = dict(zip(cache.ids, cache.picture_keys, strict=True)), cohort.image_paths
    rows = {
        name: MaskRow(cohort.masks.paths.get(name), paths[name], keys[name], cache.placements.get(name))
        for name in cohort.radiograph_ids
    }
    right_side = np.array([side == "R" for side in cohort.sides], dtype=np.bool_)
    return CohortMasks(rows, match=cohort.masks, right_side=right_side, image=image, folder=folder)
