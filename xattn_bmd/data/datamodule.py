"""One fold of a cohort as a Lightning data module; usable with any Trainer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from xattn_bmd.config import AugmentConfig, ImageConfig, Protocol
from xattn_bmd.data.cache import ImageCache, cached_images, default_cache_folder
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.dataset import CohortArrays, CohortDataset, Pictures, keep_batch
from xattn_bmd.data.folds import FoldPlan, Split
from xattn_bmd.data.transforms import augment, uniform_draws
from xattn_bmd.data.variables import VariableEncoder
from xattn_bmd.types import Batch, VariableSchema


class CohortDataModule(pl.LightningDataModule):
    """Training, validation and test part of one fold; everything fitted is fitted on the training part alone.

    Args:
        cohort: radiographs and clinical record.
        plan: fold plan of that cohort.
        repeat: repeat of the plan, from 0.
        fold: scored fold, from 0.
        protocol: ``"nested"`` or ``"paper"`` (validation is the scored fold: optimistic).
        image: image settings.
        augment: ranges of the training images' random changes, or None for none.
        batch_size: radiographs a batch.
        seed: seed of shuffling and augmentation.
        cache: folder of the decoded images; None takes the user's cache folder.
        use_images: False for models of the record alone; no file is then decoded.
        features: ``(N, K, C, h, w)`` feature maps of a frozen trunk, in the cohort's order, in place of the images;
            view 0 is the picture as it is, the others are augmented views for training.

    Raises:
        FoldPlanError: if the plan does not fit the cohort or leaks a patient between parts, and, in ``setup``, if one
            picture lies in two parts.
    """

    def __init__(
        self,
        cohort: Cohort,
        *,
        plan: FoldPlan,
        repeat: int = 0,
        fold: int = 0,
        protocol: Protocol = "nested",
        image: ImageConfig | None = None,
        augment: AugmentConfig | None = None,
        batch_size: int = 16,
        seed: int = 0,
        cache: Path | None = None,
        use_images: bool = True,
        features: NDArray[np.float32] | None = None,
    ) -> None:
        super().__init__()
        plan.check_fits(cohort)
        self.cohort, self.plan, self.seed, self.batch_size = cohort, plan, seed, batch_size
        self.split: Split = plan.split(repeat, fold, protocol)
        self.augment_config = augment
        self._image = image or ImageConfig()
        self._cache_folder = cache or default_cache_folder()
        self._use_images = use_images
        self._features = features
        self._rows = {name: row for row, name in enumerate(cohort.radiograph_ids)}
        self._arrays: CohortArrays | None = None
        self.encoder = VariableEncoder.fit(cohort.table.iloc[self.rows_of(self.split.train)], cohort.schema)

    @property
    def schema(self) -> VariableSchema:
        """Names and categories of the clinical variables."""
        return self.cohort.schema

    @property
    def train_targets(self) -> NDArray[np.float64]:
        """``(N_train,)`` densities of the training part, g/cm²: for target scaling and loss weights."""
        return self.cohort.targets[self.rows_of(self.split.train)]

    def rows_of(self, radiograph_ids: Sequence[str]) -> list[int]:
        """Return the cohort rows of the given radiographs."""
        return [self._rows[name] for name in radiograph_ids]

    def prepare_data(self) -> None:
        """Decode every image that the cache does not hold yet (once per machine, before the processes split)."""
        if self._use_images:
            self._open_cache()

    def setup(self, stage: str | None = None) -> None:
        """Open the cache and encode the record."""
        if self._arrays is None:
            cache = self._open_cache() if self._use_images else None
            if cache is not None:
                patient_of = dict(zip(self.cohort.radiograph_ids, self.cohort.patient_ids, strict=True))
                self.plan.check_leakage(patient_of, dict(zip(cache.ids, cache.content_hashes, strict=True)))
            arrays = cohort_arrays(self.cohort, encoder=self.encoder, cache=cache)
            self._arrays = replace(arrays, features=self._features)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Shuffled batches of the training part; a last batch of one is dropped (batch norm needs two)."""
        rows = self.rows_of(self.split.train)
        single = len(rows) % self.batch_size == 1 and len(rows) > 1
        generator = torch.Generator().manual_seed(self.seed)
        return self._loader(rows, shuffle=True, drop_last=single, generator=generator)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Batches of the validation part, in order."""
        return self._loader(self.rows_of(self.split.validation))

    def test_dataloader(self) -> DataLoader[Batch]:
        """Batches of the scored fold, in order."""
        return self._loader(self.rows_of(self.split.test))

    def predict_dataloader(self) -> DataLoader[Batch]:
        """Batches of the scored fold, in order."""
        return self.test_dataloader()

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Augment training batches on the device that they have just reached, or choose the stored view."""
        trainer = self.trainer
        training = self.augment_config is not None and trainer is not None and trainer.training
        epoch = trainer.current_epoch if trainer is not None else 0
        if batch.features is not None:
            return batch._replace(features=self._one_view(batch.features, batch.row, training=training, epoch=epoch))
        if not training or not self._use_images or self.augment_config is None:
            return batch
        changed = augment(batch.image, batch.row, config=self.augment_config, seed=self.seed, epoch=epoch)
        return batch._replace(image=changed)

    def _one_view(self, features_BKChw: Tensor, row: Tensor, *, training: bool, epoch: int) -> Tensor:
        """Return ``(B, C, h, w)``: in training one view drawn for each radiograph, elsewhere the picture as it is."""
        if not training:
            return features_BKChw[:, 0]
        draw = uniform_draws(row, 1, seed=self.seed, epoch=epoch)[:, 0]
        chosen = (draw * features_BKChw.shape[1]).long()
        return features_BKChw[torch.arange(len(row), device=row.device), chosen]

    def _open_cache(self) -> ImageCache:
        return cached_images(self.cohort.image_paths, image=self._image, folder=self._cache_folder)

    def _loader(
        self,
        rows: list[int],
        *,
        shuffle: bool = False,
        drop_last: bool = False,
        generator: torch.Generator | None = None,
    ) -> DataLoader[Batch]:
        if self._arrays is None:
            self.setup()
        assert self._arrays is not None
        return DataLoader(
            CohortDataset(self._arrays, rows),
            batch_size=self.batch_size,
            shuffle=shuffle,
            drop_last=drop_last,
            generator=generator,
            collate_fn=keep_batch,
        )


def cohort_arrays(cohort: Cohort, *, encoder: VariableEncoder, cache: ImageCache | None) -> CohortArrays:
    """Return what a network sees of a cohort, with the record encoded by a fitted encoder.

    Args:
        cohort: radiographs and record, ``N`` rows.
        encoder: variable encoder fitted on training rows.
        cache: opened image cache holding every radiograph, or None for the record alone.
    """
    return CohortArrays(
        pictures=None if cache is None else cohort_pictures(cohort, cache),
        variables=encoder.transform(cohort.table),
        targets=cohort.targets,
    )


def cohort_pictures(cohort: Cohort, cache: ImageCache) -> Pictures:
    """Return the cached pictures in the cohort's order, with the side of each hip."""
    position = {name: row for row, name in enumerate(cache.ids)}
    order = [position[name] for name in cohort.radiograph_ids]
    in_order = order == list(range(len(cache.ids)))
    return Pictures(
        pixels=cache.pixels if in_order else cache.pixels[order],
        right_side=np.array([side == "R" for side in cohort.sides], dtype=np.bool_),
    )
