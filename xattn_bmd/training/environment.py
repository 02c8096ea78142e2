"""Versions and machine of a run."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
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


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
