"""Bytes that a fit sends from the host to the GPU after its first steps, counted in a trace of the GPU's work."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch.profiler import ProfilerActivity, profile

T = TypeVar("T")
_TRACE = "trace.json"


def traced(work: Callable[[], T], *, folder: Path) -> T:
    """Do some work and write what CPU and GPU did to a file of the folder."""
    gpu = [ProfilerActivity.CUDA] if torch.cuda.is_available() else []
    with profile(activities=[ProfilerActivity.CPU, *gpu]) as recorded:
        result = work()
    recorded.export_chrome_trace(str(folder / _TRACE))
    return result


def copied_bytes(folder: Path, *, steps: int) -> tuple[float, float]:
    """Return the bytes copied from host to GPU before and during the last ``steps`` optimiser steps.

    Args:
        folder: where :func:`traced` wrote.
        steps: number of steps at the end of the trace; what follows the last of them is scoring, not training.

    Returns:
        bytes before the first of these steps, bytes between the first and the last of them.

    Raises:
        ValueError: if the trace has fewer steps than that.
    """
    events = json.loads((folder / _TRACE).read_text())["traceEvents"]
    begun = sorted(float(event["ts"]) for event in events if str(event.get("name", "")).startswith("Optimizer.step#"))
    if len(begun) < steps:
        raise ValueError(f"The trace holds {len(begun)} optimiser steps, but {steps} were asked about.")
    copies = [
        (float(event["ts"]), float(event.get("args", {}).get("bytes", 0)))
        for event in events
        if "Memcpy HtoD" in str(event.get("name", ""))
    ]
    first, last = begun[-steps], begun[-1]
    return sum(size for at, size in copies if at < first), sum(size for at, size in copies if first <= at < last)
