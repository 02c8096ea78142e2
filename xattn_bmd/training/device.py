"""The device that an accelerator's name means on this machine."""

from __future__ import annotations

import torch

from xattn_bmd.errors import ConfigError


def torch_device(accelerator: str) -> torch.device:
    """Return the device of a Lightning accelerator name; ``"auto"`` takes a GPU when there is one.

    Args:
        accelerator: ``"auto"``, ``"cpu"``, ``"gpu"``, ``"cuda"`` or ``"mps"``.

    Raises:
        ConfigError: if the name is unknown or this machine has no such device.

    Example:
        >>> torch_device("cpu")
        device(type='cpu')
    """
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    wanted = {
        "auto": ("cuda", "mps", "cpu"),
        "gpu": ("cuda", "mps"),
        "cuda": ("cuda",),
        "mps": ("mps",),
        "cpu": ("cpu",),
    }
    if accelerator not in wanted:
        raise ConfigError(
            f"training.accelerator is one of {', '.join(wanted)}, but {accelerator!r} was given; mend the spelling."
        )
    for name in wanted[accelerator]:
        if present[name]:
            return torch.device(name)
    raise ConfigError(
        f"The accelerator {accelerator!r} needs such a device, but this machine has none that torch can use; "
        "choose 'auto' or 'cpu'."
    )
