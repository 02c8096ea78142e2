"""Runs one road in a process of its own and returns its times, and on wish the memory of its whole process tree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

HERE = Path(__file__).parent
CORES = 2
"""Cores that every timed CPU process may use: the targets are set for two."""

_SAMPLE_S = 0.1


@dataclass(frozen=True)
class Child:
    """What is known of a finished process.

    Attributes:
        wall: seconds from its start to its end, imports included.
        seconds: seconds that its own job took.
        steps: when each optimiser step ended, on the process's own clock.
        finished: when each stored fit was finished, seconds after the job began.
        peak_mib: largest sum of the proportional set sizes of the process and all its children, MiB; 0 where it was
            not sampled or the system does not tell.
    """

    wall: float
    seconds: float
    steps: list[float] = field(default_factory=list)
    finished: list[float] = field(default_factory=list)
    peak_mib: float = 0.0


def run_child(
    script: str, arguments: Sequence[object], *, threads: int, cores: int | None = CORES, sample_memory: bool = False
) -> Child:
    """Run a script of this folder and wait for it.

    Args:
        script: its name, such as ``"tutorial.py"``; it takes ``--record FILE``.
        arguments: its other arguments.
        threads: OpenMP threads of the process.
        cores: cores that it and its children may use; None leaves them all.
        sample_memory: look at its memory ten times a second, which costs it a little time.

    Raises:
        RuntimeError: with the end of its output, if the script fails.
    """
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONWARNINGS": "ignore"}
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record.json"
        command = [sys.executable, HERE / script, *arguments, "--record", record]
        begin = time.perf_counter()
        with (Path(folder) / "output").open("w+") as output:
            process = subprocess.Popen(
                [str(part) for part in command],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=None if cores is None else partial(_keep_to, cores),
            )
            peak = _wait(process, sample_memory=sample_memory)
            wall = time.perf_counter() - begin
            if process.returncode:
                output.seek(0)
                raise RuntimeError(f"{script} ended with {process.returncode}:\n{output.read()[-3000:]}")
        return Child(wall=wall, peak_mib=peak, **json.loads(record.read_text()))


def write_record(path: Path | None, *, seconds: float, steps: Sequence[float], finished: Sequence[float] = ()) -> None:
    """Store what :func:`run_child` reads; does nothing where no file was asked for."""
    if path is not None:
        content = {"seconds": seconds, "steps": list(steps), "finished": list(finished)}
        path.write_text(json.dumps(content))


def _keep_to(cores: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def _wait(process: subprocess.Popen[bytes], *, sample_memory: bool) -> float:
    peak, done = [0.0], threading.Event()

    def sample() -> None:
        while not done.wait(_SAMPLE_S):
            peak[0] = max(peak[0], sum(_proportional_mib(number) for number in _tree(process.pid)))

    if sample_memory:
        thread = threading.Thread(target=sample)
        thread.start()
    process.wait()
    done.set()
    if sample_memory:
        thread.join()
    return peak[0]


def _tree(root: int) -> list[int]:
    found, wanted = [], [root]
    while wanted:
        number = wanted.pop()
        found.append(number)
        for path in Path(f"/proc/{number}/task").glob("*/children"):
            try:
                wanted += [int(text) for text in path.read_text().split()]
            except OSError:
                continue
    return found


def _proportional_mib(process: int) -> float:
    """Return a process's proportional set size: a page that several processes share counts once among them."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)
