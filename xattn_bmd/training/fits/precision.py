"""The number format that a fit multiplies in, settled for a device."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from xattn_bmd.config import Precision

SettledPrecision = Literal["32-true", "bf16-mixed", "16-mixed"]

_CPU_INFO = Path("/proc/cpuinfo")
_BFLOAT16_WORDS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


def settled_precision(precision: Precision, device: torch.device) -> SettledPrecision:
    """Return the precision that Lightning is told: ``"auto"`` becomes a named one, any other stays.

    ``"auto"`` takes bfloat16 where the device multiplies it in hardware, and 32 bits elsewhere: without such hardware
    bfloat16 is slower than 32 bits.  Whether a CPU has it is read from ``/proc/cpuinfo``; where there is none (macOS,
    Windows), and on Apple's GPUs, ``"auto"`` means 32 bits.

    Args:
        precision: the setting ``training.precision``.
        device: the device that trains.

    Example:
        >>> settled_precision("auto", torch.device("mps")), settled_precision("bf16-mixed", torch.device("cpu"))
        ('32-true', 'bf16-mixed')
    """
    if precision != "auto":
        return precision
    return "bf16-mixed" if _multiplies_bfloat16(device) else "32-true"


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and not _BFLOAT16_WORDS.isdisjoint(_cpu_words())


def _cpu_words() -> set[str]:
    """Return the words of the first processor's description: ``flags`` on x86, ``Features`` on Arm."""
    try:
        first = _CPU_INFO.read_text().split("\n\n", 1)[0]
    except OSError:
        return set()
    return set(first.split())
