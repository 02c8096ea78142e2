"""Train the bone encoder: an EfficientNet-Lite0 trunk that sees density, areal map and masks in simulated hips.

Run: python experiments/bone_encoder/pretrain.py --hips FOLDER --out bone_encoder.safetensors [--task both]
FOLDER is what hips.py made. The last patients are held out: what is printed at the end is of them.
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from hips import MAPS, STRIDE, blocks_of
from pytorch_lightning.callbacks import ModelCheckpoint
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import update_bn
from torch.utils.data import DataLoader

from xattn_bmd.config import AugmentConfig
from xattn_bmd.data.transforms import augment
from xattn_bmd.models.image import build_trunk
from xattn_bmd.models.stages import last_map

BACKBONE = "tf_efficientnet_lite0"
HELD_OUT = 500
DENSEST = 4.0
"""Areal density that stands for 1 in the maps, g/cm²; more is rare and cut."""

_MOVES = {"rotation": 10.0, "translation": 0.08, "scale": 0.12}
_MOVED = AugmentConfig(**_MOVES, contrast=0.0, gamma=0.0, noise=0.0)
_CHANGED = AugmentConfig(**_MOVES, contrast=0.3, gamma=0.5, noise=0.02)
_EPOCH_SEED = 5
_SETTLING = 3000
_SMALL = 128
"""Side of the pictures in the first epochs, pixels: most is learned there in a third of the time."""


class Hips:
    """The hips in memory; row ``i`` of each array is one radiograph."""

    def __init__(self, folder: Path, *, most: int | None = None) -> None:
        blocks = list(blocks_of(folder))
        pictures, maps, density, patient = (
            np.concatenate([block[name] for block in blocks])[:most]
            for name in ("pictures", "maps", "density", "patient")
        )
        self.pictures = torch.from_numpy(pictures.view(np.int16))
        self.maps = torch.from_numpy(maps)
        self.density = torch.from_numpy(density)
        people = np.unique(patient)
        held = np.isin(patient, people[-min(HELD_OUT, len(people) // 5) :])
        self.train, self.held_out = (torch.from_numpy(np.flatnonzero(part)) for part in (~held, held))

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return pictures ``(B, 1, H, W)`` in 0-1, maps ``(B, 4, h, w)`` in 0-1 and densities ``(B,)``, g/cm²."""
        picture = (self.pictures[rows].int() & 0xFFFF).float().div_(65535.0).unsqueeze(1)
        maps = self.maps[rows].float()
        maps[:, 0] /= DENSEST
        return picture, maps, self.density[rows]


class BoneEncoder(pl.LightningModule):
    """The trunk with what is asked of it: each cell of the last map tells its 8 x 8 cells, their mean the density.

    Args:
        hips: the hips.
        task: ``"both"``, ``"maps"`` alone or ``"density"`` alone.
        rate: peak learning rate.
        small_epochs: epochs on small pictures, before those on whole ones.
    """

    def __init__(self, hips: Hips, *, task: str, rate: float, small_epochs: int) -> None:
        super().__init__()
        self.hips, self.task, self.rate, self.small_epochs = hips, task, rate, small_epochs
        self.trunk = build_trunk(BACKBONE, weights="pretrained").to(memory_format=torch.channels_last)
        channels = self.trunk.feature_info[-1]["num_chs"]
        cells = self.trunk.feature_info[-1]["reduction"] // STRIDE
        self.to_maps = nn.Sequential(nn.Conv2d(channels, len(MAPS) * cells**2, 1), nn.PixelShuffle(cells))
        self.to_density = nn.Linear(channels, 1)
        values = hips.density[hips.train]
        self.mean, self.sd = float(values.mean()), float(values.std())

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Return raw maps ``(B, 4, h, w)`` and standardised densities ``(B,)``."""
        found = last_map(self.trunk, (picture - 0.5) / 0.5)
        return self.to_maps(found).float(), self.to_density(found.mean(dim=(2, 3))).float().squeeze(1)

    def training_step(self, rows: Tensor, _: int) -> Tensor:
        """Return the loss of a batch, every radiograph changed at random."""
        picture, maps, density = self.hips.batch(rows)
        again = {"seed": _EPOCH_SEED, "epoch": self.current_epoch}
        picture = self._sized(augment(picture, rows, config=_CHANGED, **again))
        raw, standardised = self(picture.contiguous(memory_format=torch.channels_last))
        loss = torch.zeros(())
        if self.task != "density":
            wanted = augment(maps, rows, config=_MOVED, **again)
            loss = loss + map_loss(raw, F.adaptive_avg_pool2d(wanted, raw.shape[-2:]))
        if self.task != "maps":
            loss = loss + F.smooth_l1_loss(standardised, (density - self.mean) / self.sd, beta=0.5)
        self.log("loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(rows))
        return loss

    def _sized(self, picture: Tensor) -> Tensor:
        if self.current_epoch >= self.small_epochs:
            return picture
        return F.interpolate(picture, size=(_SMALL, _SMALL), mode="bilinear", antialias=True)

    def configure_optimizers(self) -> dict[str, object]:
        """AdamW under a one-cycle schedule."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.rate, weight_decay=0.02, fused=True)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=self.rate, total_steps=steps, pct_start=0.15)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def map_loss(raw: Tensor, wanted: Tensor) -> Tensor:
    """Return the loss of the maps: areal density inside the femur, and three masks."""
    inside = wanted[:, 1:2]
    areal = ((raw[:, :1] - DENSEST * wanted[:, :1]).abs() * inside).sum() / inside.sum().clamp_min(1.0)
    return areal + F.binary_cross_entropy_with_logits(raw[:, 1:], wanted[:, 1:].clamp(0, 1))


