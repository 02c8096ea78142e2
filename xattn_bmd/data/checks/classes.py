"""Checks of the target's classes: known to the roles, and each of them met."""

from __future__ import annotations

import difflib

import pandas as pd

from xattn_bmd.data.checks.problem import Problem, listed, row_names
from xattn_bmd.data.checks.read_table import text_column
from xattn_bmd.data.target_roles import ClassRole


def check_classes(
    table: pd.DataFrame, *, role: ClassRole, id_column: str, required: bool, must_vary: bool
) -> list[Problem]:
    """Return radiographs without a class or with an undeclared one, and classes of which there is no radiograph.

    Args:
        table: cohort table with the target's column.
        role: the classes.
        id_column: column of the radiograph ids.
        required: whether each radiograph needs a class.
        must_vary: whether each class needs a radiograph, as training does.
    """
    names, texts = row_names(table, column=id_column), text_column(table[role.column])
    problems = []
    for unknown in sorted({text for text in texts if text is not None} - set(role.classes)):
        where = [name for name, text in zip(names, texts, strict=True) if text == unknown]
        problems.append(_unknown(unknown, where, role=role))
    absent = [name for name, text in zip(names, texts, strict=True) if text is None]
    if required and absent:
        message = (
            f"Every radiograph needs a class in {role.column} here, but {listed(absent)} has none; fill it in, or "
            "remove the row."
        )
        problems.append(Problem("missing_target", message, tuple(absent)))
    if (empty := [name for name in role.classes if name not in texts]) and must_vary:
        message = (
            f"A model learns classes from radiographs of each, but {role.column} is {listed(empty)} in no row; "
            "remove it from target.classes, or add radiographs."
        )
        problems.append(Problem("empty_class", message))
    return problems


def _unknown(unknown: str, where: list[str], *, role: ClassRole) -> Problem:
    lower = {name.lower(): name for name in role.classes}
    near = difflib.get_close_matches(unknown.lower(), list(lower), n=1)
    hint = f"did you mean {lower[near[0]]!r}?" if near else "mend it, declare it, or remove the row."
    message = (
        f"{role.column} is one of the classes {list(role.classes)}, but {unknown!r} was found in {listed(where)}; "
        f"{hint}"
    )
    return Problem("unknown_class", message, tuple(where))
