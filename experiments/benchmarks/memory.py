"""Target 8: peak memory against the tutorial's, and with 5,000 radiographs.

Memory is the sum of the proportional set sizes of the process and all its children, looked at ten times a second: a
page that the tutorial's two DataLoader workers share with their parent counts once, and so does a page of the mapped
cache that is in memory.  The runs are others than those whose time is taken.
"""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

from child import run_child
from epoch import road
from job import FULL, QUICK, SMALL_FILES, Job
from measured import Measured
from rounds import in_turn


def measure(*, quick: bool, repeats: int) -> list[Measured]:
    """Return the peak memory of both roads, and ours with 5,000 radiographs less the mapped cache."""
    job = QUICK if quick else FULL
    many = replace(QUICK, radiographs=256, rows=300, columns=240) if quick else SMALL_FILES
    job.folder()
    runs = in_turn(
        {
            "tutorial": partial(road, "tutorial.py", job, "--epochs", 1, sample_memory=True),
            "ours": partial(road, "ours.py", job, "--precision", "bf16-mixed", "--epochs", 1, sample_memory=True),
        },
        repeats=repeats,
    )
    peak = {name: statistics.median(run.peak_mib for run in of) for name, of in runs.items()}
    large, mapped = _many(many)
    note = f"{job.words}; process and children, proportional set size"
    return [
        Measured("8 peak memory against the tutorial's", "<= 1", peak["ours"] / peak["tutorial"], "x", repeats, note),
        Measured(
            f"8 peak with {many.radiographs:,} radiographs less the mapped cache, against the tutorial's with "
            f"{job.radiographs}",
            "<= 1",
            (large - mapped) / peak["tutorial"],
            "x",
            1,
            f"{many.words}; one epoch; files are small, their cache is not",
        ),
        Measured("8 peak memory, tutorial", "", peak["tutorial"], "MiB", repeats),
        Measured("8 peak memory, ours", "", peak["ours"], "MiB", repeats),
        Measured(f"8 peak memory, ours with {many.radiographs:,} radiographs", "", large, "MiB", 1),
        Measured(f"8 mapped cache of {many.radiographs:,} radiographs", "", mapped, "MiB", 1),
    ]


def _many(job: Job) -> tuple[float, float]:
    """Return our peak memory on a large cohort, decoding included, and the size of its mapped pictures, MiB."""
    with tempfile.TemporaryDirectory() as cache:
        arguments = ("--job", job.folder(), "--cache", cache, "--folds", 2, "--epochs", 1, "--threads", 2)
        size = ("--batch", job.batch, "--size", job.size, "--backbone", job.backbone, "--precision", "bf16-mixed")
        child = run_child("ours.py", [*arguments, *size], threads=2, sample_memory=True)
        pixels = sum(path.stat().st_size for path in Path(cache).rglob("pixels.npy"))
    return child.peak_mib, pixels / 2**20
