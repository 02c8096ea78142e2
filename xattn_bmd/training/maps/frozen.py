"""Feature maps of a frozen trunk, computed once for a cohort and shared by all folds, models, repeats and trials."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from torch import Tensor

from xattn_bmd.config import AugmentConfig, ModelConfig
from xattn_bmd.data.dataset import Pictures
from xattn_bmd.data.transforms import augment
from xattn_bmd.errors import CacheError
from xattn_bmd.models.image import ImageEncoder
from xattn_bmd.training.maps.blocks import CPU_BLOCK, map_blocks
from xattn_bmd.training.maps.file import Blocks, stored_maps

VIEWS = 8
"""Stored maps of each radiograph where it is augmented: the picture as it is, then seven augmented views."""

FORMAT = "xattn-bmd-features-2"
"""Raised with every change of how maps are made or stored, the random changes included: older maps are not found."""


def frozen_features(
    pictures: Pictures,
    *,
    keys: Sequence[str],
    model: ModelConfig,
    augmentation: AugmentConfig | None,
    seed: int,
    device: torch.device,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Return the map of a trunk's frozen part for several views of every radiograph; computed at most once.

    Nothing here is fitted, so the maps may be shared by all folds: view 0 is the picture as it is, which alone is used
    for validation and scoring; the others are random changes of it for training.

    Args:
        pictures: the cohort's pictures, ``N`` rows.
        keys: what each picture was made of, ``N`` long; :attr:`~xattn_bmd.data.cache.ImageCache.picture_keys`.
        model: names the trunk, its weights and what of it is frozen.
        augmentation: ranges of the random changes, or None for none.
        seed: seed of the random changes.
        device: where the trunk runs; maps of one kind of device are never mixed with those of another.
        folder: cache folder.
        progress: called with (radiographs done, ``N``).

    Returns:
        ``(N, K, C, h, w)`` float32, a read-only memory map; ``K`` is :data:`VIEWS`, or 1 where nothing is changed.

    Raises:
        CacheError: if the cache folder is full or cannot be written, or pictures and keys do not belong together.
        ModelError: if the trunk or its weights cannot be had.
    """
    if len(keys) != len(pictures.pixels):
        raise CacheError(
            f"Every picture has a key, but {len(pictures.pixels)} pictures came with {len(keys)} keys; open both "
            "from one cache."
        )
    encoder = _encoder(model)
    views = view_count(augmentation)
    changes = None if augmentation is None or views == 1 else [asdict(augmentation), seed]
    key = _key(keys, pictures, encoder, [model.backbone, model.freeze, device.type, views, changes])

    def views_of(image: Tensor, row: Tensor) -> list[Tensor]:
        if augmentation is None or changes is None:
            return [image]
        return [image, *(augment(image, row, config=augmentation, seed=seed, epoch=view) for view in range(1, views))]

    def blocks() -> Blocks:
        return _counted(map_blocks(pictures, encoder.to(device), views_of=views_of), total=len(keys), progress=progress)

    return stored_maps(folder / "features" / f"{key}.npy", rows=len(keys), views=views, blocks=blocks)


def view_count(augmentation: AugmentConfig | None) -> int:
    """Return how many maps are stored of each radiograph: one where no random change is wanted.

    Example:
        >>> view_count(None), view_count(AugmentConfig())
        (1, 8)
    """
    return VIEWS if augmentation is not None and any(asdict(augmentation).values()) else 1


def _encoder(model: ModelConfig) -> ImageEncoder:
    with torch.random.fork_rng(devices=[]):
        return ImageEncoder(
            backbone=model.backbone, weights=model.weights, width=model.width, freeze=model.freeze
        ).eval()


def _key(keys: Sequence[str], pictures: Pictures, encoder: ImageEncoder, settings: list[object]) -> str:
    """Hash all that the maps depend on: pictures, sides, frozen weights, random changes, arithmetic."""
    digest = hashlib.sha256(FORMAT.encode())
    arithmetic = [CPU_BLOCK, torch.__version__, timm.__version__]
    digest.update(json.dumps([settings, arithmetic, pictures.pixels.shape]).encode())
    state, frozen = encoder.state_dict(), encoder.frozen_names() | {"grey_mean", "grey_sd"}
    for name in sorted(frozen):
        digest.update(name.encode() + state[name].numpy().tobytes())
    digest.update(pictures.right_side.tobytes())
    digest.update("\n".join(keys).encode())
    return digest.hexdigest()


def _counted(
    blocks: Iterator[NDArray[np.float32]], *, total: int, progress: Callable[[int, int], None] | None
) -> Blocks:
    done = 0
    for block in blocks:
        yield block
        done += len(block)
        if progress is not None:
            progress(done, total)