@torch.no_grad()
def settle_statistics(module: BoneEncoder, *, batch: int) -> None:
    """Measure the trunk's batch-norm statistics again, on whole pictures as a reader will show them.

    In training they follow pictures whose contrast and gamma were changed, and kept to them they misread the unchanged.
    """
    pictures = (module.hips.batch(rows)[0] for rows in module.hips.train[:_SETTLING].split(batch))
    update_bn(pictures, module)


@torch.inference_mode()
def scores(module: BoneEncoder) -> dict[str, float]:
    """Return how the held-out patients are read: correlation and error of density, error of the areal map, Dice."""
    module.eval()
    rows = module.hips.held_out
    parts = [module(module.hips.batch(some)[0]) for some in rows.split(64)]
    raw, z = (torch.cat(part) for part in zip(*parts, strict=True))
    _, maps, density = module.hips.batch(rows)
    predicted = module.mean + module.sd * z
    inside = maps[:, 1] > 0.5
    found = {
        "r": float(torch.corrcoef(torch.stack([predicted, density]))[0, 1]),
        "mae_g_cm2": float((predicted - density).abs().mean()),
        "areal_mae_g_cm2": float((raw[:, 0] - DENSEST * maps[:, 0]).abs()[inside].mean()),
    }
    for index, name in enumerate(MAPS[1:], start=1):
        mask, truth = raw[:, index] > 0, maps[:, index] > 0.5
        found[f"dice_{name}"] = float(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))
    return found


def main() -> None:
    """Train, print the scores of the held-out patients, and store the trunk in half precision."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hips", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--task", choices=["both", "maps", "density"], default="both")
    parser.add_argument("--most", type=int, help="use the first hips only")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--small-epochs", type=int, default=5, help="how many of them see pictures of 128 pixels")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    asked = parser.parse_args()
    pl.seed_everything(0)
    hips = Hips(asked.hips, most=asked.most)
    module = BoneEncoder(hips, task=asked.task, rate=asked.rate, small_epochs=asked.small_epochs)
    kept = asked.out.with_suffix(".checkpoints")
    trainer = pl.Trainer(
        max_epochs=asked.epochs, precision="bf16-mixed", logger=False, gradient_clip_val=None, accelerator="auto",
        enable_progress_bar=False, callbacks=[ModelCheckpoint(kept, save_last=True), Printed()], devices=1,
    )  # fmt: skip
    loader = DataLoader(hips.train, batch_size=asked.batch, shuffle=True, drop_last=True)  # type: ignore[arg-type]
    last = kept / "last.ckpt"
    trainer.fit(module, loader, ckpt_path=last if last.exists() else None)
    settle_statistics(module.cpu(), batch=asked.batch)
    found = scores(module)
    facts = {
        "backbone": BACKBONE, "task": asked.task, "hips": len(hips.train), "held_out": len(hips.held_out),
        "epochs": asked.epochs, "small_epochs": asked.small_epochs, "seed": 0, "machine": platform.machine(),
        **{name: round(value, 4) for name, value in found.items()},
    }  # fmt: skip
    state = {
        name: value.half() if value.is_floating_point() else value for name, value in module.trunk.state_dict().items()
    }
    save_file(
        {name: value.contiguous() for name, value in state.items()}, asked.out, metadata={"facts": json.dumps(facts)}
    )
    print(json.dumps(facts, indent=1))


class Printed(pl.Callback):
    """Prints the loss of every epoch."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print it."""
        print(f"epoch {trainer.current_epoch}: loss {float(trainer.callback_metrics['loss']):.4f}", flush=True)


if __name__ == "__main__":
    main()
