"""Targets 1 and 2: an epoch and the whole job against the tutorial's."""

from __future__ import annotations

import statistics
from functools import partial

from child import Child, run_child
from job import FULL, QUICK, Job
from measured import Measured
from rounds import in_turn
from step_clock import epoch_seconds

FOLDS, EPOCHS, THREADS = 2, 2, 2


def road(script: str, job: Job, *more: object, **how: bool) -> Child:
    """Run a road on a job once: two folds of two epochs, an empty cache, two threads."""
    arguments = ("--job", job.folder(), "--folds", FOLDS, "--epochs", EPOCHS, "--threads", THREADS)
    size = ("--batch", job.batch, "--size", job.size, "--backbone", job.backbone)
    return run_child(script, [*arguments, *size, *more], threads=THREADS, **how)


def measure(*, quick: bool, repeats: int) -> list[Measured]:
    """Return epoch and whole-job times, and their ratios, in bfloat16 and in float32."""
    job = QUICK if quick else FULL
    job.folder()
    runs = in_turn(
        {
            "tutorial": partial(road, "tutorial.py", job),
            "bf16": partial(road, "ours.py", job, "--precision", "bf16-mixed"),
            "fp32": partial(road, "ours.py", job, "--precision", "32-true"),
        },
        repeats=repeats,
    )
    epochs = {
        name: statistics.median(second for run in of for second in epoch_seconds(run.steps, fits=FOLDS, epochs=EPOCHS))
        for name, of in runs.items()
    }
    whole = {name: statistics.median(run.wall for run in of) for name, of in runs.items()}
    note = f"{job.words}, {FOLDS} folds x {EPOCHS} epochs, {THREADS} threads"
    return [
        *_rows("1", "epoch", epochs, wanted={"bf16": ">= 3.2", "fp32": ">= 1.8"}, repeats=repeats, note=note),
        *_rows("2", "whole job", whole, wanted={"bf16": ">= 2.5"}, repeats=repeats, note=f"{note}; empty cache"),
    ]


def _rows(
    number: str, what: str, seconds: dict[str, float], *, wanted: dict[str, str], repeats: int, note: str
) -> list[Measured]:
    ratios = [
        Measured(
            f"{number} {what}, {name} against the tutorial",
            wanted.get(name, ""),
            seconds["tutorial"] / seconds[name],
            "x",
            repeats,
            note,
        )
        for name in ("bf16", "fp32")
    ]
    times = [Measured(f"{number} {what}, {name}", "", value, "s", repeats) for name, value in seconds.items()]
    return ratios + times
