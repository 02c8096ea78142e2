"""The torch device of a name."""

from __future__ import annotations

import torch

from xattn_bmd.errors import ConfigError


def torch_place(device: str) -> torch.device:
    """Return the device of a name.

    Raises:
        ConfigError: if torch has no such device on this machine.

    Example:
        >>> torch_place("cpu")
        device(type='cpu')
    """
    try:
        return torch.zeros(1, device=device).device
    except (RuntimeError, AssertionError) as cause:
        raise ConfigError(
            f"device is one that torch has on this machine, but {device!r} was given; choose 'cpu' or, with a GPU, "
            "'cuda'."
        ) from cause
