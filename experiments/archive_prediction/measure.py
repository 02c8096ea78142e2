"""Print memory and speed of `xattn-bmd predict` on a long list beside a short one, bare decoding, and the model alone.

Run: python experiments/archive_prediction/measure.py            (200 files of 2500 x 2000, 20,000 rows)
     python experiments/archive_prediction/measure.py --images 16 --rows 160    (under a minute on two idle cores)
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import yaml
from PIL import Image

from xattn_bmd import Cohort, Predictor, compare
from xattn_bmd.config import CompareConfig
from xattn_bmd.data.dataset import Pictures
from xattn_bmd.data.pictures.build import default_workers
from xattn_bmd.data.pictures.picture import read_picture
from xattn_bmd.training.archive.estimate import BLOCK
from xattn_bmd.training.in_threads import in_threads

HEIGHT, WIDTH = 2500, 2000
TRAINED_ON, FOLDS, EPOCHS = 40, 5, 2
MEMORY_WANTED, SHARE_WANTED = 1.10, 0.85
ROLES = {
    "id": "radiograph_id",
    "patient": "patient_id",
    "image": "image",
    "target": {"column": "fn_bmd", "unit": "g/cm2"},
    "numeric": {"age": {"unit": "years", "range": [18, 110]}, "weight": {"unit": "kg", "range": [25, 250]}},
    "categorical": {"sex": ["female", "male"]},
    "side": "side",
    "simulated": True,
}


class Ran(NamedTuple):
    """One run of the command: rows, wall time in s, peak resident memory in MB."""

    rows: int
    seconds: float
    peak: float


def main() -> None:
    """Make the files, run the command on both lists, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=200, help="image files, and rows of the short list")
    parser.add_argument("--rows", type=int, default=20_000, help="rows of the long list, which names files repeatedly")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        predictor = Predictor.load(trained(root / "trained"))
        files = write_images(root / "images", count=chosen.images, height=HEIGHT, width=WIDTH)
        report(predictor, root, files, rows=chosen.rows)


def report(predictor: Predictor, root: Path, files: Sequence[Path], *, rows: int) -> None:
    """Run and time everything on the same files, and print it."""
    image = predictor.image
    before = rate(lambda path: read_picture(path, image=image), files)
    short = ran(predictor, write_table(root / "short", files, rows=len(files)))
    long = ran(predictor, write_table(root / "long", files, rows=rows))
    bare = (before + rate(lambda path: read_picture(path, image=image), files)) / 2
    limit = model_rate(predictor, files)
    steady = (long.rows - short.rows) / (long.seconds - short.seconds) if long.rows > short.rows else float("nan")
    lower = min(bare, limit)
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    print(f"machine: {platform.machine()}, {os.cpu_count()} cores, {gpu}, torch {torch.__version__}")
    print(
        f"n: {len(files)} PNG files of {HEIGHT} x {WIDTH}, 16 bits; lists of {short.rows} and {long.rows} rows; model "
        f"{predictor.model}, {len(predictor.estimators)} folds, {image.size} pixels; {default_workers()} threads"
    )
    for one in (short, long):
        print(
            f"{one.rows} rows: {one.peak:.0f} MB peak, {one.seconds:.1f} s in all, {one.rows / one.seconds:.2f} rows/s"
        )
    print(f"peak memory, long over short: {long.peak / short.peak:.3f} (wanted: at most {MEMORY_WANTED})")
    print(f"rows/s without start-up: {steady:.2f}")
    print(f"bare decoding: {bare:.2f} files/s; the model alone, on decoded pictures: {limit:.2f} radiographs/s")
    print(f"share of the lower of the two: {long.rows / long.seconds / lower:.3f} (wanted: at least {SHARE_WANTED})")
    print(f"the same without start-up: {steady / lower:.3f}")


