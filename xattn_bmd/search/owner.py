"""Which process works on a trial, and whether it still lives, whatever the storage is.

Databases of Optuna have a heartbeat, journal files and proxies have none.  So each process writes its name and a count
that grows into the trial it works on.  A process of the same machine that is gone is known at once; one of another
machine is given up when its count has stood still for a while by the reader's own clock, so that clocks need not agree.
"""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

BEAT, GRACE = 20.0, 120.0
"""Seconds between two counts, and seconds without one after which a process is given up."""


def own_name() -> dict[str, Any]:
    """Return what tells this process from every other one; ``place`` is None where that cannot be told."""
    return {"place": _place(), "pid": os.getpid(), "start": _start(os.getpid()), "beat": 0}


class Watch:
    """Tells which running trials have lost their process.

    Args:
        clock: seconds, only ever growing.
        grace: seconds without a count.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, grace: float = GRACE) -> None:
        self._clock, self._grace = clock, grace
        self._seen: dict[int, tuple[Any, float]] = {}

    def is_lost(self, trial: int, owner: Mapping[str, Any] | None) -> bool:
        """Tell whether the process of a trial is gone.

        Args:
            trial: the trial.
            owner: what its process wrote of itself; None where it wrote nothing yet.
        """
        if owner and owner["place"] is not None and owner["place"] == _place():
            return bool(_start(owner["pid"]) != owner["start"])
        beat = owner["beat"] if owner else None
        before, since = self._seen.setdefault(trial, (beat, self._clock()))
        if before != beat:
            self._seen[trial] = (beat, self._clock())
            return False
        return self._clock() - since > self._grace


@contextmanager
def beating(write: Callable[[dict[str, Any]], None], *, every: float = BEAT) -> Iterator[None]:
    """Write this process's name and a growing count within the block.

    Args:
        write: stores the name; a failure to do so is for the block itself to find.
        every: seconds between two counts.
    """
    name, over = own_name(), threading.Event()
    write(name)

    def beat() -> None:
        count = 0
        while not over.wait(every):
            count += 1
            with suppress(Exception):
                write(name | {"beat": count})

    thread = threading.Thread(target=beat, name="search-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@cache
def _place() -> str | None:
    """Return what processes share that see each other's numbers: machine, boot, and namespace of process numbers."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return None
    return f"{platform.node()} {boot} {namespace}"


def _start(pid: int) -> int | None:
    """Return when a process of this machine started, in ticks since boot; None where there is none such."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])
