"""Runs of several variants in turn, so that what else the machine does falls on all of them alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")


def in_turn(variants: Mapping[str, Callable[[], T]], *, repeats: int, quiet: bool = False) -> dict[str, list[T]]:
    """Run every variant once a round and return the results of each."""
    results: dict[str, list[T]] = {name: [] for name in variants}
    for number in range(repeats):
        for name, run in variants.items():
            if not quiet:
                print(f"  round {number + 1} of {repeats}: {name}", flush=True)
            results[name].append(run())
    return results
