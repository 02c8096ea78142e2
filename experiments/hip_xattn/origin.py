"""Where a run comes from: what stands in every row of the results."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from xattn_bmd.atomic import atomic_write

FILE = "origin.json"


@dataclass(frozen=True)
class Origin:
    """Where a finished run or evaluation comes from.

    Attributes:
        part: part of the study.
        arm: arm of that part; for an evaluation with part and hospital.
        draw: which draw, from 1.
        seed: seed of people, folds and networks.
        settings: digest of what study.yaml says of the arm.
        commit: of the repository, with ``-dirty`` where files had changed.
        machine: processor, cores, GPU, Python and torch.
        seconds: wall time of the call that finished it.
    """

    part: str
    arm: str
    draw: int
    seed: int
    settings: str
    commit: str
    machine: str
    seconds: float

    def write(self, folder: Path) -> None:
        """Store it in a run folder."""
        atomic_write(folder / FILE, json.dumps(asdict(self), indent=1) + "\n")


def read_origin(folder: Path) -> Origin | None:
    """Return the origin of a finished run folder; None where it is not finished."""
    path = folder / FILE
    return Origin(**json.loads(path.read_text())) if path.is_file() else None


def commit() -> str:
    """Return the commit of the repository that holds this file; ``unknown`` outside of one."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def machine() -> str:
    """Return processor, cores, GPU, Python and torch; names no host.

    The cores are those that this process may use.
    """
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpu = f", {torch.cuda.get_device_name(0)}" if torch.cuda.is_available() else ""
    return f"{_processor()}, {cores} cores{gpu}, Python {platform.python_version()}, torch {torch.__version__}"


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.is_file() else []
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return found[0] if found else platform.processor() or platform.machine()
