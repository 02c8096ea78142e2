"""The tutorial's job by other libraries, each where it can be imported; a row that was not measured says so.

Run it with the Python of an environment that has the library beside torch, timm, pytorch-lightning and pandas:
    python -m venv monai-env && monai-env/bin/pip install monai torch torchvision timm pytorch-lightning pandas ...
    monai-env/bin/python experiments/benchmarks/neighbours.py [--only monai] [--quick] [--repeats 3]
"""

from __future__ import annotations

import argparse
import statistics
from importlib.util import find_spec

from child import Child, run_child
from epoch import EPOCHS, FOLDS, THREADS
from job import FULL, QUICK, Job
from measured import Measured
from step_clock import epoch_seconds
from targets_table import printed

from xattn_bmd.training.environment import machine

NEIGHBOURS = {
    "monai": ("MONAI CacheDataset", "neighbour_monai.py"),
    "pytorch_widedeep": ("pytorch-widedeep", None),
    "autogluon": ("AutoGluon-Multimodal", None),
}
"""Module to import, name, and the script that does the job with it; None: no such script is written yet."""


def road(script: str, job: Job) -> Child:
    """Run a neighbour on the job once."""
    arguments = ("--job", job.folder(), "--folds", FOLDS, "--epochs", EPOCHS, "--threads", THREADS)
    size = ("--batch", job.batch, "--size", job.size, "--backbone", job.backbone)
    return run_child(script, [*arguments, *size], threads=THREADS)


def measure(*, quick: bool, repeats: int, only: tuple[str, ...] = tuple(NEIGHBOURS)) -> list[Measured]:
    """Return epoch and whole-job seconds of each neighbour, NaN with the reason where it was not measured."""
    job, rows = QUICK if quick else FULL, []
    for module in only:
        name, script = NEIGHBOURS[module]
        if script is None or find_spec(module) is None:
            reason = "no script is written for it" if script is None else f"{module} is not installed in this Python"
            rows.append(Measured(f"{name}: epoch", "", float("nan"), "s", 0, f"not measured: {reason}"))
            continue
        runs = [road(script, job) for _ in range(repeats)]
        epochs = [second for run in runs for second in epoch_seconds(run.steps, fits=FOLDS, epochs=EPOCHS)]
        whole = statistics.median(run.wall for run in runs)
        rows += [
            Measured(f"{name}: epoch", "", statistics.median(epochs), "s", repeats, job.words),
            Measured(f"{name}: whole job", "", whole, "s", repeats, job.words),
        ]
    return rows


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(NEIGHBOURS), default=list(NEIGHBOURS))
    asked = parser.parse_args()
    rows = measure(quick=asked.quick, repeats=asked.repeats, only=tuple(asked.only))
    print(f"{printed(rows)}\n\nmachine: {machine()}")


if __name__ == "__main__":
    main()
