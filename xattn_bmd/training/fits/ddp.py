"""One fit spread over several devices of a machine (Lightning DDP), started from inside a library call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException
from torch.utils.data import DataLoader

from xattn_bmd.atomic import atomic_write
from xattn_bmd.errors import ConfigError, RunError
from xattn_bmd.training.fits.callbacks import BestWeights, History


class DealtBatches:
    """One device's share of every step: the rows that a loader gives, dealt out to all devices.

    Every device reads the same loader in the same order, so a step sees the rows that it would see on one device.  No
    row is repeated and none left out: shares of a step differ by at most one row, and a last step with fewer rows than
    devices joins the one before.

    Args:
        loader: yields row numbers ``(B,)``, ``B`` the batch size of one device.
        rank: this device, from 0.
        devices: number of devices.

    Raises:
        ConfigError: if the loader has fewer rows than there are devices.

    Example:
        >>> loader = DataLoader(torch.arange(9), batch_size=2)
        >>> [[rows.tolist() for rows in DealtBatches(loader, rank=rank, devices=2)] for rank in (0, 1)]
        [[[0, 2], [4, 6, 8]], [[1, 3], [5, 7]]]
    """

    def __init__(self, loader: DataLoader[Tensor], *, rank: int, devices: int) -> None:
        assert loader.batch_size is not None
        self._loader, self._rank, self._devices = loader, rank, devices
        self._step = loader.batch_size * devices
        total = len(loader.dataset)  # type: ignore[arg-type]
        self._rows = total - total % loader.batch_size if loader.drop_last else total
        if self._rows < devices:
            raise ConfigError(
                f"Each part of a fold needs a radiograph for each of the {devices} devices (training.devices), but one "
                f"has {self._rows}; use fewer devices."
            )

    def __len__(self) -> int:
        full, rest = divmod(self._rows, self._step)
        return max(1, full + (rest >= self._devices))

    def __iter__(self) -> Iterator[Tensor]:
        rows, steps = torch.cat(list(self._loader)), len(self)
        for step in range(steps):
            stop = len(rows) if step == steps - 1 else (step + 1) * self._step
            yield rows[step * self._step : stop][self._rank :: self._devices]


class SpreadStrategy(DDPStrategy):
    """Lightning's DDP in processes that are started for one fit, with :class:`DealtBatches`."""

    def __init__(self) -> None:
        super().__init__(start_method="spawn")

    def process_dataloader(self, dataloader: object) -> object:
        """Deal the rows of a loader out to the devices."""
        assert isinstance(dataloader, DataLoader)
        return DealtBatches(dataloader, rank=self.global_rank, devices=self.world_size)


class RankSetup(Callback):
    """Gives each process its own random numbers, and the number of threads that one fit has.

    Lightning starts every process in the same random state, so without this all devices would drop the same units.

    Args:
        threads: CPU threads of each process.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Set both before the first step."""
        torch.set_num_threads(self._threads)
        if trainer.global_rank:
            torch.manual_seed(torch.initial_seed() + trainer.global_rank)


class Course(Callback):
    """Carries a fit's best epoch and history from the first process to the one that started it, as a JSON file.

    Args:
        best: the best epoch, known after the fit.
        history: the epochs.
    """

    def __init__(self, best: BestWeights, history: History) -> None:
        self._best, self._history = best, history
        self.path: Path | None = None

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the file, in the first process."""
        if trainer.is_global_zero and self.path is not None:
            found = {"best": self._best.state_dict(), "history": self._history.state_dict()}
            atomic_write(self.path, json.dumps(found))

    def read(self) -> None:
        """Take the file over."""
        assert self.path is not None
        found = json.loads(self.path.read_text())
        self._best.load_state_dict(found["best"])
        self._history.load_state_dict(found["history"])


class SpreadTrainer(pl.Trainer):
    """A Trainer whose fit runs in other processes; afterwards module, best epoch and history are in this one.

    Made by :func:`~xattn_bmd.training.fits.trainer.build_trainer`.

    Attributes:
        course: that one of its callbacks which carries them.
    """

    course: Course

    def fit(
        self,
        model: pl.LightningModule,
        train_dataloaders: Any = None,  # noqa: ANN401
        val_dataloaders: Any = None,  # noqa: ANN401
        datamodule: pl.LightningDataModule | None = None,
        ckpt_path: str | Path | None = None,
        weights_only: bool | None = None,
    ) -> None:
        """Fit as ``pl.Trainer.fit`` does.

        Raises:
            OutOfMemoryError: if a device was out of memory, as on one device.
            RunError: if a process failed or was killed, or if the script that called has no main guard.
        """
        with TemporaryDirectory(prefix="xattn-bmd-") as folder:
            self.course.path = Path(folder) / "course.json"
            with _clear_errors(self.num_devices):
                super().fit(model, train_dataloaders, val_dataloaders, datamodule, ckpt_path, weights_only)
            self.course.read()


@contextmanager
def _clear_errors(devices: int) -> Iterator[None]:
    try:
        yield
    except ProcessRaisedException as cause:
        told = str(cause).strip().splitlines()[-1]
        if "OutOfMemoryError" in told:
            raise torch.OutOfMemoryError(told) from cause
        raise RunError(f"A fit on {devices} devices needs all its processes, but one failed: {told}") from cause
    except ProcessExitedException as cause:
        raise RunError(
            f"A fit on {devices} devices starts {devices} processes, but one ended early ({cause}); a script that "
            'calls this library keeps its calls under `if __name__ == "__main__":`, else look for a killed process.'
        ) from cause
