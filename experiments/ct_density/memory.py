"""Peak memory and time of segmenting a CT of 512 x 512 x 400 voxels, each setting in a process of its own.

The scan is made up and held in memory as float32 at 1 x 0.8 x 0.8 mm.  The network has six classes, is untrained, and
calls nothing background: its labels cover the whole volume, the worst case for the search of pieces.  The peak is the
largest resident size of the whole process: Python, torch, the scan, the network, the result.  The table goes between
the README's markers; nothing does where a size is given.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import process_time

import numpy as np
import torch

from xattn_bmd.atomic import atomic_replace
from xattn_bmd.segment.config import SegmenterConfig
from xattn_bmd.segment.segmenter import VolumeSegmenter, blank_network
from xattn_bmd.training.environment import commit, machine
from xattn_bmd.types import Volume

OWN_MM = (1.0, 0.8, 0.8)
SETTINGS: dict[str, SegmenterConfig] = {
    "default spacing": SegmenterConfig(),
    # overlap and width cost time; of the memory they are a small part
    "the scan's own spacing": SegmenterConfig(spacing_mm=OWN_MM, overlap=0.0, width=4, levels=2),
}
LABELS = ("L1", "L2", "L3", "L4", "L5")
SIZE = (400, 512, 512)
LIMIT_GB = 4.0
HERE = Path(__file__).parent
BEGIN, END = "<!-- memory: begin -->", "<!-- memory: end -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs=3, help="slices, rows, columns; a trial")
    parser.add_argument("--setting", choices=SETTINGS, help="run this one here and print its figures as JSON")
    chosen = parser.parse_args()
    if chosen.setting:
        print(json.dumps(measured(tuple(chosen.size or SIZE), setting=chosen.setting)))
        return
    table = []
    for line in lines(tuple(chosen.size or SIZE)):
        print(line, flush=True)
        table.append(line)
    if chosen.size is None:
        atomic_replace(HERE / "README.md", "\n".join(table), begin=BEGIN, end=END)


def lines(size: tuple[int, int, int]) -> Iterator[str]:
    """Yield the table; stop with an error at the first setting above the limit."""
    yield "| working grid | voxels there | peak GB | CPU seconds | voxels labelled |"
    yield "|---|---|---|---|---|"
    for setting in SETTINGS:
        command = [sys.executable, __file__, "--size", *map(str, size), "--setting", setting]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        row = json.loads(done.stdout.splitlines()[-1])
        cells = (setting, row["seen"], f"{row['peak_gb']:.2f}", f"{row['seconds']:.0f}", f"{row['labelled']:.0%}")
        yield f"| {' | '.join(cells)} |"
        if row["peak_gb"] > LIMIT_GB:
            sys.exit(f"The peak must stay within {LIMIT_GB:g} GB.")
    yield ""
    words = f"{' × '.join(map(str, size))} voxels, {len(LABELS)} labels, one run each"
    yield f"{words}. Commit {commit(HERE)}; machine: {machine()}."


def measured(size: tuple[int, int, int], *, setting: str) -> dict[str, object]:
    """Return the figures of one segmentation in this process."""
    config = replace(SETTINGS[setting], labels=LABELS, smallest_ml=0.0)
    torch.manual_seed(0)
    network = blank_network(config).eval()
    network.state_dict()["last.bias"][0] = -1e3
    segmenter = VolumeSegmenter(network, config, ())
    scan = made_up(size)
    started = process_time()
    found = segmenter.segment(scan)
    seconds = process_time() - started
    seen = [round(side * own / at) for side, own, at in zip(size, OWN_MM, config.spacing_mm, strict=True)]
    return {
        "seen": " x ".join(map(str, seen)),
        "seconds": seconds,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        "labelled": float(np.mean([plane.astype(bool).mean() for plane in found.labels])),
    }


def made_up(size: tuple[int, int, int]) -> Volume:
    """Return noise of soft tissue with bone in it."""
    rng = np.random.default_rng(0)
    hu = np.empty(size, dtype=np.float32)
    for plane in hu:
        plane[:] = rng.normal(40, 25, size[1:])
        plane[size[1] // 3 : size[1] // 2, size[2] // 3 : size[2] // 2] += 300
    affine = np.array([[0, 0, OWN_MM[2], 0], [0, OWN_MM[1], 0, 0], [-OWN_MM[0], 0, 0, 0], [0, 0, 0, 1]], dtype=float)
    return Volume(hu, OWN_MM, affine, ("made up",))


if __name__ == "__main__":
    main()
