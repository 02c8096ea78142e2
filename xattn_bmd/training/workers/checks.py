"""What a worker must be to give the client's results: this package in this version, one thread, quick memory."""

from __future__ import annotations

import platform
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, NamedTuple

from xattn_bmd.errors import RunError

if TYPE_CHECKING:
    from distributed import Client

QUICK_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(4 * 1024**3), "MALLOC_MMAP_THRESHOLD_": str(4 * 1024**3)}
"""Set before a worker starts.

Dask asks the allocator to give memory back at once (``MALLOC_TRIM_THRESHOLD_=65536``); torch then asks for the same
memory again in every step, which was measured to make training on the CPU 1.66 times slower.
"""

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""What a worker starts with where nobody set another number."""

_SMALL = 1024**3  # bytes


class WorkerFacts(NamedTuple):
    """What a worker says of itself.

    Attributes:
        package: version of xattn_bmd, or None where it cannot be imported.
        trim: the environment's ``MALLOC_TRIM_THRESHOLD_``, or None.
    """

    package: str | None
    trim: str | None


def package_version() -> str:
    """Return the version of this package in this process.

    Example:
        >>> package_version().count(".") >= 1
        True
    """
    try:
        return version("xattn-bmd")
    except PackageNotFoundError:
        return "0.unknown"


def refuse_other_version(wanted: str) -> None:
    """Refuse to work for a client of another version.

    Raises:
        RunError: naming both versions and this machine.
    """
    here = package_version()
    if here != wanted:
        raise RunError(
            f"Every worker needs the client's version of xattn_bmd, but the client has {wanted} and a worker on "
            f"{platform.node()} has {here}; install the same version on both."
        )


def check_workers(client: Client) -> None:
    """Look at every connected worker before it gets work.

    Raises:
        RunError: if one lacks the package, has another version of it, or runs several things at a time.
    """
    answers = client.run(_probe(), on_error="return")
    facts = {where: WorkerFacts(*said) for where, said in answers.items() if isinstance(said, tuple)}
    threads = {where: said["nthreads"] for where, said in client.scheduler_info(n_workers=-1)["workers"].items()}
    refuse_unfit(facts, threads=threads)
    _warn_of_slow_memory(facts)


def refuse_unfit(facts: Mapping[str, WorkerFacts], *, threads: Mapping[str, int]) -> None:
    """Refuse workers that cannot give the client's results.

    Args:
        facts: what each worker says of itself, by address.
        threads: how many tasks each runs at a time, by address.

    Raises:
        RunError: naming the first such worker.

    Example:
        >>> refuse_unfit({"tcp://a:1": WorkerFacts(package_version(), None)}, threads={"tcp://a:1": 1})
    """
    wanted = package_version()
    for where, said in facts.items():
        if said.package is None:
            raise RunError(
                f"Every worker needs the package xattn_bmd, but the worker {where} cannot import it; install "
                f"xattn-bmd=={wanted} in the environment that starts `dask worker`."
            )
        if said.package != wanted:
            raise RunError(
                f"Every worker needs the client's version of xattn_bmd, but the client has {wanted} and the worker "
                f"{where} has {said.package}; install the same version on both."
            )
        if threads.get(where, 1) != 1:
            raise RunError(
                f"A worker does one thing at a time, or results would mix, but the worker {where} has "
                f"{threads[where]} threads; start it with `dask worker --nthreads 1`."
            )


def _probe() -> Callable[[], tuple[str | None, str | None]]:
    """Return a function that travels by value: a worker without this package can run it."""

    def facts() -> tuple[str | None, str | None]:
        import os
        from importlib.metadata import PackageNotFoundError, version

        trim = os.environ.get("MALLOC_TRIM_THRESHOLD_")
        try:
            import xattn_bmd  # noqa: F401
        except ImportError:
            return None, trim
        try:
            return version("xattn-bmd"), trim
        except PackageNotFoundError:
            return "0.unknown", trim

    return facts


def _warn_of_slow_memory(facts: Mapping[str, WorkerFacts]) -> None:
    slow = [where for where, said in facts.items() if said.trim is not None and 0 <= int(said.trim) < _SMALL]
    if slow:
        wanted = " ".join(f"{name}={value}" for name, value in QUICK_MEMORY.items())
        warnings.warn(
            f"{len(slow)} of {len(facts)} workers give memory back to the system in every step, which makes training "
            f"on the CPU about 1.7 times slower; set {wanted} before `dask worker` starts. Results are the same.",
            stacklevel=2,
        )
