"""Targets 3 and 4: pictures from the cache against decoding them every epoch, and what a second run costs.

Run alone: python experiments/benchmarks/input.py [--n 200] [--repeats 3] [--quick]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from decoding import DicomDataset, decoded_rate, jpeg_2000
from job import FULL, QUICK, Job
from measured import Measured
from reuse import second_run
from rounds import in_turn
from torch import Tensor
from tutorial import HipDataset, transforms

from xattn_bmd import Cohort, CohortDataModule, DensityModule, FoldPlan, ImageConfig, ModelConfig, TrainingConfig
from xattn_bmd import build_network as build
from xattn_bmd.config import AugmentConfig
from xattn_bmd.training.fits.precision import settled_precision
from xattn_bmd.training.fits.quiet import quiet_trainer
from xattn_bmd.training.threads import compute_threads

THREADS = 2
_EPOCHS = 12


class TimedData(CohortDataModule):
    """Notes when each training batch is asked for and when it is there, seconds."""

    def __init__(self, *given: Any, **named: Any) -> None:  # noqa: ANN401
        super().__init__(*given, **named)
        self.asked: list[float] = []
        self.there: list[float] = []

    def transfer_batch_to_device(self, batch: Tensor, device: torch.device, dataloader_idx: int) -> object:
        """Gather the batch between two looks at the clock."""
        begin = time.perf_counter()
        found = super().transfer_batch_to_device(batch, device, dataloader_idx)
        if self.trainer is not None and self.trainer.training:
            self.asked.append(begin)
            self.there.append(time.perf_counter())
        return found


def measure(*, quick: bool, repeats: int, n: int | None = None) -> list[Measured]:
    """Return the rows of target 3 (rate against decoding, share of a step) and 4 (files decoded, time to open)."""
    job = Job(**(vars(QUICK if quick else FULL) | ({"radiographs": n} if n else {})))
    with compute_threads(THREADS), tempfile.TemporaryDirectory() as scratch:
        return [
            *_rates(job, Path(scratch), repeats=repeats),
            *_input_share(job, Path(scratch), repeats=repeats),
            *second_run(32 if quick else 233, Path(scratch), repeats=repeats),
        ]


def _rates(job: Job, scratch: Path, *, repeats: int) -> list[Measured]:
    """Time the road of a training epoch and decoding, in turn."""
    data = _data(job, scratch)
    data.setup()
    table = data.cohort.table
    pngs = HipDataset(
        table, images=job.folder() / "images", record=np.zeros((len(table), 1)), transform=transforms(job.size)[1]
    )
    roads: dict[str, Callable[[], float]] = {
        "cached": partial(_cached_rate, data, epochs=_EPOCHS),
        "PNG": partial(decoded_rate, pngs, batch=job.batch),
    }
    if dicoms := jpeg_2000(pngs.paths, scratch):
        roads["DICOM JPEG 2000"] = partial(decoded_rate, DicomDataset(dicoms, size=job.size), batch=job.batch)
    runs = in_turn(roads, repeats=repeats)
    rate = {name: statistics.median(of) for name, of in runs.items()}
    note = (
        f"{job.words}; cached: memory map, tensor, random changes, {THREADS} threads; "
        "decoded: file, resize, no random changes, 2 DataLoader workers"
    )
    ratios = [
        Measured(
            f"3 cached and changed against decoding {name}",
            ">= 60",
            statistics.median(ours / theirs for ours, theirs in zip(runs["cached"], runs[name], strict=True)),
            "x",
            repeats,
            note,
        )
        for name in rate
        if name != "cached"
    ]
    return ratios + [Measured(f"3 {name}", "", value, "images/s", repeats) for name, value in rate.items()]


def _cached_rate(data: CohortDataModule, *, epochs: int) -> float:
    """Return images/s of some training epochs; one epoch before them is not timed."""
    seen, begin = 0, 0.0
    for epoch in range(epochs + 1):
        if epoch == 1:
            seen, begin = 0, time.perf_counter()
        for row in data.train_dataloader():
            seen += len(data.batch(row, epoch=epoch).image)
    return seen / (time.perf_counter() - begin)


def _input_share(job: Job, scratch: Path, *, repeats: int) -> list[Measured]:
    """Time the input within training steps of a Lightning Trainer."""
    precision = settled_precision("auto", torch.device("cpu"))
    shares, steps = [], []
    for _ in range(repeats):
        share, step = _trained_share(_data(job, scratch), job, precision=precision)
        shares.append(100 * share)
        steps.append(step)
    note = f"{job.words}, {precision}, {THREADS} threads; medians over the steps of two epochs, within a Trainer"
    return [
        Measured("3 input share of a training step", "< 2", statistics.median(shares), "%", repeats, note),
        Measured("3 training step", "", statistics.median(steps), "s", repeats, note),
    ]


def _trained_share(data: TimedData, job: Job, *, precision: Any) -> tuple[float, float]:  # noqa: ANN401
    """Return the input's share of a step, and the seconds of a step; the first step is left out."""
    network = build(
        fusion="xattn", schema=data.schema, config=ModelConfig(backbone=job.backbone), target_mean=0.88, target_sd=0.15
    )
    with quiet_trainer():
        trainer = pl.Trainer(
            max_epochs=2,
            accelerator="cpu",
            precision=precision,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            limit_val_batches=0,
            log_every_n_steps=1_000_000,
        )
        trainer.fit(DensityModule(network, config=TrainingConfig(batch_size=job.batch)), datamodule=data)
    inputs = [there - asked for asked, there in zip(data.asked, data.there, strict=True)]
    steps = np.diff(data.asked)
    return statistics.median(inputs[1:]) / statistics.median(steps[1:]), statistics.median(steps[1:])


def _data(job: Job, scratch: Path) -> TimedData:
    cohort = Cohort.from_csv(job.folder() / "cohort.csv")
    return TimedData(
        cohort,
        plan=FoldPlan.make(cohort, folds=10, repeats=1, seed=0),
        image=ImageConfig(size=job.size),
        augment=AugmentConfig(),
        batch_size=job.batch,
        cache=scratch / "cache",
    )


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, help="radiographs of target 3; none: those of the benchmark's job")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="small files and a small cohort, to try the script")
    asked = parser.parse_args()
    for row in measure(quick=asked.quick, repeats=asked.repeats, n=asked.n):
        print(f"{row.target}: {row.measured:.4g} {row.unit} (wanted: {row.wanted or '-'}; n = {row.n}) {row.note}")


if __name__ == "__main__":
    main()
