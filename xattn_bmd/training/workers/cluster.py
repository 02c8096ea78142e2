"""Where worker processes come from: a few of this machine, or those of a scheduler that somebody else runs."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from xattn_bmd.errors import ConfigError, RunError
from xattn_bmd.training.workers.checks import ONE_THREAD, QUICK_MEMORY, check_workers

if TYPE_CHECKING:
    from distributed import Client

MOST_AUTOMATIC = 4
"""Most workers that are started where nobody named a number."""

PRELOADED = ["distributed", "xattn_bmd.training.workers.jobs"]
"""What the process that workers are forked from loads, once for all of them; none of it looks at a GPU."""

_ADDRESS = re.compile(r"(tcp|tls)://[^\s/]+:\d{1,5}")


def usable_cores() -> int:
    """Return the number of CPU cores that this process may use.

    Example:
        >>> usable_cores() >= 1
        True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def automatic_workers() -> int:
    """Return the number of workers that are started where nobody named one.

    Example:
        >>> 1 <= automatic_workers() <= MOST_AUTOMATIC
        True
    """
    return min(usable_cores(), MOST_AUTOMATIC)


def check_worker_request(*, workers: int, scheduler: str | None) -> None:
    """Refuse a request for workers that contradicts itself.

    Args:
        workers: processes to start on this machine; 1 is this process itself.
        scheduler: address of a running dask scheduler, or None.

    Raises:
        ConfigError: naming the value found.

    Example:
        >>> check_worker_request(workers=1, scheduler="tcp://10.0.0.5:8786")
    """
    if workers < 1:
        raise ConfigError(f"workers must be at least 1, but {workers} was given; 1 works in this process alone.")
    if scheduler is None:
        return
    if workers > 1:
        raise ConfigError(
            f"Workers are started here (workers) or belong to a scheduler (scheduler), but workers={workers} and "
            f"scheduler={scheduler!r} were both given; leave one out."
        )
    if not _ADDRESS.fullmatch(scheduler):
        raise ConfigError(
            f"A scheduler's address is written tcp://HOST:PORT, but {scheduler!r} was given; copy it from the first "
            "lines that `dask scheduler` prints."
        )


@contextmanager
def open_workers(
    *, workers: int = 1, scheduler: str | None = None, connect: float = 10.0, patience: float = 60.0
) -> Iterator[Client]:
    """Yield a client of worker processes; those that were started here end with the block, however it ends.

    Whoever reaches a scheduler can run code on its workers: it belongs in a private network.

    Args:
        workers: processes to start on this machine, one thread each, reachable from this machine alone.
        scheduler: address of a running dask scheduler, in place of that.
        connect: seconds to wait for the scheduler's answer.
        patience: seconds to wait for its first worker.

    Raises:
        ConfigError: if the request contradicts itself.
        RunError: if the scheduler cannot be reached, has no worker, or a worker cannot do the client's work.
    """
    check_worker_request(workers=workers, scheduler=scheduler)
    with ExitStack() as stack:
        if scheduler is None:
            yield _started(stack, workers)
        else:
            client = _connected(stack, scheduler, connect)
            _wait_for_workers(client, scheduler, patience)
            check_workers(client)
            yield client


def _started(stack: ExitStack, workers: int) -> Client:
    import dask
    from distributed import Client, LocalCluster

    settings = {
        "distributed.nanny.pre-spawn-environ": ONE_THREAD | QUICK_MEMORY,
        "distributed.scheduler.worker-saturation": 1.0,  # a worker that dies takes no waiting work with it
    }
    environment = stack.enter_context(_worker_environment())
    stack.enter_context(_quick_starts())
    with dask.config.set(settings), _start_errors():
        cluster = LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            memory_limit=None,
            env=environment,  # a process that is forked has the environment of an earlier one
            silence_logs=logging.CRITICAL,
        )
        stack.enter_context(cluster)
        client: Client = stack.enter_context(Client(cluster, set_as_default=False))  # type: ignore[no-untyped-call]
    _spread_over_gpus(client)
    return client


@contextmanager
def _worker_environment() -> Iterator[dict[str, str]]:
    """Yield what workers start with, and put this process's own back: dask would leave its slow memory in it."""
    before = dict(os.environ)
    os.environ.update(ONE_THREAD | before | QUICK_MEMORY)
    try:
        yield dict(os.environ)
    finally:
        for name in {*ONE_THREAD, *QUICK_MEMORY} - set(before):
            os.environ.pop(name, None)
        os.environ.update({name: before[name] for name in QUICK_MEMORY if name in before})


@contextmanager
def _quick_starts() -> Iterator[None]:
    """Fork workers, also those that replace a dead one, from a process that has loaded torch and little else.

    Only Linux forks safely what has loaded torch; elsewhere every worker loads it itself.
    """
    if sys.platform != "linux":
        yield
        return
    import dask
    from distributed.utils import get_mp_context

    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        get_mp_context().set_forkserver_preload(PRELOADED)  # type: ignore[no-untyped-call]
        yield


@contextmanager
def _start_errors() -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as cause:
        raise RunError(
            f"Worker processes must start, but they did not ({type(cause).__name__}); a script that asks for workers "
            'does so under `if __name__ == "__main__":`, else use workers=1.'
        ) from cause


def _spread_over_gpus(client: Client) -> None:
    import torch

    count = torch.cuda.device_count()
    if count > 1:
        from xattn_bmd.training.workers.gpu_slots import GpuSlots, visible_gpus

        client.register_plugin(GpuSlots(visible_gpus(count)))


def _connected(stack: ExitStack, scheduler: str, seconds: float) -> Client:
    from distributed import Client

    try:
        client = Client(scheduler, timeout=seconds, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ImportError, ValueError) as cause:
        raise RunError(
            f"A scheduler must answer at its address, but none answered at {scheduler} within {seconds:g} s; start "
            "`dask scheduler` there, mend the address, or open its port to this machine."
        ) from cause
    stack.enter_context(client)
    return client


def _wait_for_workers(client: Client, scheduler: str, seconds: float) -> None:
    try:
        client.wait_for_workers(1, timeout=seconds)
    except TimeoutError as cause:
        raise RunError(
            f"A scheduler needs workers, but {scheduler} had none within {seconds:g} s; start "
            f"`dask worker {scheduler} --nthreads 1` on machines that see the radiographs, once for each fit at a time."
        ) from cause
