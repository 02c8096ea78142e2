"""Compiling a network in place."""

from __future__ import annotations

import torch
from torch import nn

from xattn_bmd.errors import ConfigError

BACKEND = "inductor"
"""The backend of ``torch.compile``."""


def compile_network(network: nn.Module, *, device: torch.device) -> None:
    """Let a network run compiled from its next call on; its tensors keep their names.

    Compiling happens in the first steps, so a machine that cannot compile is found here, with one small function.

    Args:
        network: the network.
        device: where it will run.

    Raises:
        ConfigError: if this machine cannot compile for the device.
    """
    try:
        torch.compile(torch.sin, backend=BACKEND)(torch.zeros(2, device=device))
    except Exception as cause:  # compilers fail in any class: torch's, the system's, or that of a package they load
        raise ConfigError(
            f"training.compile needs a compiler ({_COMPILERS.get(device.type, _COMPILERS['cpu'])}), but torch could "
            f"not compile one small function for {device.type} ({type(cause).__name__}); install the compiler, or set "
            "training.compile to false."
        ) from cause
    network.compile(backend=BACKEND)


_COMPILERS = {"cpu": "a C++ compiler such as g++", "cuda": "Triton and a C compiler such as gcc"}
