"""A bare training loop: the same network, batches, loss and optimiser as our road, and nothing else around them.

Everything is written out, the cohort lies in memory as float32 tensors, and nothing is stored.
Run alone: python experiments/benchmarks/bare.py --epochs 2
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch
from child import write_record
from job import FULL
from ours import parsed, settings
from step_clock import StepClock
from torch import Tensor
from torch.nn import functional as F

from xattn_bmd import Cohort, CohortDataModule, CompareConfig, FoldPlan, build_network, loss_weights
from xattn_bmd.data.transforms import augment
from xattn_bmd.types import Batch, Variables

REFERENCE = "lunar_femoral_neck_white_female"


def rows_of_batch(whole: Batch, row: Tensor) -> Batch:
    """Return some rows of the whole cohort."""
    variables = Variables(*(part[row] for part in whole.variables))
    return whole._replace(image=whole.image[row], variables=variables, target=whole.target[row], row=row)


def fit(data: CohortDataModule, whole: Batch, config: CompareConfig, *, seed: int) -> Tensor:
    """Train on one fold, keep the best epoch's weights, and return the densities of validation and scored part."""
    train, validation, test = (
        torch.tensor(sorted(data.rows_of(ids))) for ids in (data.split.train, data.split.validation, data.split.test)
    )
    training, targets = config.training, data.train_targets
    torch.manual_seed(seed)
    network = build_network(
        fusion=config.models[0],
        schema=data.schema,
        config=config.model,
        target_mean=float(targets.mean()),
        target_sd=float(targets.std()),
    ).to(memory_format=torch.channels_last)
    weigh = loss_weights(targets, weighting=training.weighting, reference=REFERENCE)
    steps = training.epochs * -(-len(train) // training.batch_size)
    optimizer = torch.optim.AdamW(network.parameters(), lr=training.learning_rate, weight_decay=0.05, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=training.learning_rate, total_steps=steps)
    lowest, kept = float("inf"), {}
    for epoch in range(training.epochs):
        network.train()
        for row in torch.split(train[torch.randperm(len(train))], training.batch_size):
            batch = rows_of_batch(whole, row)
            image = augment(batch.image, row, config=training.augment, seed=seed, epoch=epoch)
            density = network(image, batch.variables).density
            loss = F.smooth_l1_loss(density, batch.target, beta=training.beta, reduction="none")
            optimizer.zero_grad()
            torch.autograd.backward((loss * weigh(batch.target)).mean())
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        error = float(F.smooth_l1_loss(predicted(network, whole, validation), whole.target[validation]))
        if error < lowest:
            lowest, kept = error, {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(kept or network.state_dict())
    return torch.cat([predicted(network, whole, rows) for rows in (validation, test)])


def predicted(network: torch.nn.Module, whole: Batch, rows: Tensor) -> Tensor:
    """Return the densities of some rows, g/cm²."""
    network.eval()
    with torch.inference_mode():
        batches = (rows_of_batch(whole, row) for row in torch.split(rows, 16))
        return torch.cat([network(batch.image, batch.variables).density for batch in batches])


def run(asked: argparse.Namespace, cache: Path) -> list[float]:
    """Fit every fold of every repeat and return when each was finished, seconds after the first began."""
    config = settings(asked)
    cohort = Cohort.from_csv((asked.job or FULL.folder()) / "cohort.csv")
    plan = FoldPlan.make(cohort, folds=config.folds, repeats=config.repeats)
    begin, finished = time.perf_counter(), []
    for repeat in range(config.repeats):
        for fold in range(config.folds):
            before = time.perf_counter()
            data = CohortDataModule(cohort, plan=plan, repeat=repeat, fold=fold, image=config.image, cache=cache)
            whole = data.batch(torch.arange(len(cohort)))
            begin += time.perf_counter() - before  # reading and encoding the cohort is not the loop's work
            fit(data, whole, config, seed=fold)
            finished.append(time.perf_counter() - begin)
    return finished


def main() -> None:
    """Run once and store when each step and each fit ended."""
    asked = parsed()
    torch.set_num_threads(asked.threads)
    clock = StepClock()
    with tempfile.TemporaryDirectory() as scratch:
        finished = run(asked, asked.cache or Path(scratch) / "cache")
    write_record(asked.record, seconds=finished[-1], steps=clock.times, finished=finished)


if __name__ == "__main__":
    main()
