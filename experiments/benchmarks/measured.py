"""One line of the table of targets: what was wanted and what was measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """What a target wants beside what was measured for it.

    Attributes:
        target: number of the target and what it is about, such as ``"1 epoch, bf16"``.
        wanted: the wanted value in words, such as ``">= 3.2"``; empty where nothing is wanted of this line.
        measured: the median over the runs, in ``unit``.
        unit: unit of ``measured``; ``"x"`` for a ratio.
        n: runs behind the median.
        note: how it was measured, and what a reader must know beside it.
    """

    target: str
    wanted: str
    measured: float
    unit: str
    n: int
    note: str = ""
