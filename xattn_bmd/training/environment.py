"""Versions and machine of a run."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("xattn-bmd", "torch", "torchvision", "timm", "pytorch-lightning", "scikit-learn", "numpy", "pandas")


def environment(*, image_encoder: str) -> dict[str, Any]:
    """Return what a reader needs to repeat the run: versions and the kind of machine, nothing personal.

    Args:
        image_encoder: what it had learnt from before, from :func:`~xattn_bmd.training.registry.image_encoder_origin`.
    """
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu_cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "gpus": gpus,
        "image_encoder": image_encoder,
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def machine() -> str:
    """Return processor, cores, GPU, Python and torch in words, as they stand beside a figure; names no host.

    The cores are those that this process may use.
    """
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpu = f", {torch.cuda.get_device_name(0)}" if torch.cuda.is_available() else ""
    return f"{_processor()}, {cores} cores{gpu}, Python {platform.python_version()}, torch {torch.__version__}"


def commit(folder: Path) -> str:
    """Return the commit of the repository that holds a folder.

    Args:
        folder: the folder of the script that asks.

    Returns:
        its first 12 digits, with ``-dirty`` where files had changed; ``unknown`` outside of a repository.
    """
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.is_file() else []
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return found[0] if found else platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
