"""Target 9: a frozen trunk with stored feature maps against the full step.

The weights are random ones, saved to a file: what a step costs does not depend on what the trunk has learned.
"""

from __future__ import annotations

import statistics
import tempfile
from functools import partial
from pathlib import Path

import timm
import torch
from child import Child, run_child
from job import FULL, QUICK, Job
from measured import Measured
from rounds import in_turn
from safetensors.torch import save_file
from step_clock import step_seconds

FOLDS = 2
EPOCHS = {"none": 1, "layer3": 2, "trunk": 4}
"""Frozen steps are short, so more of them are taken."""


def save_random_weights(path: Path, *, backbone: str) -> None:
    """Save the initial weights of a timm model for grey pictures."""
    torch.manual_seed(0)
    save_file(timm.create_model(backbone, pretrained=False, in_chans=1, num_classes=0).state_dict(), path)


def frozen_run(job: Job, *, freeze: str, weights: Path, cache: Path) -> Child:
    """Run one comparison with some of the trunk frozen; pictures and maps are kept in the cache."""
    arguments = ("--job", job.folder(), "--cache", cache, "--weights", weights, "--freeze", freeze)
    size = ("--batch", job.batch, "--size", job.size, "--backbone", job.backbone, "--precision", "bf16-mixed")
    fits = ("--folds", FOLDS, "--epochs", EPOCHS[freeze], "--threads", 2)
    return run_child("ours.py", [*arguments, *size, *fits], threads=2)


def measure(*, quick: bool, repeats: int) -> list[Measured]:
    """Return the gain of a frozen step over a full one, and what storing the maps costs once."""
    job = QUICK if quick else FULL
    with tempfile.TemporaryDirectory() as scratch:
        weights = Path(scratch) / f"{job.backbone}.safetensors"
        save_random_weights(weights, backbone=job.backbone)
        run = partial(frozen_run, job, weights=weights, cache=Path(scratch) / "cache")
        run(freeze="none")  # decodes
        first = {freeze: run(freeze=freeze).seconds for freeze in ("layer3", "trunk")}
        runs = in_turn({freeze: partial(run, freeze=freeze) for freeze in EPOCHS}, repeats=repeats)
    step = {
        freeze: statistics.median(step_seconds(run.steps, fits=FOLDS, epochs=EPOCHS[freeze]) for run in of)
        for freeze, of in runs.items()
    }
    note = f"{job.words}, bfloat16, 2 threads, feature maps in the cache"
    once = {freeze: value - statistics.median(run.seconds for run in runs[freeze]) for freeze, value in first.items()}
    return [
        Measured("9 step, freeze=trunk against full", ">= 12", step["none"] / step["trunk"], "x", repeats, note),
        Measured(
            "9 step, freeze=layer3 against full",
            "",
            step["none"] / step["layer3"],
            "x",
            repeats,
            f"{note}; 4.5 on a prototype",
        ),
        *(Measured(f"9 step, freeze={name}", "", 1000 * value, "ms", repeats) for name, value in step.items()),
        *(Measured(f"9 storing the maps once, freeze={name}", "", value, "s", 1) for name, value in once.items()),
    ]
