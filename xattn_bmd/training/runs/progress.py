"""A progress bar that says which model, repeat and fold runs, and how long is left."""

from __future__ import annotations

import time
from collections import Counter
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from xattn_bmd.config import CompareConfig
from xattn_bmd.models.fusions.named import is_fusion
from xattn_bmd.training.device import torch_device
from xattn_bmd.training.registry import uses_images
from xattn_bmd.training.study import Job
from xattn_bmd.training.workers.cluster import usable_cores

_RECORD_EPOCH = 0.4
"""Cost of an epoch without images, as a share of one with them; only the estimate of the time left rests on it."""


_LONG = 3600.0
"""Seconds that the bar looks back for its speed: a fit may take minutes."""


class FitProgress:
    """Shows decoding and fitting; on a console that is no terminal, one line per finished model.

    Args:
        shown: False shows nothing.
    """

    def __init__(self, *, shown: bool = True) -> None:
        self._console = Console(stderr=True)
        self._shown = shown
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            speed_estimate_period=_LONG,
            disable=not (shown and self._console.is_terminal),
        )
        self._task: TaskID | None = None
        self._counts: dict[str, TaskID] = {}
        self._config = CompareConfig()
        self._unit = 1.0
        self._finished = 0.0
        self._done = 0.0
        self._open: Counter[str] = Counter()
        self._total = 0.0
        self._started = 0.0

    def __enter__(self) -> FitProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def searched(self, done: int, total: int) -> None:
        """Tell in how many radiographs a localiser has looked for its box."""
        self._count("finding boxes", done, total)

    def decoded(self, done: int, total: int) -> None:
        """Tell how many files are decoded."""
        self._count("decoding radiographs", done, total)

    def encoded(self, done: int, total: int) -> None:
        """Tell of how many radiographs the frozen trunk's feature maps are stored."""
        self._count("frozen trunk: feature maps", done, total)

    def _count(self, name: str, done: int, total: int) -> None:
        if name not in self._counts:
            self._counts[name] = self._bar.add_task(name, total=total)
        self._bar.update(self._counts[name], completed=done)

    def start(self, jobs: list[Job], open_jobs: list[Job], config: CompareConfig) -> None:
        """Announce all fits and those still to do."""
        self._config = config
        finished = len(jobs) - len(open_jobs)
        if finished and self._shown:
            self._console.print(f"continuing: {finished} of {len(jobs)} fits are already stored")
        self._open = Counter(job.model for job in open_jobs)
        self._total = sum(self._cost(job) for job in open_jobs)
        self._started = time.monotonic()
        self._task = self._bar.add_task("fitting", total=self._total)

    def hint_at_workers(self, open_jobs: list[Job]) -> None:
        """Say once that more processes would use the cores that are idle."""
        used, cores = self._config.training.threads, usable_cores()
        most = min(cores // used, len(open_jobs))
        if self._shown and most > 1 and torch_device(self._config.training.accelerator).type == "cpu":
            self._console.print(
                f"fitting on {used} of {cores} CPU cores: --workers {most} (workers={most}) would use more, with the "
                "same results",
                highlight=False,
                soft_wrap=True,
            )

    def begin(self, job: Job) -> None:
        """Announce the fit that starts in this process; fits on workers are counted when they end."""
        self._unit = _epoch_cost(job)
        name = (
            f"{job.model} · repeat {job.repeat + 1}/{self._config.repeats} · fold {job.fold + 1}/{self._config.folds}"
        )
        self._update(name, self._done)

    def epoch(self, number: int) -> None:
        """Move on by one epoch of the fit that runs in this process."""
        self._done += self._unit
        self._update(None, self._done)

    def end(self, job: Job) -> None:
        """Count a fit as done, also where it stopped early."""
        self._finished += self._cost(job)
        self._done = self._finished
        self._open[job.model] -= 1
        self._update(f"fitting · {self._open.total()} fits to do", self._done)
        if self._shown and not self._console.is_terminal and not self._open[job.model]:
            self._console.print(
                f"{job.model}: {self._config.repeats} x {self._config.folds} folds done, {self._left()}"
            )

    def _left(self) -> str:
        spent = time.monotonic() - self._started
        seconds = spent / self._done * (self._total - self._done)
        return f"about {seconds / 60:.0f} min left"

    def _cost(self, job: Job) -> float:
        training = self._config.training
        return _epoch_cost(job) * (training.epochs * training.seeds if is_fusion(job.model) else 1)

    def _update(self, description: str | None, completed: float) -> None:
        if self._task is not None:
            self._bar.update(self._task, description=description, completed=completed)


def _epoch_cost(job: Job) -> float:
    return 1.0 if uses_images(job.model) else _RECORD_EPOCH
