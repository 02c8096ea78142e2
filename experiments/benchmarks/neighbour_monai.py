"""The tutorial's job with MONAI: CacheDataset keeps the resized pictures, random changes are made per sample.

Network, loss and optimiser are the tutorial's.  Needs monai; started by neighbours.py.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from child import write_record
from monai.data import CacheDataset, DataLoader
from monai.transforms import (
    Compose,
    EnsureChannelFirstd,
    LoadImaged,
    RandAdjustContrastd,
    RandAffined,
    Resized,
    ScaleIntensityd,
)
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from sklearn.model_selection import KFold, train_test_split
from step_clock import StepClock
from torch import Tensor
from tutorial import CrossAttentionNet, LitRegressor, parsed, record_of


class MonaiRegressor(LitRegressor):
    """The tutorial's module on MONAI's dictionaries."""

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        return super().training_step(_tuple(batch), batch_idx)

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Log the loss of a batch."""
        super().validation_step(_tuple(batch), batch_idx)

    def predict_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Return the densities of a batch."""
        return super().predict_step(_tuple(batch), batch_idx)


def _tuple(batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    image = batch["image"]
    return getattr(image, "as_tensor", lambda: image)(), batch["record"], batch["target"]


def transforms(size: int, *, train: bool) -> Compose:
    """Return loading and resizing, which CacheDataset does once, and for training the random changes."""
    once = [
        LoadImaged("image", reader="PILReader"),
        EnsureChannelFirstd("image"),
        ScaleIntensityd("image"),
        Resized("image", (size, size), anti_aliasing=True),
    ]
    changes = [
        RandAffined("image", prob=1.0, rotate_range=0.14, translate_range=0.05 * size, scale_range=0.08),
        RandAdjustContrastd("image", prob=1.0, gamma=(0.87, 1.15)),
    ]
    return Compose(once + changes if train else once)


def loader(
    table: pd.DataFrame,
    part: np.ndarray,
    *,
    record: np.ndarray,
    asked: argparse.Namespace,
    train: bool = False,
) -> DataLoader:
    """Return the batches of some rows; the cache is filled here."""
    rows = [
        {
            "image": asked.job / "images" / table["image"].iloc[row],
            "record": torch.from_numpy(record[row].astype(np.float32)),
            "target": torch.tensor(table["fn_bmd"].iloc[row], dtype=torch.float32),
        }
        for row in part
    ]
    data = CacheDataset(rows, transforms(asked.size, train=train), cache_rate=1.0, num_workers=2, progress=False)
    return DataLoader(data, batch_size=asked.batch, shuffle=train, num_workers=2, persistent_workers=True)


def main() -> None:
    """Cross-validate and store when each step ended."""
    asked = parsed()
    torch.set_num_threads(asked.threads)
    pl.seed_everything(0)
    clock, begin = StepClock(), time.perf_counter()
    table = pd.read_csv(asked.job / "cohort.csv")
    for train, test in KFold(asked.folds, shuffle=True, random_state=0).split(table):
        train, validation = train_test_split(train, test_size=0.15, random_state=0)
        record = record_of(table, train)
        parts = [loader(table, rows, record=record, asked=asked) for rows in (validation, test)]
        model = MonaiRegressor(CrossAttentionNet(record.shape[1], backbone=asked.backbone))
        with tempfile.TemporaryDirectory() as out:
            trainer = pl.Trainer(
                max_epochs=asked.epochs,
                accelerator=asked.accelerator,
                devices=1,
                logger=CSVLogger(Path(out)),
                callbacks=[ModelCheckpoint(monitor="val_loss")],
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
            )
            trainer.fit(model, loader(table, train, record=record, asked=asked, train=True), parts[0])
            trainer.predict(model, parts[1], ckpt_path="best")
    write_record(asked.record, seconds=time.perf_counter() - begin, steps=clock.times)


if __name__ == "__main__":
    main()
