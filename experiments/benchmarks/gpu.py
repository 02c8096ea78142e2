"""The GPU rows: images a second of one worker and of several, idle share, a whole cross-validation, bytes copied.

Where there is no GPU the same is done on the CPU with small numbers, and every row says so.
Run alone: python experiments/benchmarks/gpu.py [--quick] [--repeats 3]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from child import Child, run_child
from gpu_copies import copied_bytes
from gpu_idle import with_idle_share
from job import Job
from measured import Measured
from rounds import in_turn
from step_clock import step_seconds
from targets_table import printed
from workers import seconds_a_fit

from xattn_bmd import Cohort, FoldPlan
from xattn_bmd.training.environment import machine

FOLDS = 10
_LAST_STEPS = 8  # of two epochs of seven: a validation lies between them


@dataclass(frozen=True)
class Plan:
    """How much is run.

    Attributes:
        job: the pictures and the network.
        epochs: epochs a fit.
        workers: the several workers.
        accelerator: ``"gpu"`` or ``"cpu"``.
        precision: Lightning precision.
    """

    job: Job
    epochs: int
    workers: int
    accelerator: str
    precision: str


def plan_of(*, gpu: bool, quick: bool) -> Plan:
    """Return the full plan for a GPU, a short one for a try on it, and a small one for the CPU."""
    if gpu:
        job = Job(radiographs=233, rows=500 if quick else 2500, columns=400 if quick else 2000)
        return Plan(job, 6 if quick else 60, 5, "gpu", "bf16-mixed")
    return Plan(
        Job(radiographs=60, rows=500, columns=400, size=64, batch=8, backbone="resnet18"), 2, 2, "cpu", "32-true"
    )


def cross_validation(plan: Plan, *, workers: int, cache: Path | None = None) -> tuple[Child, float]:
    """Run ten folds and return the process and the GPU's idle share; without a cache folder, pictures are decoded."""
    arguments = ["--job", plan.job.folder(), "--folds", FOLDS, "--epochs", plan.epochs, "--workers", workers]
    size = ["--batch", plan.job.batch, "--size", plan.job.size, "--backbone", plan.job.backbone]
    how = ["--accelerator", plan.accelerator, "--precision", plan.precision, "--threads", 1]
    stored = [] if cache is None else ["--cache", cache]
    run = partial(run_child, "ours.py", [*arguments, *size, *how, *stored], threads=1, cores=None)
    return with_idle_share(run)


def training_radiographs(job: Job) -> float:
    """Return how many radiographs an epoch trains on, mean over the folds."""
    folds = FoldPlan.make(Cohort.from_csv(job.folder() / "cohort.csv"), folds=FOLDS)
    return statistics.mean(len(folds.split(0, fold).train) for fold in range(FOLDS))


def copies_a_step(plan: Plan) -> tuple[float, float]:
    """Return the bytes copied to the GPU before a fit's last eight steps, and in each of these."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--job", plan.job.folder(), "--folds", 2, "--epochs", 2, "--trace", folder]
        size = ["--batch", plan.job.batch, "--size", plan.job.size, "--backbone", plan.job.backbone]
        how = ["--accelerator", plan.accelerator, "--precision", plan.precision, "--threads", 1]
        run_child("ours.py", [*arguments, *size, *how], threads=1, cores=None)
        before, after = copied_bytes(Path(folder), steps=_LAST_STEPS)
    return before, after / (_LAST_STEPS - 1)


def measure(*, quick: bool, repeats: int) -> list[Measured]:
    """Return the GPU rows, or the same rows of this CPU."""
    gpu = torch.cuda.is_available()
    plan = plan_of(gpu=gpu, quick=quick)
    plan.job.folder()
    with tempfile.TemporaryDirectory() as cache:
        cross_validation(plan, workers=1, cache=Path(cache))  # decodes
        runs = in_turn(
            {
                "one": partial(cross_validation, plan, workers=1, cache=Path(cache)),
                "several": partial(cross_validation, plan, workers=plan.workers, cache=Path(cache)),
                "all-in": partial(cross_validation, plan, workers=plan.workers),
            },
            repeats=repeats,
        )
    before, each = copies_a_step(plan)
    where = "" if gpu else "CPU figures with small numbers, for there is no GPU here; "
    words = f"{plan.job.words}, {FOLDS} folds x {plan.epochs} epochs, {plan.precision}"
    rows = _rates(plan, runs, label="GPU" if gpu else "GPU row, on this CPU", note=where + words)
    label = "GPU" if gpu else "GPU row, on this CPU"
    wall = statistics.median(child.wall for child, _ in runs["all-in"])
    full = gpu and not quick
    return [
        *rows,
        Measured(
            f"{label}: {FOLDS}-fold cross-validation, n = {plan.job.radiographs}, {plan.epochs} epochs, all-in",
            "<= 45" if full else "",
            wall,
            "s",
            repeats,
            f"{where}{words}; {plan.workers} workers, empty cache, from the start of Python to the last table",
        ),
        Measured(
            f"{label}: bytes host to device a step, while training",
            "<= 1,000" if gpu else "",
            each if gpu else float("nan"),
            "bytes",
            1,
            f"{before:,.0f} bytes before; row numbers travel, images do not" if gpu else "needs a GPU",
        ),
    ]


def _rates(plan: Plan, runs: dict[str, list[tuple[Child, float]]], *, label: str, note: str) -> list[Measured]:
    repeats, gpu = len(runs["one"]), plan.accelerator == "gpu"
    step = statistics.median(step_seconds(child.steps, fits=FOLDS, epochs=plan.epochs) for child, _ in runs["one"])
    trained = plan.epochs * training_radiographs(plan.job)
    wanted = {"one": ">= 1,200", "several": ">= 3,500"}
    rows = [Measured(f"{label}: one worker, inside epochs", "", plan.job.batch / step, "images/s", repeats, note)]
    for name, workers in (("one", 1), ("several", plan.workers)):
        rate = statistics.median(trained / seconds_a_fit(child.finished, workers=workers) for child, _ in runs[name])
        idle = statistics.median(share for _, share in runs[name])
        words = "one worker" if workers == 1 else f"{workers} workers"
        rows += [
            Measured(f"{label}: {words}, whole fits", wanted[name] if gpu else "", rate, "images/s", repeats, note),
            Measured(f"{label}: {words}, idle share", "", 100 * idle, "%", repeats, "nvidia-smi" if gpu else "no GPU"),
        ]
    return rows


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    print(f"{printed(measure(quick=asked.quick, repeats=asked.repeats))}\n\nmachine: {machine()}")


if __name__ == "__main__":
    main()
