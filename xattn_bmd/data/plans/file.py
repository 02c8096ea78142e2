"""Reading fold plans from files: our JSON, a user's JSON, or a user's table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xattn_bmd.data.checks.read_table import read_text_table, text_column
from xattn_bmd.errors import CohortError, FoldPlanError


@dataclass(frozen=True)
class FoldContent:
    """What a JSON plan says, with types checked but not yet judged.

    Attributes:
        patients: patient id of each radiograph id.
        test_folds: for each repeat, the fold in which each radiograph is scored.
        validation: for each repeat and fold, the radiographs of the validation part.
        made_by: how the plan came about.
        hash: hash stored in the file, or None in a user's own.
    """

    patients: dict[str, str]
    test_folds: tuple[dict[str, int], ...]
    validation: tuple[tuple[tuple[str, ...], ...], ...]
    made_by: str
    hash: str | None


def read_json(path: Path) -> FoldContent:
    """Read a JSON plan.

    Raises:
        FoldPlanError: if the file is absent, not JSON, or does not have the layout that ``FoldPlan.save`` writes.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as cause:
        raise FoldPlanError(
            f"The fold plan must be a readable file, but {path} is not; give its path, or make a new plan by name."
        ) from cause
    except ValueError as cause:
        raise FoldPlanError(f"A fold plan is JSON, but {path.name} is not, or is cut short; restore it.") from cause
    try:
        return _content(values)
    except (KeyError, TypeError, ValueError, AttributeError) as cause:
        raise FoldPlanError(
            f"A fold plan in JSON has 'patients', 'test_folds' and 'validation', but {path.name} lacks one or has "
            "another layout; compare with a file that FoldPlan.save wrote."
        ) from cause


def read_csv(path: Path) -> tuple[dict[str, int], ...]:
    """Read a table with the columns ``radiograph_id``, ``repeat`` (optional) and ``fold``.

    Returns:
        For each repeat, the fold of each radiograph.

    Raises:
        FoldPlanError: if the file is no such table, a number is not a whole one, or a radiograph occurs twice.
    """
    try:
        table = read_text_table(path)
    except CohortError as cause:
        raise FoldPlanError(f"A fold plan in CSV must be readable: {cause}") from cause
    if absent := [name for name in ("radiograph_id", "fold") if name not in table.columns]:
        raise FoldPlanError(
            f"A fold plan in CSV has the columns radiograph_id, repeat, fold, but {path.name} lacks {absent}; add them."
        )
    names = text_column(table["radiograph_id"])
    repeats = text_column(table["repeat"]) if "repeat" in table.columns else ["0"] * len(names)
    rows = zip(names, repeats, text_column(table["fold"]), strict=True)
    plan: dict[int, dict[str, int]] = {}
    for line, (name, repeat, fold) in enumerate(rows, start=1):
        if name is None or not (repeat or "").isdecimal() or not (fold or "").isdecimal():
            raise FoldPlanError(
                f"Each row of a plan has an id and whole numbers from 0, but row {line} of {path.name} has repeat "
                f"{repeat!r} and fold {fold!r}; mend it."
            )
        in_repeat = plan.setdefault(int(str(repeat)), {})
        if name in in_repeat:
            raise FoldPlanError(f"A radiograph is scored once a repeat, but {name} occurs twice in repeat {repeat}.")
        in_repeat[name] = int(str(fold))
    _check_numbering(list(plan), what="Repeats")
    for fold_of in plan.values():
        _check_numbering(list(fold_of.values()), what="Folds")
    return tuple(plan[number] for number in range(len(plan)))


def _check_numbering(numbers: list[int], *, what: str) -> None:
    found = sorted(set(numbers))
    if found != list(range(len(found))):
        raise FoldPlanError(f"{what} are numbered from 0 without gaps, but {found[:12]} was found; renumber them.")


def _content(values: dict[str, Any]) -> FoldContent:
    return FoldContent(
        patients={str(name): str(patient) for name, patient in values["patients"].items()},
        test_folds=tuple({str(name): _whole(fold) for name, fold in folds.items()} for folds in values["test_folds"]),
        validation=tuple(tuple(tuple(map(str, part)) for part in parts) for parts in values["validation"]),
        made_by=str(values.get("made_by", "own plan")),
        hash=values.get("hash"),
    )


def _whole(value: Any) -> int:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("a fold is a whole number")
    return value
