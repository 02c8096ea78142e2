"""Segment vertebrae in two real CT scans: trained on one part, tested on what was not trained on.

Each scan by a network that saw the other one only (another patient, scanner and slice thickness); then the levels of
the torso scan above L3 by a network that saw those below, and the other way round (one patient, so no evidence for
another).  With ``--train``: both scans by a network that saw simulated volumes only, whose labels are vertebral bodies
without arches.  Prints a table and writes the segmentation over the scans as pictures into ``--work``; without
``--train`` the table goes to results/segment_real.csv and between the README's markers.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter, process_time

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from xattn_bmd import Volume, read_volume
from xattn_bmd.atomic import atomic_replace, atomic_write
from xattn_bmd.data.volumes.crop import crop
from xattn_bmd.data.volumes.labels import read_labels
from xattn_bmd.errors import VolumeError
from xattn_bmd.metrics.dice import dice
from xattn_bmd.metrics.surface import surface_distance
from xattn_bmd.segment.classes import group_labels
from xattn_bmd.segment.config import SegmenterConfig
from xattn_bmd.segment.segmenter import VolumeSegmenter
from xattn_bmd.training.environment import commit, machine
from xattn_bmd.types import LabelMap

HERE = Path(__file__).parent
BEGIN, END = "<!-- segment: begin -->", "<!-- segment: end -->"
GROUPS = {"vertebra": tuple(range(27, 51))}
"""L5 to C1 in the numbers of TotalSegmentator: whole vertebrae, arches too."""

L2, L3 = 30, 29
SERIES, TORSO = "dicom_series", "totalseg_example"
VIEWS = (("axial", 0), ("coronal", 1), ("sagittal", 2))


@dataclass(frozen=True)
class Drawn:
    """A scan with its drawn vertebrae."""

    name: str
    scan: Volume
    truth: LabelMap


@dataclass(frozen=True)
class Job:
    """One fit and what it is tested on."""

    seen: str
    training: Sequence[Drawn]
    patients: Sequence[str]
    tests: Sequence[Drawn]
    config: SegmenterConfig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ct", type=Path, required=True, help="folder of the two real scans and their labels")
    parser.add_argument("--work", type=Path, required=True, help="folder for the table and the pictures")
    parser.add_argument("--train", type=Path, help="folder of simulated CT volumes to train on instead")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    config = settings(epochs=chosen.epochs, steps=chosen.steps, seed=chosen.seed)
    rows = []
    for job in jobs(chosen.ct, chosen.train, config=config):
        rows += scored(job, work=chosen.work, device=chosen.device)
    table = pd.DataFrame(rows)
    text = "\n".join(lines(table, config))
    print(text)
    if chosen.train is None:
        (HERE / "results").mkdir(exist_ok=True)
        atomic_write(HERE / "results" / "segment_real.csv", table.to_csv(index=False, float_format="%.6g"))
        atomic_replace(HERE / "README.md", text, begin=BEGIN, end=END)


def settings(*, epochs: int = 8, steps: int = 40, seed: int = 0) -> SegmenterConfig:
    """Return the settings of a segmenter that learns from one or a few drawn scans."""
    return SegmenterConfig(
        spacing_mm=(3.0, 3.0, 3.0), patch=(16, 32, 32), batch_size=4, epochs=epochs, steps=steps, learning_rate=0.01,
        validation_fraction=0.0, seed=seed,
    )  # fmt: skip


def lines(table: pd.DataFrame, config: SegmenterConfig) -> Iterator[str]:
    """Yield the table of the README."""
    yield f"| {' | '.join(table.columns)} |"
    yield "|---" * len(table.columns) + "|"
    for row in table.itertuples(index=False):
        yield f"| {' | '.join(f'{cell:.2f}' if isinstance(cell, float) else str(cell) for cell in row)} |"
    yield ""
    yield (
        f"{config.epochs * config.steps} batches, seed {config.seed}, one run. Commit {commit(HERE)}; machine: "
        f"{machine()}."
    )


def jobs(ct: Path, simulated: Path | None, *, config: SegmenterConfig) -> Iterator[Job]:
    """Yield the fits."""
    torso, lower_start = opened(ct / f"{TORSO}_ct_3mm.nii.gz", ct / f"{TORSO}_seg_3mm.nii.gz", "torso")
    series, _ = opened(ct / SERIES, ct / f"{SERIES}_seg.nii.gz", "series")
    if simulated is not None:
        training, patients = cohort(simulated)
        config = replace(config, validation_fraction=0.2 if len(set(patients)) > 1 else 0.0)
        yield Job(f"{len(training)} simulated", training, patients, (torso, series), config)
        return
    yield from (
        Job(one.name, (one,), (one.name,), (other,), config) for one, other in ((torso, series), (series, torso))
    )
    upper, lower = part(torso, 0, lower_start, "T12-L2"), part(torso, lower_start, None, "L3-L5")
    yield Job("torso, L3-L5", (lower,), ("torso",), (upper,), config)
    yield Job("torso, T12-L2", (upper,), ("torso",), (lower,), config)


def opened(scan: Path, labels: Path, name: str) -> tuple[Drawn, int]:
    """Return a scan with its vertebrae, and the slice in the middle between L2 and L3 (0 where it has neither)."""
    volume = read_volume(scan)
    drawn = read_labels(labels, like=volume)
    above, below = (np.flatnonzero((drawn.labels == number).any(axis=(1, 2))) for number in (L2, L3))
    middle = round((above.mean() + below.mean()) / 2) if len(above) and len(below) else 0
    return Drawn(name, volume, group_labels(drawn, GROUPS)), middle


def part(whole: Drawn, first: int, last: int | None, levels: str) -> Drawn:
    """Return some slices of a scan."""
    shape = whole.scan.voxels.shape
    box = crop(whole.scan, start=(first, 0, 0), stop=(last or shape[0], shape[1], shape[2]))
    truth = replace(whole.truth, labels=whole.truth.labels[first:last], affine=box.affine)
    return Drawn(f"{whole.name}, {levels}", box, truth)


def cohort(folder: Path) -> tuple[list[Drawn], list[str]]:
    """Return the simulated volumes of a folder with the vertebral bodies of their truth."""
    table = pd.read_csv(folder / "cohort.csv", dtype=str)
    numbers = json.loads((folder / "truth" / "labels.json").read_text())
    drawn = []
    for row in table.itertuples():
        volume = read_volume(folder / "images" / row.image)
        truth = read_labels(folder / "truth" / "bodies" / f"{row.scan_id}.nii.gz", like=volume)
        drawn.append(Drawn(row.scan_id, volume, group_labels(truth, {"vertebra": tuple(numbers.values())})))
    return drawn, table["patient_id"].tolist()


def scored(job: Job, *, work: Path, device: str) -> list[dict[str, object]]:
    """Fit, test, draw."""
    used, started = process_time(), perf_counter()
    segmenter = fitted(job, device=device)
    print(f"{job.seen}: fitted in {process_time() - used:.0f} CPU s, {perf_counter() - started:.0f} s", flush=True)
    return [row(segmenter, test, seen=job.seen, work=work, device=device) for test in job.tests]


def fitted(job: Job, *, device: str = "cpu") -> VolumeSegmenter:
    """Return the segmenter of a job."""
    return VolumeSegmenter.fit(
        [each.scan for each in job.training],
        [each.truth for each in job.training],
        patients=job.patients,
        config=job.config,
        device=device,
        on_epoch=lambda course: print({name: round(value, 3) for name, value in course.items()}, flush=True),
    )


def row(segmenter: VolumeSegmenter, test: Drawn, *, seen: str, work: Path, device: str) -> dict[str, object]:
    """Return the scores on one test, and write its picture."""
    truth = test.truth.labels > 0
    try:
        found = segmenter.segment(test.scan, device=device).labels > 0
    except VolumeError as error:
        print(error)
        found = np.zeros_like(truth)
    apart = surface_distance(found, truth, spacing_mm=test.scan.spacing_mm)
    picture = work / f"{seen} to {test.name}.png".replace(", ", "_").replace(" ", "_")
    overlay(test.scan, found, truth, picture, title=f"trained on: {seen}; tested on: {test.name}")
    return {
        "trained on": seen,
        "tested on": test.name,
        "Dice": float(dice(found[None], truth[None])[0]),
        "ASSD mm": apart.assd,
        "HD95 mm": apart.hd95,
        "found inside drawn": float((found & truth).sum() / max(1, found.sum())),
        "drawn that was found": float((found & truth).sum() / truth.sum()),
    }


def overlay(scan: Volume, found: np.ndarray, truth: np.ndarray, file: Path, *, title: str) -> None:
    """Draw one slice of each direction through the middle of the drawn bone."""
    places = np.argwhere(truth)
    middle = np.rint(places.mean(axis=0)).astype(int)
    figure, axes = plt.subplots(1, 3, figsize=(15, 6), layout="constrained")
    for axis, (name, along) in zip(axes, VIEWS, strict=True):
        number = int(middle[along])
        sides = [scan.spacing_mm[other] for other in range(3) if other != along]
        axis.imshow(scan.voxels.take(number, along), cmap="gray", vmin=-200, vmax=600, aspect=sides[0] / sides[1])
        for mask, colour in ((truth, "lime"), (found, "red")):
            plane = mask.take(number, along)
            if plane.any():
                axis.contour(plane, levels=[0.5], colors=colour, linewidths=1)
        axis.set_title(f"{name}, {['slice', 'row', 'column'][along]} {number}")
        axis.axis("off")
    figure.suptitle(f"{title} (green drawn, red found)")
    figure.savefig(file, dpi=80)
    plt.close(figure)


if __name__ == "__main__":
    main()
