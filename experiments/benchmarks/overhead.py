"""Target 6: what library and Trainer add to a bare loop, on a network so small that it shows."""

from __future__ import annotations

import statistics
import tempfile
from functools import partial
from pathlib import Path

from child import Child, run_child
from job import Job
from measured import Measured
from rounds import in_turn
from step_clock import epoch_seconds, step_seconds
from workers import seconds_a_fit

TINY = Job(radiographs=96, rows=500, columns=400, size=64, batch=8, backbone="test_resnet")
FOLDS, EPOCHS = 4, 2
MORE_ROUNDS = 3
"""Rounds for each one that is asked for: a millisecond is less than what one round differs from the next."""


def fits_of(script: str, *, repeats: int, cache: Path) -> Child:
    """Run the tiny comparison once, one thread, on pictures that are decoded already."""
    arguments = ("--job", TINY.folder(), "--cache", cache, "--threads", 1, "--precision", "32-true", "--width", 16)
    size = ("--batch", TINY.batch, "--size", TINY.size, "--backbone", TINY.backbone)
    fits = ("--folds", FOLDS, "--repeats", repeats, "--epochs", EPOCHS)
    return run_child(script, [*arguments, *size, *fits], threads=1)


def measure(*, quick: bool, repeats: int) -> list[Measured]:
    """Return the milliseconds that a step, an epoch and a fit take longer than in the bare loop."""
    cross_validations, repeats = (1, repeats) if quick else (3, MORE_ROUNDS * repeats)
    fits = FOLDS * cross_validations
    with tempfile.TemporaryDirectory() as cache:
        run = partial(fits_of, repeats=cross_validations, cache=Path(cache))
        run("ours.py")  # decodes
        runs = in_turn({"bare": partial(run, "bare.py"), "ours": partial(run, "ours.py")}, repeats=repeats)
    step, epoch, fit = {}, {}, {}
    for name, of in runs.items():
        times = [child.steps for child in of]
        step[name] = 1000 * statistics.median(step_seconds(one, fits=fits, epochs=EPOCHS) for one in times)
        periods = (second for one in times for second in epoch_seconds(one, fits=fits, epochs=EPOCHS))
        epoch[name] = 1000 * statistics.median(periods)
        fit[name] = 1000 * statistics.median(seconds_a_fit(child.finished, workers=1) for child in of)
    steps = len(runs["bare"][0].steps) // (fits * EPOCHS)
    more = {what: value["ours"] - value["bare"] for what, value in (("step", step), ("epoch", epoch), ("fit", fit))}
    note = f"{TINY.words}, 1 thread, float32; {steps} steps an epoch, {EPOCHS} epochs a fit, {fits} fits"
    return [
        Measured("6 over a bare loop, a step", "<= 1", more["step"], "ms", repeats, note),
        Measured(
            "6 over a bare loop, a fit less its steps",
            "<= 50",
            more["fit"] - EPOCHS * steps * more["step"],
            "ms",
            repeats,
            f"{note}; from one stored fit to the next: encoding the record, Trainer, validation, tables, files",
        ),
        Measured(
            "6 over a bare loop, an epoch less its steps", "", more["epoch"] - steps * more["step"], "ms", repeats
        ),
        *(Measured(f"6 step, {name}", "", value, "ms", repeats) for name, value in step.items()),
        *(Measured(f"6 fit, {name}", "", value, "ms", repeats) for name, value in fit.items()),
    ]
