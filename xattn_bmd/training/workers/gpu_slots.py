"""Which GPU each worker of this machine uses."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from distributed import Worker, WorkerPlugin

_VISIBLE = "CUDA_VISIBLE_DEVICES"


def gpu_of_worker(index: int, gpus: Sequence[str]) -> str | None:
    """Return the GPU of a worker: they take turns, so that several workers may share one.

    Args:
        index: number of the worker, from 0.
        gpus: names of the GPUs as in ``CUDA_VISIBLE_DEVICES``; empty on a machine without any.

    Example:
        >>> [gpu_of_worker(index, ["0", "1"]) for index in range(4)]
        ['0', '1', '0', '1']
    """
    return gpus[index % len(gpus)] if gpus else None


def visible_gpus(count: int, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the names of the GPUs that this process may use.

    Args:
        count: how many torch finds.
        environment: may name them, by number or by UUID.

    Example:
        >>> visible_gpus(2, {"CUDA_VISIBLE_DEVICES": "2,3"}), visible_gpus(2, {})
        (['2', '3'], ['0', '1'])
    """
    named = [name.strip() for name in environment.get(_VISIBLE, "").split(",") if name.strip()]
    return named[:count] if named else [str(number) for number in range(count)]


@dataclass
class GpuSlots(WorkerPlugin):
    """Shows each worker its own GPU before it touches one; also a worker that replaces a killed one."""

    gpus: list[str]
    name: str = "xattn-bmd-gpu-slots"

    def setup(self, worker: Worker) -> None:
        """Called by dask when a worker starts."""
        gpu = gpu_of_worker(int(worker.name), self.gpus)
        if gpu is not None:
            os.environ[_VISIBLE] = gpu
