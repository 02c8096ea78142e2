"""Freed memory stays with the process while many steps ask for the same again."""

from __future__ import annotations

import ctypes
import os
import platform
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

_OWNERS_CHOICE = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES", "LD_PRELOAD")
_TRIM, _MMAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
_KEPT = 2**30  # bytes
_MMAP_AFTERWARDS, _TRIM_AFTERWARDS = 2**25, 2**26  # where glibc's own rule ends once a process has freed large arrays

_lock = threading.Lock()
_depth = 0


class _Allocator(NamedTuple):
    set: Callable[[int, int], int]
    give_back: Callable[[int], int]


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep up to 1 GiB of freed memory within the block, for all threads, and give it back to the system at its end.

    Pictures and layers ask for arrays of tens of MB in every step.  By default glibc fetches these from the system
    each time, which clears them page by page.  Nothing is changed under another C library, or where the environment
    sets the allocator; results never depend on it.

    Example:
        >>> with freed_memory_kept():
        ...     sum(range(4))
        6
    """
    allocator = _glibc()
    if allocator is None or any(name in os.environ for name in _OWNERS_CHOICE):
        yield
        return
    _change(allocator, by=1)
    try:
        yield
    finally:
        _change(allocator, by=-1)


def _change(allocator: _Allocator, *, by: int) -> None:
    """Set the allocator where the first block begins, and set it back where the last one ends."""
    global _depth
    with _lock:
        _depth += by
        if by > 0 and _depth == 1:
            allocator.set(_MMAP, _KEPT)
            allocator.set(_TRIM, _KEPT)
        elif _depth == 0:
            allocator.set(_MMAP, _MMAP_AFTERWARDS)
            allocator.set(_TRIM, _TRIM_AFTERWARDS)
            allocator.give_back(0)


@cache
def _glibc() -> _Allocator | None:
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return None
    library = ctypes.CDLL(None)
    return _Allocator(library.mallopt, library.malloc_trim)
