"""When each optimiser step of a process ended: the same clock for every road, without touching any of them."""

from __future__ import annotations

import statistics
import time
from typing import Any

from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook


class StepClock:
    """Notes the time after every optimiser step of this process, whoever takes it.

    On a GPU a step is over for Python before the device has finished it; over many steps the two keep pace.

    Attributes:
        times: seconds on the performance counter, one a step.
    """

    def __init__(self) -> None:
        self.times: list[float] = []
        register_optimizer_step_post_hook(self._note)

    def _note(self, optimizer: Optimizer, args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        self.times.append(time.perf_counter())


def epoch_seconds(times: list[float], *, fits: int, epochs: int) -> list[float]:
    """Return how long the epochs after each fit's first took, from last step to last step.

    So validation, logging and checkpoints are in, and so is whatever else happens between two epochs.

    Raises:
        ValueError: if the steps do not divide into the fits and epochs: then some fit stopped early.
    """
    if not times or len(times) % (fits * epochs):
        raise ValueError(f"{len(times)} steps do not divide into {fits} fits of {epochs} epochs.")
    steps = len(times) // (fits * epochs)
    last = [times[number * steps - 1] for number in range(1, fits * epochs + 1)]
    return [last[i] - last[i - 1] for i in range(1, len(last)) if i % epochs]


def step_seconds(times: list[float], *, fits: int, epochs: int) -> float:
    """Return the median time from one step of an epoch to the next one, without each fit's first two.

    Raises:
        ValueError: if the steps do not divide into the fits and epochs.
    """
    if not times or len(times) % (fits * epochs):
        raise ValueError(f"{len(times)} steps do not divide into {fits} fits of {epochs} epochs.")
    steps = len(times) // (fits * epochs)
    inside = [
        times[i] - times[i - 1] for i in range(1, len(times)) if i % steps and i % (steps * epochs) >= min(2, steps - 1)
    ]
    return statistics.median(inside)
