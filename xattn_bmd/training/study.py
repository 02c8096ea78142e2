"""What all fits of a comparison share, and which fit is which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.config import CompareConfig
from xattn_bmd.data.cache import ImageCache, cached_images
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.datamodule import cohort_pictures
from xattn_bmd.data.folds import FoldPlan
from xattn_bmd.training.device import torch_device
from xattn_bmd.training.features import frozen_features


@dataclass(frozen=True)
class Job:
    """One fit: a model on a fold of a repeat."""

    model: str
    repeat: int
    fold: int


@dataclass(frozen=True)
class Study:
    """What all fits of a comparison share."""

    cohort: Cohort
    plan: FoldPlan
    config: CompareConfig
    cache_folder: Path

    def open_cache(self) -> ImageCache:
        """Open the decoded images; decodes only what no earlier run has decoded."""
        return cached_images(self.cohort.image_paths, image=self.config.image, folder=self.cache_folder)

    def open_features(self, progress: Callable[[int, int], None] | None = None) -> NDArray[np.float32] | None:
        """Open a frozen trunk's feature maps of the whole cohort, or return None where the trunk is trained.

        Computes only what no earlier run has computed.
        """
        if self.config.model.freeze != "trunk":
            return None
        return frozen_features(
            cohort_pictures(self.cohort, self.open_cache()),
            model=self.config.model,
            augmentation=self.config.training.augment,
            seed=self.config.seed,
            device=torch_device(self.config.training.accelerator),
            folder=self.cache_folder,
            progress=progress,
        )

    @cached_property
    def features(self) -> NDArray[np.float32] | None:
        """The opened feature maps, kept for all fits of this process."""
        return self.open_features()


def rows_of(cohort: Cohort, radiograph_ids: tuple[str, ...]) -> list[int]:
    """Return the rows of some radiographs in their cohort, ascending."""
    position = {name: row for row, name in enumerate(cohort.radiograph_ids)}
    return sorted(position[name] for name in radiograph_ids)


def reference_of(config: CompareConfig) -> str:
    """Return the name of the reference population of a comparison's settled configuration."""
    assert config.reference is not None, "a comparison settles the reference before it is run"
    return config.reference
