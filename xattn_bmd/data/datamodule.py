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
from xattn_bmd.data.dataset import CohortArrays, CohortImages, DeviceCohort, Pictures, RowDataset, keep_batch
from xattn_bmd.data.draws import uniform_draws
from xattn_bmd.data.folds import FoldPlan, Split
from xattn_bmd.data.masks.opened import CohortMasks, cohort_masks
from xattn_bmd.data.plans.split import refuse_leak
from xattn_bmd.data.transforms import augment, augment_mask
from xattn_bmd.data.variables import VariableEncoder
from xattn_bmd.data.withheld import InputDropout, drop_inputs
from xattn_bmd.errors import ConfigError
from xattn_bmd.types import Batch, VariableSchema


class CohortDataModule(pl.LightningDataModule):
    """Training, validation and test part of one fold; everything fitted is fitted on the training part alone.

    The loaders yield row numbers; a batch is gathered, and changed, on the device that trains (:meth:`batch`), which
    holds the whole cohort where it fits (:class:`~xattn_bmd.data.row_store.RowStore`).

    Args:
        cohort: radiographs and clinical record.
        plan: fold plan of that cohort.
        repeat: repeat of the plan, from 0.
        fold: scored fold, from 0.
        protocol: ``"nested"`` or ``"paper"`` (validation is the scored fold: optimistic).
        image: image settings.
        augment: ranges of the training images' random changes, or None for none.
        dropout: shares of the inputs that are withheld in training, or None for none.
        batch_size: radiographs a batch.
        seed: seed of shuffling and augmentation.
        cache: folder of the decoded images; None takes the user's cache folder.
        use_images: False for models of the record alone; no file is then decoded.
        images: the opened images, shared by many fits, or None to open the cache; in the cohort's order.
        use_masks: True for models that draw masks: batches then carry those of the cohort, if it has any.  No mask is
            read otherwise.

    Raises:
        ConfigError: if masks are asked for without pictures, or with images that are shared without theirs.
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
        dropout: InputDropout | None = None,
        batch_size: int = 16,
        seed: int = 0,
        cache: Path | None = None,
        use_images: bool = True,
        images: CohortImages | None = None,
        use_masks: bool = False,
    ) -> None:
        super().__init__()
        plan.check_fits(cohort)
        if use_masks:
            _require_maskable(cohort, images, use_images=use_images)
        self.cohort, self.plan, self.seed, self.batch_size = cohort, plan, seed, batch_size
        self.split: Split = plan.split(repeat, fold, protocol)
        self._nested = plan.split(repeat, fold)
        self._place = f"repeat {repeat}, fold {fold}"
        self.augment_config, self.dropout = augment, dropout or InputDropout()
        self._image = image or ImageConfig()
        self._cache_folder = cache or default_cache_folder()
        self._use_images = use_images
        self._images, self._use_masks = images, use_masks
        self._on: dict[torch.device, DeviceCohort] = {}
        self._rows = {name: row for row, name in enumerate(cohort.radiograph_ids)}
        self._arrays: CohortArrays | None = None
        self.encoder = VariableEncoder.fit(
            cohort.table.iloc[self.rows_of(self.split.train)],
            cohort.schema,
            withheld=bool(self.dropout.record or self.dropout.variable),
        )

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
        if self._use_images and self._images is None:
            self._open_images()
        elif self._images is not None and self._use_masks:
            _open_masks(self._images)

    def setup(self, stage: str | None = None) -> None:
        """Open the cache and encode the record."""
        if self._arrays is None:
            images = None
            if self._use_images:
                images = self._images or self._open_images()
                refuse_leak(self._nested, images.content_hashes, shared="picture", place=self._place)
            arrays = cohort_arrays(self.cohort, encoder=self.encoder, images=images)
            self._arrays = replace(arrays, use_masks=self._use_masks)

    def batch(self, row: Tensor, *, device: torch.device | str = "cpu", epoch: int | None = None) -> Batch:
        """Gather a batch on a device.

        Args:
            row: ``(B,)`` int64 row numbers, as the loaders yield them.
            device: where the batch is wanted.
            epoch: epoch of training, whose random changes are made and inputs withheld; None leaves all as it is.
        """
        cohort = self._on_device(torch.device(device))
        if epoch is None:
            return cohort.batch(row)
        changed = self._changed(cohort, row.to(device), epoch=epoch)
        return drop_inputs(changed, dropout=self.dropout, seed=self.seed, epoch=epoch)

    def train_dataloader(self) -> DataLoader[Tensor]:
        """Shuffled batches of the training part; a last batch of one is dropped (batch norm needs two)."""
        rows = self.rows_of(self.split.train)
        single = len(rows) % self.batch_size == 1 and len(rows) > 1
        generator = torch.Generator().manual_seed(self.seed)
        return self._loader(rows, shuffle=True, drop_last=single, generator=generator)

    def val_dataloader(self) -> DataLoader[Tensor]:
        """Batches of the validation part, in order."""
        return self._loader(self.rows_of(self.split.validation))

    def test_dataloader(self) -> DataLoader[Tensor]:
        """Batches of the scored fold, in order."""
        return self._loader(self.rows_of(self.split.test))

    def predict_dataloader(self) -> DataLoader[Tensor]:
        """Batches of the scored fold, in order."""
        return self.test_dataloader()

    def transfer_batch_to_device(self, batch: Tensor, device: torch.device, dataloader_idx: int) -> Batch:
        """Gather the batch on the device; in training with the random changes of the epoch."""
        trainer = self.trainer
        training = trainer is not None and trainer.training
        return self.batch(batch, device=device, epoch=trainer.current_epoch if trainer and training else None)

    def _changed(self, cohort: DeviceCohort, row: Tensor, *, epoch: int) -> Batch:
        if self.augment_config is None or not self._use_images:
            return cohort.batch(row)
        if self._views:
            return cohort.batch(row, view=self._drawn_view(row, epoch=epoch))
        batch = cohort.batch(row)
        changed = augment(batch.image, row, config=self.augment_config, seed=self.seed, epoch=epoch)
        if batch.mask is None:
            return batch._replace(image=changed)
        mask = augment_mask(batch.mask, row, config=self.augment_config, seed=self.seed, epoch=epoch)
        return batch._replace(image=changed, mask=mask)

    def _drawn_view(self, row: Tensor, *, epoch: int) -> Tensor:
        """Return one stored view for each radiograph, ``(B,)``, drawn for itself."""
        draw = uniform_draws(row, 1, seed=self.seed, epoch=epoch)[:, 0]
        return (draw * self._views).long()

    @property
    def _views(self) -> int:
        return 0 if self._arrays is None or self._arrays.images is None else self._arrays.images.views

    def _on_device(self, device: torch.device) -> DeviceCohort:
        self.setup()
        assert self._arrays is not None
        if device not in self._on:
            self._on[device] = DeviceCohort(self._arrays, device)
        return self._on[device]

    def _open_images(self) -> CohortImages:
        cache = self._open_cache()
        masks = cohort_masks(self.cohort, cache, image=self._image, folder=self._cache_folder)
        images = cohort_images(self.cohort, cache, masks=masks)
        if self._use_masks:
            _open_masks(images)
        return images

    def _open_cache(self) -> ImageCache:
        return cached_images(self.cohort.image_paths, image=self._image, folder=self._cache_folder)

    def _loader(
        self,
        rows: list[int],
        *,
        shuffle: bool = False,
        drop_last: bool = False,
        generator: torch.Generator | None = None,
    ) -> DataLoader[Tensor]:
        return DataLoader(
            RowDataset(rows),
            batch_size=self.batch_size,
            shuffle=shuffle,
            drop_last=drop_last,
            generator=generator,
            collate_fn=keep_batch,
        )


def cohort_arrays(cohort: Cohort, *, encoder: VariableEncoder, images: CohortImages | None) -> CohortArrays:
    """Return what a network sees of a cohort, with the record encoded by a fitted encoder.

    Args:
        cohort: radiographs and record, ``N`` rows.
        encoder: variable encoder fitted on training rows.
        images: the radiographs in the cohort's order, or None for the record alone.
    """
    return CohortArrays(images=images, variables=encoder.transform(cohort.table), targets=cohort.targets)


def cohort_images(
    cohort: Cohort,
    cache: ImageCache,
    *,
    features: NDArray[np.float32] | None = None,
    masks: CohortMasks | None = None,
) -> CohortImages:
    """Return the radiographs of a cohort as a network sees them.

    Args:
        cohort: ``N`` rows.
        cache: opened image cache holding every radiograph.
        features: stored feature maps ``(N, K, C, h, w)`` in the cohort's order, seen in place of the pictures.
        masks: masks of the radiographs: :func:`~xattn_bmd.data.masks.opened.cohort_masks`.
    """
    content = dict(zip(cache.ids, cache.content_hashes, strict=True))
    return CohortImages(cohort_pictures(cohort, cache), features=features, content_hashes=content, masks=masks)


def _require_maskable(cohort: Cohort, images: CohortImages | None, *, use_images: bool) -> None:
    """Refuse to look for masks where no batch could carry them."""
    if not use_images:
        raise ConfigError(
            "A mask is drawn on a picture, but use_masks was asked for with use_images=False; leave one of them out."
        )
    if images is not None and images.features is not None:
        raise ConfigError(
            "A mask is drawn on a picture, but the given images are stored feature maps; give the pictures themselves "
            "(model.freeze: none), or leave use_masks out."
        )
    if images is not None and images.masks is None and cohort.masks.folder is not None:
        raise ConfigError(
            "Shared images carry the masks of their cohort, but the given ones have none and the cohort has; make them "
            "with cohort_images(..., masks=cohort_masks(...))."
        )


def _open_masks(images: CohortImages) -> None:
    """Place every mask now, so that a fault is told of before the first batch."""
    if images.masks is not None:
        _ = images.masks.placed


def cohort_pictures(cohort: Cohort, cache: ImageCache) -> Pictures:
    """Return the cached pictures in the cohort's order, with the side of each hip."""
    position = {name: row for row, name in enumerate(cache.ids)}
    order = [position[name] for name in cohort.radiograph_ids]
    in_order = order == list(range(len(cache.ids)))
    return Pictures(
        pixels=cache.pixels if in_order else cache.pixels[order],
        right_side=np.array([side == "R" for side in cohort.sides], dtype=np.bool_),
    )
