"""Target 5: two workers of one thread on two cores against one worker of one thread."""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from child import Child, run_child
from job import Job
from measured import Measured
from rounds import in_turn

FULL = Job(radiographs=64, rows=500, columns=400, size=112)
QUICK = Job(radiographs=24, rows=500, columns=400, size=64, batch=4, backbone="test_resnet")
FOLDS, EPOCHS = 4, 2


@dataclass(frozen=True)
class Finished:
    """One comparison with some workers.

    Attributes:
        child: its process.
        predictions: the bytes of its ``predictions.csv``.
    """

    child: Child
    predictions: bytes


def comparison(job: Job, *, workers: int, repeats: int, cache: Path) -> Finished:
    """Compare once, one thread a fit, on pictures that are decoded already."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "run"
        arguments = ("--job", job.folder(), "--cache", cache, "--out", out, "--workers", workers, "--threads", 1)
        size = ("--batch", job.batch, "--size", job.size, "--backbone", job.backbone, "--precision", "32-true")
        fits = ("--folds", FOLDS, "--repeats", repeats, "--epochs", EPOCHS)
        child = run_child("ours.py", [*arguments, *size, *fits], threads=1)
        return Finished(child, (out / "predictions.csv").read_bytes())


def seconds_a_fit(finished: list[float], *, workers: int) -> float:
    """Return the seconds between finished fits while all workers are busy: start-up and final tables are left out.

    Workers do not begin together, so the mean of their first ends is taken to the mean of their last ends.
    """
    first, last = statistics.mean(finished[:workers]), statistics.mean(finished[-workers:])
    return (last - first) / (len(finished) - workers)


def start_up(finished: list[float], *, workers: int) -> float:
    """Return the seconds before the first fits began: their mean end less the time that fits take later on."""
    return statistics.mean(finished[:workers]) - workers * seconds_a_fit(finished, workers=workers)


def measure(*, quick: bool, repeats: int) -> list[Measured]:
    """Return the gain of a second worker, with and without the start of the cluster, and whether results agree."""
    job, cross_validations = (QUICK, 1) if quick else (FULL, 3)
    with tempfile.TemporaryDirectory() as cache:
        run = partial(comparison, job, repeats=cross_validations, cache=Path(cache))
        run(workers=1)  # decodes
        runs = in_turn({"1": partial(run, workers=1), "2": partial(run, workers=2)}, repeats=repeats)
    rate = {
        name: statistics.median(seconds_a_fit(run.child.finished, workers=int(name)) for run in of)
        for name, of in runs.items()
    }
    whole = {name: statistics.median(run.child.seconds for run in of) for name, of in runs.items()}
    begun = {
        name: statistics.median(start_up(run.child.finished, workers=int(name)) for run in of)
        for name, of in runs.items()
    }
    equal = len({run.predictions for of in runs.values() for run in of}) == 1
    fits = FOLDS * cross_validations
    note = f"{fits} fits of {EPOCHS} epochs, {job.words}, float32, one thread a worker, pictures decoded before"
    return [
        Measured("5 two workers against one, while fits run", ">= 1.6", rate["1"] / rate["2"], "x", repeats, note),
        Measured("5 predictions.csv equal byte for byte", "= 1", float(equal), "1 yes, 0 no", repeats, "every run"),
        Measured(
            f"5 two workers against one, whole comparison of {fits} fits",
            "",
            whole["1"] / whole["2"],
            "x",
            repeats,
            f"{note}; start of the workers and all tables included",
        ),
        Measured("5 start of two workers", "", begun["2"] - begun["1"], "s", repeats, "beyond that of one process"),
        Measured("5 a fit, one worker", "", rate["1"], "s", repeats),
    ]
