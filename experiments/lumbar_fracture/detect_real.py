"""Find vertebrae in real radiographs: cross-validated mAP of a localiser on a folder of pictures with YOLO boxes.

Prints the table of the README, and writes it there where it is asked to.  Finished folds are kept in ``--work`` and not
fitted again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from same_person import person_of

from xattn_bmd import (
    Cohort,
    Localiser,
    LocaliserConfig,
    XattnBmdError,
    detection_table,
    picture_sizes,
    read_boxes,
    write_boxes,
)
from xattn_bmd.atomic import atomic_replace, atomic_write
from xattn_bmd.metrics.detection import box_overlap
from xattn_bmd.training.environment import commit, machine
from xattn_bmd.types import BOX_COLUMNS

HERE = Path(__file__).parent
BEGIN, END = "<!-- detector: begin -->", "<!-- detector: end -->"
LABELS = ("vertebra",)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="folder of pictures, each with a YOLO .txt file")
    parser.add_argument("--work", type=Path, required=True, help="folder for the table, the folds and what was found")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--detector", default="light", choices=["light", "strong"])
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--validate", action="store_true", help="fit the first fold and score its inner part alone")
    parser.add_argument("--readme", action="store_true", help="write the table to the README")
    chosen = parser.parse_args()
    # no label names a side of the body, so a mirror image is a radiograph like any other
    config = LocaliserConfig(
        detector=chosen.detector, size=chosen.size, epochs=chosen.epochs, flip=0.5, seed=chosen.seed
    )
    cohort, fold_of = opened(chosen.images, chosen.work, folds=chosen.folds, seed=chosen.seed)
    truth = read_boxes(chosen.images, labels=LABELS, sizes=picture_sizes(cohort), outlines="box")
    if chosen.validate:
        fitted(cohort, truth, fold_of, fold=0, config=config, device=chosen.device)
        return
    same_settings(chosen.work, {"config": asdict(config), "folds": chosen.folds, "fold_of": fold_of})
    found = pd.concat(
        [scored(cohort, truth, fold_of, fold=fold, config=config, chosen=chosen) for fold in range(chosen.folds)]
    )
    people = dict(zip(cohort.radiograph_ids, cohort.patient_ids, strict=True))
    table = detection_table(truth, found, patients=people, seed=chosen.seed)
    lines = markdown(table, truth, found, config=config, folds=chosen.folds)
    print("\n".join(lines))
    table.to_csv(chosen.work / "metrics.csv", index=False)
    if chosen.readme:
        atomic_replace(HERE / "README.md", "\n".join(lines), begin=BEGIN, end=END)


def opened(images: Path, work: Path, *, folds: int, seed: int) -> tuple[Cohort, dict[str, int]]:
    """Write the cohort's table and return it with the fold of each radiograph; a person is in one fold."""
    paths = sorted(path for path in images.iterdir() if path.with_suffix(".txt").is_file() and path.suffix != ".txt")
    people = person_of(paths)
    work.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame({"radiograph_id": list(people), "patient_id": list(people.values())})
    atomic_write(work / "cohort.csv", table.to_csv(index=False))
    atomic_write(work / "cohort.yaml", "id: radiograph_id\npatient: patient_id\n")
    order = np.random.default_rng(seed).permutation(sorted(set(people.values())))
    dealt = {str(person): place % folds for place, person in enumerate(order)}
    return Cohort.from_csv(work / "cohort.csv", images=images), {name: dealt[who] for name, who in people.items()}


def same_settings(work: Path, settings: dict[str, object]) -> None:
    """Refuse to join folds of different settings."""
    file, text = work / "settings.json", json.dumps(settings, indent=1)
    if file.is_file() and file.read_text() != text:
        raise XattnBmdError(f"Folds of one table have the same settings, but {file} holds others; use another --work.")
    atomic_write(file, text)


def fitted(
    cohort: Cohort, truth: pd.DataFrame, fold_of: dict[str, int], *, fold: int, config: LocaliserConfig, device: str
) -> Localiser:
    """Fit on the other folds, and say after each epoch how the inner validation part is found."""
    others = [name for name, other in fold_of.items() if other != fold]

    def say(course: Mapping[str, float]) -> None:
        print(f"fold {fold}:", ", ".join(f"{key} {value:.4g}" for key, value in course.items()), flush=True)

    boxes = truth[truth["radiograph_id"].isin(others)]
    return Localiser.fit(cohort.subset(others), boxes, labels=LABELS, config=config, device=device, on_epoch=say)


def scored(
    cohort: Cohort,
    truth: pd.DataFrame,
    fold_of: dict[str, int],
    *,
    fold: int,
    config: LocaliserConfig,
    chosen: argparse.Namespace,
) -> pd.DataFrame:
    """Return every detection in a fold's radiographs, from its file where there is one."""
    file = chosen.work / f"found_{fold}.csv"
    if not file.is_file():
        started = perf_counter()
        localiser = fitted(cohort, truth, fold_of, fold=fold, config=config, device=chosen.device)
        held_out = cohort.subset([name for name, other in fold_of.items() if other == fold])
        found = localiser.locate(held_out, threshold=0.0, on_problem="warn", device=chosen.device)
        write_boxes(found, file)
        print(f"fold {fold}: {perf_counter() - started:.0f} s, score threshold {localiser.threshold:.3f}", flush=True)
    return read_boxes(file)


def best_overlaps(truth: pd.DataFrame, found: pd.DataFrame) -> NDArray[np.float64]:
    """Return the largest overlap of every drawn box with a detection of score 0.5 or more; 0 where there is none."""
    corners = list(BOX_COLUMNS[2:])
    kept = dict(iter(found[found["score"] >= 0.5].groupby("radiograph_id")[corners]))
    best = []
    for name, drawn in truth.groupby("radiograph_id")[corners]:
        if name in kept:
            overlap = box_overlap(drawn.to_numpy(np.float64), kept[name].to_numpy(np.float64))
            best += overlap.max(axis=1).tolist()
        else:
            best += [0.0] * len(drawn)
    return np.array(best)


def markdown(
    table: pd.DataFrame, truth: pd.DataFrame, found: pd.DataFrame, *, config: LocaliserConfig, folds: int
) -> list[str]:
    """Return the metrics as a table, and how they came about."""
    names = {"map50": "mAP@0.5", "map50_95": "mAP@0.5:0.95"}
    lines = ["| metric | found [95 %] | boxes | radiographs | people |", "|---|---|---|---|---|"]
    for row in table.itertuples():
        shown = f"{row.value:.3f} [{row.low:.3f} to {row.high:.3f}]"
        lines.append(f"| {names[str(row.metric)]} | {shown} | {row.boxes:,} | {row.n} | {row.patients} |")
    how = f"{config.detector} detector, {config.size} px, {config.epochs} epochs, {folds} folds, seed {config.seed}"
    wide, high = (truth["x1"] - truth["x0"]).median(), (truth["y1"] - truth["y0"]).median()
    lines += ["", f"A box is {wide:.1f} pixels wide and {high:.1f} high in the median."]
    best = best_overlaps(truth, found)
    shares = ", ".join(f"{(best >= least).mean():.1%} by {least}" for least in (0.1, 0.3, 0.5, 0.75))
    lines += ["", f"Of the drawn boxes a detection (score 0.5 or more) overlaps {shares} or more."]
    return [*lines, "", f"{how}; commit {commit(HERE)}; {machine()}."]


if __name__ == "__main__":
    main()
