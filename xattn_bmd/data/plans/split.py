"""The three parts of one fold, and the check that no two of them share anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from xattn_bmd.errors import FoldPlanError


@dataclass(frozen=True)
class Split:
    """Radiograph ids of the three parts of one fold, each sorted.

    Attributes:
        train: fitted on.
        validation: early stopping and tuning.
        test: scored.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


def refuse_leak(split: Split, mark_of: Mapping[str, str], *, shared: str, place: str) -> None:
    """Raise if any two parts of a split hold radiographs of the same mark.

    Args:
        split: the three parts.
        mark_of: what radiographs must not share across parts, e.g. their patient.
        shared: its name in the message.
        place: repeat and fold, for the message.

    Raises:
        FoldPlanError: if two parts share a mark.
    """
    if unmarked := [
        name for part in (split.train, split.validation, split.test) for name in part if name not in mark_of
    ]:
        raise FoldPlanError(f"The {shared} of every radiograph must be known, but {some_of(unmarked)} have none.")
    parts = {"training": split.train, "validation": split.validation, "test": split.test}
    for (first, ours), (second, theirs) in combinations(parts.items(), 2):
        common = {mark_of[name] for name in ours} & {mark_of[name] for name in theirs}
        if common:
            left = [name for name in ours if mark_of[name] in common]
            right = [name for name in theirs if mark_of[name] in common]
            raise FoldPlanError(
                f"A {shared} belongs to one part of a fold, but in {place} the {first} part ({some_of(left)}) and the "
                f"{second} part ({some_of(right)}) share {len(common)}; mend the plan, or the cohort's ids."
            )


def some_of(names: Sequence[str]) -> str:
    """Return the number of radiographs and the first few ids, for messages."""
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return f"{len(names)} radiograph(s)" + (f" ({shown})" if names else "")