def ran(predictor: Predictor, table: Path) -> Ran:
    """Run the command in a process of its own."""
    out = table.with_name("estimates.csv")
    words = ["predict", str(predictor.folder), str(table), "--images", str(table.parent.parent / "images")]
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "xattn_bmd.cli", *words, "--out", str(out)], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    rows = len(pd.read_csv(table))
    if status or len(pd.read_csv(out)) != rows:
        raise SystemExit(f"the command did not finish {table}")
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return Ran(rows, seconds, kilobytes / 1024)


def rate(function: Callable[[Path], object], items: Sequence[Path]) -> float:
    """Return how many items a second the function takes in as many threads as the command has."""
    return len(items) / seconds(function, items)


def model_rate(predictor: Predictor, files: Sequence[Path]) -> float:
    """Return how many radiographs a second the networks take, decoded before, in the blocks of the command."""
    decoded = [read_picture(path, image=predictor.image) for path in files[:BLOCK]]
    pixels = np.stack([decoded[row % len(decoded)] for row in range(BLOCK)])
    record = Cohort.from_table(clinical_table(BLOCK), roles=predictor.roles).table
    pictures = Pictures(pixels, np.zeros(BLOCK, dtype=np.bool_))
    ensemble, blocks = predictor.ensemble, range(max(4, len(files) // BLOCK))
    ensemble.answers(record, pictures)
    return len(blocks) * BLOCK / seconds(lambda _: ensemble.answers(record, pictures), blocks)


def seconds(function: Callable[..., object], items: Iterable[object]) -> float:
    """Return the wall time of a function over items, in as many threads as the command has."""
    start = time.perf_counter()
    for _ in in_threads(function, items, threads=default_workers()):
        pass
    return time.perf_counter() - start


def trained(root: Path) -> Path:
    """Train a small predictor on made-up hips; return its folder."""
    files = write_images(root / "images", count=TRAINED_ON, height=250, width=200)
    table = write_table(root, files, rows=TRAINED_ON)
    config = CompareConfig.from_preset("quick")
    config = replace(config, models=("xattn",), folds=FOLDS, training=replace(config.training, epochs=EPOCHS))
    run = compare(Cohort.from_csv(table), out=root / "RUN", config=config, cache=root / "cache", progress=False)
    return run.folder / "xattn"


def write_images(folder: Path, *, count: int, height: int, width: int) -> list[Path]:
    """Write 12-bit radiographs in 16-bit PNG files: smooth shapes under fine noise, the same ones every time."""
    folder.mkdir(parents=True)
    files = []
    for number in range(count):
        generator = np.random.default_rng(number)
        coarse = Image.fromarray(generator.random((12, 10), dtype=np.float32)).resize((width, height), Image.BICUBIC)
        grey = 3500 * np.asarray(coarse) + 12 * generator.standard_normal((height, width), dtype=np.float32)
        files.append(folder / f"hip_{number:04d}.png")
        Image.fromarray(grey.clip(0, 4095).astype(np.uint16)).save(files[-1], compress_level=1)
    return files


def write_table(folder: Path, files: Sequence[Path], *, rows: int) -> Path:
    """Write a table whose rows name the files in turn, and its roles."""
    folder.mkdir(parents=True, exist_ok=True)
    table = clinical_table(rows).assign(image=[files[row % len(files)].name for row in range(rows)])
    table.to_csv(folder / "cohort.csv", index=False)
    (folder / "cohort.yaml").write_text(yaml.safe_dump(ROLES, sort_keys=False))
    return folder / "cohort.csv"


def clinical_table(rows: int) -> pd.DataFrame:
    """Return a made-up record, the same one every time."""
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "radiograph_id": [f"r{row:06d}" for row in range(rows)],
            "patient_id": [f"p{row:06d}" for row in range(rows)],
            "image": "",
            "side": np.where(np.arange(rows) % 2, "R", "L"),
            "sex": generator.choice(["female", "male"], size=rows),
            "age": generator.uniform(50, 90, size=rows).round(1),
            "weight": generator.uniform(45, 110, size=rows).round(1),
            "fn_bmd": generator.uniform(0.6, 1.1, size=rows).round(3),
        }
    )


if __name__ == "__main__":
    main()
