"""Our road: `compare` on the benchmark's job, in a process of its own.

Run alone: python experiments/benchmarks/ours.py --precision bf16-mixed
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from child import write_record
from job import FULL

from xattn_bmd import Cohort, CompareConfig, ImageConfig, ModelConfig, TrainingConfig, compare


def parsed() -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--job", type=Path)
    parser.add_argument("--out", type=Path, help="run folder; none: a temporary one")
    parser.add_argument("--cache", type=Path, help="cache of decoded pictures; none: an empty one")
    parser.add_argument("--models", nargs="+", default=["xattn"])
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=FULL.batch)
    parser.add_argument("--size", type=int, default=FULL.size)
    parser.add_argument("--backbone", default=FULL.backbone)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--weights", default="none")
    parser.add_argument("--freeze", default="none")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--accelerator", default="cpu")
    parser.add_argument("--trace", type=Path, help="folder for a trace of what the GPU did; one worker only")
    parser.add_argument("--record", type=Path, help="JSON file for the measured times")
    return parser.parse_args()


def settings(asked: argparse.Namespace) -> CompareConfig:
    """Return the configuration; no fit stops before its last epoch."""
    return CompareConfig(
        models=tuple(asked.models),
        folds=asked.folds,
        repeats=asked.repeats,
        image=ImageConfig(size=asked.size),
        model=ModelConfig(backbone=asked.backbone, weights=asked.weights, freeze=asked.freeze, width=asked.width),
        training=TrainingConfig(
            epochs=asked.epochs,
            patience=asked.epochs,
            batch_size=asked.batch,
            precision=asked.precision,
            accelerator=asked.accelerator,
            threads=asked.threads,
        ),
    )


def run(asked: argparse.Namespace, scratch: Path) -> tuple[float, list[float]]:
    """Compare, and return the seconds it took and when each fit was stored, seconds after the beginning."""
    out, begin = asked.out or scratch / "run", time.time()
    more = {"workers": asked.workers} if asked.workers > 1 else {}
    compare(
        Cohort.from_csv((asked.job or FULL.folder()) / "cohort.csv"),
        out=out,
        config=settings(asked),
        cache=asked.cache or scratch / "cache",
        progress=False,
        **more,
    )
    seconds = time.time() - begin
    stored = (path.stat().st_mtime - begin for path in out.glob("*/repeat_*/fold_*/predictions.csv"))
    return seconds, sorted(stored)


def main() -> None:
    """Run once and store when each step and each fit ended."""
    from step_clock import StepClock

    asked = parsed()
    clock = StepClock()
    with tempfile.TemporaryDirectory() as scratch:
        if asked.trace:
            from gpu_copies import traced

            seconds, finished = traced(lambda: run(asked, Path(scratch)), folder=asked.trace)
        else:
            seconds, finished = run(asked, Path(scratch))
    write_record(asked.record, seconds=seconds, steps=clock.times, finished=finished)


if __name__ == "__main__":
    main()
