"""Checks of columns, ids, patients and sides."""

from __future__ import annotations

import difflib
from collections import Counter

import pandas as pd

from xattn_bmd.data.checks.problem import Problem, listed, row_names
from xattn_bmd.data.checks.read_table import text_column
from xattn_bmd.data.roles import SIDES, CohortRoles

SMALL = 20
"""Fewer radiographs than this make every comparison a lottery."""

SEX_NAMES = ("sex", "gender")
"""Names, in lower case, of a column in which a patient has one value."""


def check_columns(table: pd.DataFrame, *, roles: CohortRoles, require_target: bool) -> list[Problem]:
    """Return declared columns that the table lacks, and a missing declaration of the target."""
    problems = []
    for name in roles.columns:
        unused = not require_target and roles.target is not None and name == roles.target.column
        if name not in table.columns and not unused:
            near = difflib.get_close_matches(name, list(table.columns), n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else f"; the table has {listed(list(table.columns))}."
            problems.append(
                Problem("missing_column", f"cohort.yaml names the column {name!r}, which the table lacks{hint}")
            )
    if require_target and roles.target is None:
        problems.append(
            Problem(
                "no_target",
                "A density or class is needed here, but cohort.yaml declares no target; add 'target: {column: ...}'.",
            )
        )
    return problems


def check_ids(table: pd.DataFrame, *, roles: CohortRoles) -> list[Problem]:
    """Return empty and repeated radiograph ids."""
    if roles.id not in table.columns:
        return []
    ids = text_column(table[roles.id])
    problems = []
    if empty := [f"row {row}" for row, name in enumerate(ids, start=1) if name is None]:
        problems.append(
            Problem("empty_id", f"Every row needs a radiograph id, but {listed(empty)} has none; fill it in.")
        )
    if twice := [name for name, count in Counter(ids).items() if name is not None and count > 1]:
        message = f"A radiograph id occurs once, but {listed(twice)} occurs more often; rename or remove the rows."
        problems.append(Problem("duplicate_id", message, tuple(twice)))
    return problems


def check_patients(table: pd.DataFrame, *, roles: CohortRoles) -> list[Problem]:
    """Return rows without a patient, and patients whose rows differ in sex."""
    if roles.patient not in table.columns:
        return []
    names, patients = row_names(table, column=roles.id), text_column(table[roles.patient])
    problems = []
    if empty := [name for name, patient in zip(names, patients, strict=True) if patient is None]:
        message = f"Every radiograph needs a patient id, but {listed(empty)} has none; fill it in."
        problems.append(Problem("empty_patient", message, tuple(empty)))
    for column, _ in roles.categorical:
        if column.lower() in SEX_NAMES and column in table.columns:
            problems += _contradictory(names, patients, text_column(table[column]), column=column)
    return problems


def check_sides(table: pd.DataFrame, *, roles: CohortRoles) -> list[Problem]:
    """Return body sides that are neither left nor right."""
    if roles.side is None or roles.side not in table.columns:
        return []
    names = row_names(table, column=roles.id)
    pairs = zip(names, text_column(table[roles.side]), strict=True)
    wrong = [(name, text) for name, text in pairs if text is not None and text.lower() not in SIDES]
    if not wrong:
        return []
    found = listed([f"{name} ({text!r})" for name, text in wrong])
    message = f"{roles.side} is L, R, left or right, but {found} was found; mend it, or leave it empty where unknown."
    return [Problem("unknown_side", message, tuple(name for name, _ in wrong))]


def check_size(table: pd.DataFrame) -> list[Problem]:
    """Return a warning for a very small cohort."""
    if len(table) >= SMALL:
        return []
    message = (
        f"A comparison needs some tens of radiographs, but there are {len(table)}; its intervals will be very wide."
    )
    return [Problem("small_cohort", message, severity="warning")]


def _contradictory(
    names: list[str], patients: list[str | None], sexes: list[str | None], *, column: str
) -> list[Problem]:
    seen: dict[str, set[str]] = {}
    for patient, sex in zip(patients, sexes, strict=True):
        if patient is not None and sex is not None:
            seen.setdefault(patient, set()).add(sex)
    wrong = [name for name, patient in zip(names, patients, strict=True) if len(seen.get(patient or "", ())) > 1]
    if not wrong:
        return []
    message = (
        f"A patient has one value of {column}, but {listed(wrong)} belong to patients with several; "
        f"mend {column}, or the patient ids."
    )
    return [Problem("contradictory_sex", message, tuple(wrong))]
