"""Simulate the hips that the bone encoder learns from: pictures as the library caches them, with maps of the truth.

Run: python experiments/bone_encoder/hips.py --n 12000 --out FOLDER
Continues where it stopped; the benchmark contains neither these femora, nor these people, nor this image processing.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xattn_bmd import ImageConfig
from xattn_bmd.data.preprocess import Frame, frame_of, preprocess
from xattn_bmd.simulate.hip import HipPicture, simulate_hip
from xattn_bmd.simulate.person import Hip
from xattn_bmd.simulate.subjects import draw_hips
from xattn_bmd.types import Radiograph

SIZE = 224
STRIDE = 4
"""Pixels of the picture for each cell of the maps."""

SEED = 20_261_121
MAPS = ("areal", "femur", "neck", "pelvis")
_SIMULATED = 448
_BLOCK = 250


def main() -> None:
    """Simulate the hips block by block."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=12_000)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    hips, begin = draw_hips(n=asked.n, preset="pretraining", seed=SEED), time.time()
    blocks = [hips[start : start + _BLOCK] for start in range(0, len(hips), _BLOCK)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        for done, _ in enumerate(pool.map(partial(make_block, folder=asked.out), blocks), start=1):
            print(f"{done} of {len(blocks)} blocks, {time.time() - begin:.0f} s", flush=True)


def make_block(hips: Sequence[Hip], *, folder: Path) -> None:
    """Simulate some hips into one file, unless it is there."""
    path = folder / f"hips_{hips[0].index:06d}.npz"
    if path.exists():
        return
    made = [learnt(hip) for hip in hips]
    temporary = path.with_suffix(".partial.npz")
    np.savez(
        temporary,
        pictures=np.stack([picture for picture, _ in made]),
        maps=np.stack([maps for _, maps in made]),
        density=np.array([hip.true_bmd for hip in hips], dtype=np.float32),
        patient=np.array([hip.patient for hip in hips], dtype=np.int64),
    )
    temporary.rename(path)


def learnt(hip: Hip) -> tuple[NDArray[np.uint16], NDArray[np.float16]]:
    """Return the picture ``(224, 224)`` of a hip, turned to look like a left one, and the truth ``(4, 56, 56)``."""
    made = simulate_hip(hip, seed=SEED, size=_SIMULATED)
    radiograph = displayed(made)
    config = ImageConfig(size=SIZE)
    frame = frame_of(radiograph, config)
    picture, _ = preprocess(radiograph, config, frame=frame)
    truth = np.stack([cells(getattr(made, name).astype(np.float32), frame) for name in MAPS])
    mirror = slice(None, None, -1 if hip.side == "R" else 1)
    return picture[:, mirror].copy(), truth[..., mirror].astype(np.float16)


def displayed(made: HipPicture) -> Radiograph:
    """Return a simulated radiograph as a reader of its file would: bone bright."""
    low, high = made.site.stored_range
    grey = (made.pixels.astype(np.float32) - low) / (high - low)
    grey = 1 - grey if made.site.photometric == "MONOCHROME1" else grey
    return Radiograph(grey, (made.beam.spacing_mm, made.beam.spacing_mm), ())


def cells(image: NDArray[np.float32], frame: Frame) -> NDArray[np.float32]:
    """Return the mean of a map in each cell of the square picture, ``(56, 56)``."""
    box = frame.box
    field = Image.fromarray(image[box.top : box.bottom, box.left : box.right])
    square = np.zeros((SIZE, SIZE), dtype=np.float32)
    resized = np.asarray(field.resize((frame.width, frame.height), Image.Resampling.BOX))
    square[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width] = resized
    side = SIZE // STRIDE
    means: NDArray[np.float32] = square.reshape(side, STRIDE, side, STRIDE).mean(axis=(1, 3))
    return means


def blocks_of(folder: Path) -> Iterator[dict[str, NDArray[np.generic]]]:
    """Yield the stored blocks in order."""
    for path in sorted(folder.glob("hips_??????.npz")):
        with np.load(path, allow_pickle=False) as stored:
            yield {name: stored[name] for name in stored.files}


if __name__ == "__main__":
    main()
