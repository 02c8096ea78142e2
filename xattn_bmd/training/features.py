"""Feature maps of a frozen trunk, computed once for a cohort and shared by all folds, models, repeats and trials."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xattn_bmd.atomic import atomic_write
from xattn_bmd.config import AugmentConfig, ModelConfig
from xattn_bmd.data.dataset import Pictures, row_blocks
from xattn_bmd.data.transforms import augment
from xattn_bmd.errors import CacheError
from xattn_bmd.models.image import ImageEncoder

VIEWS = 8
"""Stored maps of each radiograph: the picture as it is, then seven augmented views."""

_FORMAT = "xattn-bmd-features-1"


def frozen_features(
    pictures: Pictures,
    *,
    model: ModelConfig,
    augmentation: AugmentConfig,
    seed: int,
    device: torch.device,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Return the trunk's last feature map of several views of every radiograph; computed at most once.

    Nothing here is fitted, so the maps may be shared by all folds: view 0 is the picture as it is, which alone is used
    for validation and scoring; the others are random changes of it for training.

    Args:
        pictures: the cohort's pictures, ``N`` rows.
        model: names the trunk and its weights.
        augmentation: ranges of the random changes.
        seed: seed of the random changes.
        device: where the trunk runs; maps of one kind of device are never mixed with those of another.
        folder: cache folder.
        progress: called with (radiographs done, ``N``).

    Returns:
        ``(N, VIEWS, C, h, w)`` float32, a read-only memory map.

    Raises:
        CacheError: if the cache folder is full or cannot be written.
    """
    encoder = ImageEncoder(backbone=model.backbone, weights=model.weights, width=model.width, freeze=True).eval()
    path = folder / "features" / f"{_key(pictures, encoder, augmentation, seed, device)}.npy"

    def views_of(image: Tensor, row: Tensor) -> list[Tensor]:
        changed = (augment(image, row, config=augmentation, seed=seed, epoch=view) for view in range(1, VIEWS))
        return [image, *changed]

    if not path.is_file():
        stream = io.BytesIO()
        np.save(stream, _maps(pictures, encoder.to(device), views_of, progress))
        atomic_write(path, stream.getvalue(), error=CacheError)
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]


def _key(
    pictures: Pictures, encoder: ImageEncoder, augmentation: AugmentConfig, seed: int, device: torch.device
) -> str:
    """Hash all that the maps depend on: pixels, sides, the trunk's weights, the random changes, the arithmetic."""
    digest = hashlib.sha256(_FORMAT.encode())
    for name, value in sorted(encoder.trunk.state_dict().items()):
        digest.update(name.encode() + value.numpy().tobytes())
    digest.update(
        json.dumps([asdict(augmentation), seed, VIEWS, pictures.pixels.shape, device.type, torch.__version__]).encode()
    )
    digest.update(pictures.right_side.tobytes())
    digest.update(np.ascontiguousarray(pictures.pixels).tobytes())
    return digest.hexdigest()


def plain_features(pictures: Pictures, encoder: ImageEncoder) -> NDArray[np.float32]:
    """Return the trunk's last feature map of every picture as it is, on the encoder's device.

    Args:
        pictures: the cohort's pictures, ``N`` rows.
        encoder: holds the trunk.

    Returns:
        ``(N, 1, C, h, w)`` float32: one view of each picture.
    """
    return _maps(pictures, encoder, lambda image, row: [image])


def _maps(
    pictures: Pictures,
    encoder: ImageEncoder,
    views_of: Callable[[Tensor, Tensor], list[Tensor]],
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Return the maps ``(N, K, C, h, w)`` of the ``K`` views that are made of each block of pictures and rows."""
    total, device = len(pictures.pixels), encoder.grey_mean.device
    encoder = encoder.to(memory_format=torch.channels_last)
    parts = []
    with torch.inference_mode():
        for rows in row_blocks(total):
            views = views_of(pictures.take(rows).to(device), torch.from_numpy(rows).to(device))
            parts.append(torch.stack([encoder.features(view).float() for view in views], dim=1).cpu().numpy())
            if progress is not None:
                progress(int(rows[-1]) + 1, total)
    return np.concatenate(parts)
