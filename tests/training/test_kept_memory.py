"""Freed memory: kept inside the block, given back at its end, and left alone where the environment decides."""

import subprocess
import sys
from pathlib import Path

import pytest

from xattn_bmd.training import kept_memory
from xattn_bmd.training.kept_memory import freed_memory_kept

LINUX = Path("/proc/self/statm").exists()

SCRIPT = """
import os, resource
from contextlib import ExitStack
import numpy as np
from xattn_bmd.training.kept_memory import freed_memory_kept

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        np.ones(5_000_000, dtype=np.float32)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

with freed_memory_kept():
    with freed_memory_kept():
        faults()
    kept, inside = faults(), resident()
print(kept, inside - resident())
"""


class _Recorded:
    def __init__(self, monkeypatch):
        self.calls = []
        allocator = kept_memory._Allocator(lambda *call: self.calls.append(call), lambda pad: self.calls.append(pad))
        monkeypatch.setattr(kept_memory, "_glibc", lambda: allocator)
        for name in kept_memory._OWNERS_CHOICE:
            monkeypatch.delenv(name, raising=False)


def test_the_outermost_block_alone_sets_and_gives_back(monkeypatch):
    recorded = _Recorded(monkeypatch)
    with freed_memory_kept():
        begun = list(recorded.calls)
        with freed_memory_kept():
            pass
        assert recorded.calls == begun and len(begun) == 2
    assert len(recorded.calls) == 5 and recorded.calls[-1] == 0


def test_an_error_gives_back_too(monkeypatch):
    recorded = _Recorded(monkeypatch)
    with pytest.raises(ValueError, match="stop"), freed_memory_kept():
        raise ValueError("stop")
    assert recorded.calls[-1] == 0


@pytest.mark.parametrize("name", kept_memory._OWNERS_CHOICE)
def test_the_environment_is_left_its_choice(monkeypatch, name):
    recorded = _Recorded(monkeypatch)
    monkeypatch.setenv(name, "1")
    with freed_memory_kept():
        pass
    assert recorded.calls == []


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(kept_memory, "_glibc", lambda: None)
    with freed_memory_kept():
        pass
    assert kept_memory._depth == 0


if LINUX and kept_memory._glibc() is not None:

    def test_arrays_of_20_mb_are_not_fetched_again(monkeypatch):
        for name in kept_memory._OWNERS_CHOICE:
            monkeypatch.delenv(name, raising=False)
        said = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
        faults, given_back = map(int, said.stdout.split())
        assert faults < 1000  # one array has 4,883 pages, and 50 were made
        assert given_back > 10e6
