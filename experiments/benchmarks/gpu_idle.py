"""The share of time in which a GPU does nothing, as its driver's own tool reports it."""

from __future__ import annotations

import shutil
import statistics
import subprocess
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_EVERY_MS = 100


def with_idle_share(work: Callable[[], T]) -> tuple[T, float]:
    """Do some work and return its result and the idle share of the GPU meanwhile; NaN where no tool tells.

    The tool tells, ten times a second, during which share of the last moments at least one kernel ran; the first and
    last tenth of the samples, when work starts and ends, are left out.
    """
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return work(), float("nan")
    command = [tool, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", f"--loop-ms={_EVERY_MS}", "--id=0"]
    watch = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        result = work()
    finally:
        watch.terminate()
    output, _ = watch.communicate()
    busy = [float(line) for line in output.split() if line.replace(".", "").isdigit()]
    inner = busy[len(busy) // 10 : len(busy) - len(busy) // 10]
    return result, 1 - statistics.mean(inner) / 100 if inner else float("nan")
