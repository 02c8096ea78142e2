"""How the time of a comparison grows with radiographs, with fits, and how it shrinks with workers: three pictures.

Run: python experiments/benchmarks/scaling.py [--quick] [--repeats 3]
Writes results/scaling.csv and results/time_by_*.png; a quick run writes into the folder that --out names.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from child import run_child
from job import Job
from rounds import in_turn

from xattn_bmd.training.environment import machine

RESULTS = Path(__file__).parent / "results"
EPOCHS = 2
MODELS = ("xattn", "concat", "image_only")


@dataclass(frozen=True)
class Point:
    """One point of a picture.

    Attributes:
        panel: which picture.
        curve: which curve of it.
        x: its place on the x axis.
        seconds: one whole comparison a round.
    """

    panel: str
    curve: str
    x: int
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class Panel:
    """One picture.

    Attributes:
        name: its file is ``time_by_NAME.png``.
        label: label of the x axis, with its unit.
        title: what is held fixed.
    """

    name: str
    label: str
    title: str


def comparison(
    job: Job,
    cache: Path | None,
    *,
    folds: int = 2,
    repeats: int = 1,
    models: Sequence[str] = MODELS[:1],
    workers: int = 1,
) -> float:
    """Return the seconds of one comparison, one thread a worker; without a cache folder, decoding is in them."""
    arguments = ["--job", job.folder(), "--folds", folds, "--repeats", repeats, "--epochs", EPOCHS, "--models", *models]
    size = ["--batch", job.batch, "--size", job.size, "--backbone", job.backbone, "--precision", "32-true"]
    stored = [] if cache is None else ["--cache", cache]
    how = ["--threads", 1, "--workers", workers, *stored]
    return run_child("ours.py", [*arguments, *size, *how], threads=1, cores=None).seconds


def measured_points(panel: str, runs: dict[tuple[str, int], Callable[[], float]], *, repeats: int) -> list[Point]:
    """Run every point of a picture once a round."""
    names = {f"{panel}: {curve}, {x}": run for (curve, x), run in runs.items()}
    results = in_turn(names, repeats=repeats)
    return [Point(panel, curve, x, tuple(seconds)) for (curve, x), seconds in zip(runs, results.values(), strict=True)]


def by_radiographs(job: Job, counts: Sequence[int], *, repeats: int) -> tuple[Panel, list[Point]]:
    """Time cohorts of growing size, on an empty cache and on one that holds the pictures."""
    jobs = {count: Job(count, job.rows, job.columns, job.size, job.batch, job.backbone) for count in counts}
    runs: dict[tuple[str, int], Callable[[], float]] = {}
    with tempfile.TemporaryDirectory() as cache:
        for count, one in jobs.items():
            comparison(one, Path(cache))
            runs["empty cache", count] = partial(comparison, one, None)
            runs["pictures decoded before", count] = partial(comparison, one, Path(cache))
        points = measured_points("radiographs", runs, repeats=repeats)
    title = f"1 model x 2 folds x {EPOCHS} epochs, files of {job.rows} x {job.columns}, {_network(job)}, 1 thread"
    return Panel("radiographs", "radiographs n", title), points


def by_fits(job: Job, *, quick: bool, repeats: int) -> tuple[Panel, list[Point]]:
    """Time growing numbers of folds, repeats and models."""
    steps = (1, 2) if quick else (1, 2, 3)
    runs: dict[tuple[str, int], Callable[[], float]] = {}
    with tempfile.TemporaryDirectory() as cache:
        run = partial(comparison, job, Path(cache))
        run()
        for step in steps:
            runs["more folds (each trains on more)", 2 * step] = partial(run, folds=2 * step)
            runs["more repeats of 2 folds", 2 * step] = partial(run, repeats=step)
            runs["more models on 2 folds", 2 * step] = partial(run, models=MODELS[:step])
        points = measured_points("fits", runs, repeats=repeats)
    title = f"n = {job.radiographs}, {EPOCHS} epochs, {_network(job)}, 1 worker of 1 thread, pictures decoded before"
    return Panel("fits", "fits (folds x repeats x models)", title), points


def by_workers(job: Job, *, quick: bool, repeats: int) -> tuple[Panel, list[Point]]:
    """Time growing numbers of workers, up to the cores of this machine."""
    cores = os.cpu_count() or 2
    counts = [count for count in (1, 2, 4, 8, 16, 32) if count <= max(2, cores)]
    folds, cross_validations = 4, 1 if quick else max(3, counts[-1] // 2)
    with tempfile.TemporaryDirectory() as cache:
        run = partial(comparison, job, Path(cache), folds=folds, repeats=cross_validations)
        comparison(job, Path(cache))
        runs = {("whole comparison", count): partial(run, workers=count) for count in counts}
        points = measured_points("workers", dict(runs), repeats=repeats)
    fits = folds * cross_validations
    title = f"{fits} fits, n = {job.radiographs}, {EPOCHS} epochs, {_network(job)}, start of the workers included"
    return Panel("workers", f"workers of 1 thread ({cores} cores)", title), points


def draw(panel: Panel, points: Sequence[Point], *, folder: Path, caption: str) -> None:
    """Draw medians as lines and single runs as dots."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.8), layout="constrained")
    for curve in dict.fromkeys(point.curve for point in points):
        chosen = [point for point in points if point.curve == curve]
        places = [point.x for point in chosen]
        [line] = axes.plot(places, [statistics.median(point.seconds) for point in chosen], label=curve)
        for point in chosen:
            axes.plot([point.x] * len(point.seconds), point.seconds, "o", color=line.get_color(), markersize=4)
    axes.set(xlabel=panel.label, ylabel="whole comparison, s", title=panel.title)
    axes.title.set_fontsize(8)
    axes.set_ylim(bottom=0)
    axes.set_xticks(sorted({point.x for point in points}))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.supxlabel(caption, fontsize=7)
    figure.savefig(folder / f"time_by_{panel.name}.png", dpi=130)
    plt.close(figure)


def _network(job: Job) -> str:
    return f"{job.backbone} at {job.size} px"


def main() -> None:
    """Measure, store and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    folder = asked.out or (Path(tempfile.gettempdir()) / "xattn_bmd_scaling" if asked.quick else RESULTS)
    folder.mkdir(parents=True, exist_ok=True)
    large = Job(rows=500, columns=400, size=64, batch=8, backbone="resnet18") if asked.quick else Job(size=112)
    small = Job(32 if asked.quick else 64, 500, 400, large.size, large.batch, large.backbone)
    counts = (16, 32) if asked.quick else (25, 50, 100, 200)
    pictures = [
        by_radiographs(large, counts, repeats=asked.repeats),
        by_fits(small, quick=asked.quick, repeats=asked.repeats),
        by_workers(small, quick=asked.quick, repeats=asked.repeats),
    ]
    here = machine()
    with (folder / "scaling.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["picture", "curve", "x", "median_s", "runs", "machine"])
        for panel, points in pictures:
            for point in points:
                median = f"{statistics.median(point.seconds):.4g}"
                writer.writerow([panel.name, point.curve, point.x, median, len(point.seconds), here])
            caption = f"lines: medians of {asked.repeats} alternating runs, dots: single runs; {here}"
            draw(panel, points, folder=folder, caption=caption)
    print(f"written: {folder}")


if __name__ == "__main__":
    main()
