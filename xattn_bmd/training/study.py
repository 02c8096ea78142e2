"""What all fits of a comparison share, and which fit is which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from xattn_bmd.bone.reference import Unit, get_reference
from xattn_bmd.config import CompareConfig, ModelConfig
from xattn_bmd.data.cache import ImageCache, cached_images
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.datamodule import cohort_images
from xattn_bmd.data.dataset import CohortImages
from xattn_bmd.data.folds import FoldPlan
from xattn_bmd.data.masks.opened import CohortMasks, cohort_masks
from xattn_bmd.models.fusions.backbone_names import model_config, own_backbone
from xattn_bmd.training.device import torch_device
from xattn_bmd.training.fits.memory import BatchParts
from xattn_bmd.training.maps.frozen import frozen_features
from xattn_bmd.training.registry import uses_images


@dataclass(frozen=True)
class Job:
    """One fit: a model on a fold of a repeat."""

    model: str
    repeat: int
    fold: int


@dataclass(frozen=True)
class Study:
    """What all fits of a comparison share; what it opens is opened once a process and does not travel with it.

    Attributes:
        cohort: radiographs and record, in the order of their ids.
        plan: fold plan.
        config: settings.
        cache_folder: where this process keeps decoded pictures and feature maps.
    """

    cohort: Cohort
    plan: FoldPlan
    config: CompareConfig
    cache_folder: Path

    def __getstate__(self) -> dict[str, Any]:
        """What travels to another process: the fields alone."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def open(
        self,
        *,
        decoded: Callable[[int, int], None] | None = None,
        encoded: Callable[[int, int], None] | None = None,
    ) -> CohortImages:
        """Open the pictures, and a frozen trunk's feature maps; decodes and computes only what no run has before.

        Args:
            decoded: called with (files decoded, files to decode).
            encoded: called with (radiographs whose maps are stored, radiographs).
        """
        if "images" not in self.__dict__:
            self.__dict__["cache"] = self._open_cache(decoded)
            self.__dict__["images"] = self._open_images(encoded)
            for name in filter(uses_images, self.config.models):
                self.images_of(name)
        return self.images

    @cached_property
    def cache(self) -> ImageCache:
        """The decoded pictures."""
        return self._open_cache(None)

    @cached_property
    def images(self) -> CohortImages:
        """What the networks see of the radiographs, shared by all fits of this process."""
        return self._open_images(None)

    @cached_property
    def batch_parts(self) -> BatchParts:
        """In how many parts this process's device takes a batch."""
        return BatchParts()

    def images_of(self, model: str) -> CohortImages:
        """Return what the network of a model sees of the radiographs: the maps of its own frozen trunk.

        Args:
            model: name of a model, which may name a backbone.
        """
        own = model_config(model, self.config.model)
        if own == self.config.model or not self._stores_maps:
            return self.images
        others: dict[str, CohortImages] = self.__dict__.setdefault("_others", {})
        if own.backbone not in others:
            others[own.backbone] = self._with_maps(own, None)
        return others[own.backbone]

    @property
    def _stores_maps(self) -> bool:
        """Whether maps of frozen trunks are stored; a mask head needs the finer maps too, which are not."""
        return self.config.model.freeze != "none" and self.config.model.mask_head == "none"

    def _open_cache(self, progress: Callable[[int, int], None] | None) -> ImageCache:
        paths, image = self.cohort.image_paths, self.config.image
        return cached_images(paths, image=image, folder=self.cache_folder, progress=progress)

    def _open_images(self, progress: Callable[[int, int], None] | None) -> CohortImages:
        shared = any(own_backbone(name) is None for name in self.config.models if uses_images(name))
        if self._stores_maps and shared:
            return self._with_maps(self.config.model, progress)
        return cohort_images(self.cohort, self.cache, masks=self._masks())

    def _masks(self) -> CohortMasks | None:
        return cohort_masks(self.cohort, self.cache, image=self.config.image, folder=self.cache_folder)

    def _with_maps(self, model: ModelConfig, progress: Callable[[int, int], None] | None) -> CohortImages:
        maps = frozen_features(
            cohort_images(self.cohort, self.cache).pictures,
            keys=self.cache.picture_keys,
            model=model,
            augmentation=self.config.training.augment,
            seed=self.config.seed,
            device=torch_device(self.config.training.accelerator),
            folder=self.cache_folder,
            progress=progress,
        )
        return cohort_images(self.cohort, self.cache, features=maps, masks=self._masks())


def rows_of(cohort: Cohort, radiograph_ids: tuple[str, ...]) -> list[int]:
    """Return the rows of some radiographs in their cohort, ascending."""
    position = {name: row for row, name in enumerate(cohort.radiograph_ids)}
    return sorted(position[name] for name in radiograph_ids)


def reference_of(config: CompareConfig) -> str:
    """Return the name of the reference population of a comparison's settled configuration."""
    assert config.reference is not None, "a comparison settles the reference before it is run"
    return config.reference


def unit_of(config: CompareConfig) -> Unit:
    """Return the unit of a comparison's densities: that of its reference; g/cm² before one is settled."""
    return "g/cm2" if config.reference is None else get_reference(config.reference).unit
