"""The competitor: image-and-record regression as a competent tutorial writes it, with Lightning and PIL.

One file, no library of ours: a Dataset that opens a 16-bit PNG with PIL, torchvision v2 transforms, a DataLoader with
two workers, a timm ResNet with cross-attention to the record, the default ModelCheckpoint and a CSV logger.
Run alone: python experiments/benchmarks/tutorial.py --job FOLDER [--folds 2 --epochs 2]
FOLDER holds cohort.csv and images; without --job the benchmark's own 200 radiographs are written and taken.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import timm
import torch
from child import write_record
from job import CATEGORICAL, FULL, NUMERIC
from PIL import Image
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from sklearn.model_selection import KFold, train_test_split
from step_clock import StepClock
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

Sample = tuple[Tensor, Tensor, Tensor]


class HipDataset(Dataset[Sample]):
    """One radiograph, its record and its density at a time, decoded whenever it is asked for."""

    def __init__(self, table: pd.DataFrame, *, images: Path, record: np.ndarray, transform: v2.Transform) -> None:
        self.paths = [images / name for name in table["image"]]
        self.record = torch.from_numpy(record.astype(np.float32))
        self.targets = torch.tensor(table["fn_bmd"].to_numpy(), dtype=torch.float32)
        self.transform = transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Sample:
        with Image.open(self.paths[index]) as file:
            pixels = np.asarray(file).astype(np.float32)  # mode I;16: all grey levels are kept
        low, high = pixels.min(), pixels.max()
        image = torch.from_numpy((pixels - low) / (high - low))[None]
        return self.transform(image), self.record[index], self.targets[index]


class CrossAttentionNet(nn.Module):
    """ResNet tokens and record tokens, three layers of attention in both directions, a linear head."""

    trunk: Any

    def __init__(self, columns: int, *, backbone: str, width: int = 128, layers: int = 3, heads: int = 4) -> None:
        super().__init__()
        self.trunk = timm.create_model(backbone, pretrained=False, in_chans=1, num_classes=0, global_pool="")
        self.project = nn.Linear(self.trunk.num_features, width)
        self.record = nn.Sequential(nn.Linear(columns, width), nn.GELU(), nn.Linear(width, 10 * width))
        self.to_record = nn.ModuleList(_attention(width, heads) for _ in range(layers))
        self.to_image = nn.ModuleList(_attention(width, heads) for _ in range(layers))
        self.head = nn.Sequential(nn.LayerNorm(2 * width), nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, 1))

    def forward(self, image: Tensor, record: Tensor) -> Tensor:
        """Return ``(B,)`` density, g/cm²."""
        patches = self.project(self.trunk(image).flatten(2).transpose(1, 2))
        variables = self.record(record).unflatten(1, (10, -1))
        for to_record, to_image in zip(self.to_record, self.to_image, strict=True):
            patches = patches + to_record(patches, variables, variables, need_weights=False)[0]
            variables = variables + to_image(variables, patches, patches, need_weights=False)[0]
        density: Tensor = self.head(torch.cat([patches.mean(dim=1), variables.mean(dim=1)], dim=1)).squeeze(1)
        return density


def _attention(width: int, heads: int) -> nn.MultiheadAttention:
    return nn.MultiheadAttention(width, heads, dropout=0.1, batch_first=True)


class LitRegressor(pl.LightningModule):
    """Smooth L1 and AdamW."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.loss = nn.SmoothL1Loss(beta=0.05)

    def training_step(self, batch: Sample, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        image, record, target = batch
        loss: Tensor = self.loss(self.net(image, record), target)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Sample, batch_idx: int) -> None:
        """Log the loss of a batch."""
        image, record, target = batch
        self.log("val_loss", self.loss(self.net(image, record), target), prog_bar=True)

    def predict_step(self, batch: Sample, batch_idx: int) -> Tensor:
        """Return the densities of a batch."""
        density: Tensor = self.net(batch[0], batch[1])
        return density

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW with the settings of every tutorial."""
        return torch.optim.AdamW(self.parameters(), lr=1e-3, weight_decay=0.05)


def transforms(size: int) -> tuple[v2.Transform, v2.Transform]:
    """Return the transform of training images and that of the others."""
    plain = v2.Resize((size, size), antialias=True)
    train = v2.Compose(
        [
            plain,
            v2.RandomAffine(degrees=8, translate=(0.05, 0.05), scale=(0.92, 1.08)),
            v2.ColorJitter(brightness=0.15, contrast=0.15),
        ]
    )
    return train, plain


def record_of(table: pd.DataFrame, train: np.ndarray) -> np.ndarray:
    """Return the record as numbers, standardised on the training rows, with one column per category."""
    numbers = table[list(NUMERIC)].to_numpy(dtype=float)
    numbers = (numbers - numbers[train].mean(axis=0)) / numbers[train].std(axis=0)
    return np.hstack([numbers, pd.get_dummies(table[list(CATEGORICAL)]).to_numpy(dtype=float)])


def run_fold(table: pd.DataFrame, rows: tuple[np.ndarray, np.ndarray], out: Path, asked: argparse.Namespace) -> float:
    """Train on one fold and return the mean absolute error on its held-out part, g/cm²."""
    train, test = rows
    train, validation = train_test_split(train, test_size=0.15, random_state=0)
    record, (changed, plain) = record_of(table, train), transforms(asked.size)

    def loader(part: np.ndarray, transform: v2.Transform, shuffle: bool = False) -> DataLoader[Sample]:
        data = HipDataset(table.iloc[part], images=asked.job / "images", record=record[part], transform=transform)
        return DataLoader(data, batch_size=asked.batch, shuffle=shuffle, num_workers=2, persistent_workers=True)

    trainer = pl.Trainer(
        max_epochs=asked.epochs,
        accelerator=asked.accelerator,
        devices=1,
        logger=CSVLogger(out),
        callbacks=[ModelCheckpoint(monitor="val_loss")],
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    model = LitRegressor(CrossAttentionNet(record.shape[1], backbone=asked.backbone))
    trainer.fit(model, loader(train, changed, shuffle=True), loader(validation, plain))
    batches: Any = trainer.predict(model, loader(test, plain), ckpt_path="best")
    predicted = torch.cat(batches)
    target = table["fn_bmd"].to_numpy()[test]
    pd.DataFrame({"target": target, "prediction": predicted.cpu().numpy()}).to_csv(out / "predictions.csv", index=False)
    return float(np.abs(predicted.cpu().numpy() - target).mean())


def parsed() -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--job", type=Path)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=FULL.batch)
    parser.add_argument("--size", type=int, default=FULL.size)
    parser.add_argument("--backbone", default=FULL.backbone)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--accelerator", default="cpu")
    parser.add_argument("--record", type=Path, help="JSON file for the measured times")
    return parser.parse_args()


def main() -> None:
    """Cross-validate, print the error of each fold and store when each step ended."""
    asked = parsed()
    asked.job = asked.job or FULL.folder()
    torch.set_num_threads(asked.threads)
    pl.seed_everything(0)
    clock, begin = StepClock(), time.perf_counter()
    table = pd.read_csv(asked.job / "cohort.csv")
    folds = KFold(asked.folds, shuffle=True, random_state=0).split(table)
    with tempfile.TemporaryDirectory() as out:
        for number, rows in enumerate(folds):
            (folder := Path(out) / f"fold_{number}").mkdir()
            print(f"fold {number}: MAE {run_fold(table, rows, folder, asked):.4f} g/cm2", flush=True)
    write_record(asked.record, seconds=time.perf_counter() - begin, steps=clock.times)


if __name__ == "__main__":
    main()
