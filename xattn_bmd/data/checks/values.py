"""Checks of targets and clinical variables: numbers, units, categories, and whether they agree with each other."""

from __future__ import annotations

import difflib
import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xattn_bmd.data.checks.classes import check_classes
from xattn_bmd.data.checks.problem import Problem, listed, row_names
from xattn_bmd.data.checks.read_table import number_column, present, text_column
from xattn_bmd.data.roles import ClassRole, CohortRoles, NumericRole, TargetRole

BODY_MASS_TOLERANCE = 1.0
"""Largest accepted difference between a declared BMI and weight / height², kg/m²: what rounding all three can cost."""

AREAL_HIGHEST = 2.5
"""No areal density is above this, g/cm²; volumetric ones in mg/cm³ nearly all are."""

_MISTAKES: dict[str, tuple[tuple[str, float], ...]] = {
    "cm": (("metres", 100.0), ("inches", 2.54), ("millimetres", 0.1)),
    "m": (("centimetres", 0.01), ("inches", 0.0254)),
    "kg": (("grams", 0.001), ("pounds", 0.45359237), ("stones", 6.35029318)),
    "years": (("months", 1 / 12), ("days", 1 / 365.25)),
    "g/cm2": (("mg/cm2: divide it by 1000, or declare mg/cm3 if it is QCT", 0.001),),
}
"""For each declared unit, the units that are written by mistake, and the factor that mends them."""


def check_target(table: pd.DataFrame, *, roles: CohortRoles, required: bool, must_vary: bool) -> list[Problem]:
    """Return densities that are absent, no numbers, not positive or implausible, or what is wrong with classes."""
    role = roles.target
    if role is None or role.column not in table.columns:
        return []
    if isinstance(role, ClassRole):
        return check_classes(table, role=role, id_column=roles.id, required=required, must_vary=must_vary)
    names, values = row_names(table, column=roles.id), number_column(table[role.column])
    problems = _not_numbers(table[role.column], names=names, name=role.column, unit=role.unit)
    absent = [name for name, filled in zip(names, present(table[role.column]), strict=True) if not filled]
    if required and absent:
        message = (
            f"Every radiograph needs a density in {role.column} here, but {listed(absent)} has none; "
            "fill it in, or remove the row."
        )
        problems.append(Problem("missing_target", message, tuple(absent)))
    return problems + _implausible_density(values, names=names, role=role)


def check_numeric(table: pd.DataFrame, *, roles: CohortRoles, must_vary: bool) -> list[Problem]:
    """Return numeric variables with cells that are no numbers, implausible values, no values, or one value only."""
    names = row_names(table, column=roles.id)
    problems = []
    for role in roles.numeric:
        if role.name in table.columns:
            problems += _not_numbers(table[role.name], names=names, name=role.name, unit=role.unit)
            problems += _implausible(number_column(table[role.name]), names=names, role=role)
            problems += _flat(table[role.name], name=role.name) if must_vary else []
    return problems


def check_categorical(table: pd.DataFrame, *, roles: CohortRoles, must_vary: bool) -> list[Problem]:
    """Return undeclared categories, and categorical variables with no value or one value only."""
    names = row_names(table, column=roles.id)
    problems = []
    for column, categories in roles.categorical:
        if column in table.columns:
            texts = text_column(table[column])
            for unknown in sorted({text for text in texts if text is not None} - set(categories)):
                where = [name for name, text in zip(names, texts, strict=True) if text == unknown]
                problems.append(_unknown_category(unknown, where, column=column, categories=categories))
            problems += _flat(table[column], name=column) if must_vary else []
    return problems


def check_body_mass(table: pd.DataFrame, *, roles: CohortRoles) -> list[Problem]:
    """Return a warning for rows whose BMI, height and weight do not agree, where all three are declared."""
    parts = [_body_part(table, roles, word) for word in ("bmi", "height", "weight")]
    if any(part is None for part in parts):
        return []
    bmi, height, weight = (part for part in parts if part is not None)
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.abs(bmi - weight / height**2) > BODY_MASS_TOLERANCE
    wrong = [name for name, differs in zip(row_names(table, column=roles.id), off, strict=True) if differs]
    if not wrong:
        return []
    message = (
        f"BMI is weight / height², but differs by more than {BODY_MASS_TOLERANCE:g} kg/m² in {listed(wrong)}; "
        "check the three for typing mistakes or different visits."
    )
    return [Problem("inconsistent_bmi", message, tuple(wrong), severity="warning")]


def _not_numbers(column: pd.Series, *, names: list[str], name: str, unit: str | None) -> list[Problem]:
    wrong = np.flatnonzero(present(column) & np.isnan(number_column(column)))
    if not len(wrong):
        return []
    texts = text_column(column)
    found = listed([f"{names[row]} ({texts[row]!r})" for row in wrong])
    comma = "; write decimals with a point" if any("," in str(texts[row]) for row in wrong) else ""
    message = f"{name} is a number{_in(unit)}, but {found} is not{comma}; mend it, or leave it empty where unknown."
    return [Problem("not_a_number", message, tuple(names[row] for row in wrong))]


def _implausible_density(values: NDArray[np.float64], *, names: list[str], role: TargetRole) -> list[Problem]:
    low, high = role.range
    not_positive = values <= 0 if role.unit == "g/cm2" else np.zeros(len(values), dtype=np.bool_)
    if problems := _areal_as_volumetric(values, names=names, role=role):
        return problems
    if not_positive.any():
        message = (
            f"A density in g/cm2 is above 0, but {_shown(values, names, not_positive)} was found in {role.column}; "
            "negative values are usually T-scores: give the density itself."
        )
        problems.append(Problem("not_positive", message, _chosen(names, not_positive)))
    outside = ~not_positive & ((values < low) | (values > high))
    if outside.any():
        message = (
            f"{role.column} is declared in {role.unit}, plausible from {low:g} to {high:g}, but "
            f"{_shown(values, names, outside)} was found; {_cause(values[outside], role.range, unit=role.unit)}."
        )
        problems.append(Problem("implausible_target", message, _chosen(names, outside)))
    return problems


def _areal_as_volumetric(values: NDArray[np.float64], *, names: list[str], role: TargetRole) -> list[Problem]:
    known = np.isfinite(values)
    if role.unit != "mg/cm3" or not known.any() or np.any((values[known] <= 0) | (values[known] > AREAL_HIGHEST)):
        return []
    message = (
        f"{role.column} is declared in mg/cm3, but its {known.sum()} values are all between 0 and {AREAL_HIGHEST:g} as "
        "densities in g/cm2 are; declare g/cm2 (DXA), or multiply g/cm3 by 1000."
    )
    return [Problem("implausible_target", message, _chosen(names, known))]


def _implausible(values: NDArray[np.float64], *, names: list[str], role: NumericRole) -> list[Problem]:
    if role.range is None:
        return []
    low, high = role.range
    outside = (values < low) | (values > high)
    if not outside.any():
        return []
    message = (
        f"{role.name} is declared from {low:g} to {high:g}{_in(role.unit)}, but {_shown(values, names, outside)} was "
        f"found; {_cause(values[outside], role.range, unit=role.unit or '')}."
    )
    return [Problem("implausible_value", message, _chosen(names, outside))]


def _cause(values: NDArray[np.float64], limits: tuple[float, float], *, unit: str) -> str:
    for mistaken, factor in _MISTAKES.get(unit, ()):
        if np.all((values * factor >= limits[0]) & (values * factor <= limits[1])):
            return f"this looks like {mistaken}"
    return "mend the value, or widen the range in cohort.yaml"


def _flat(column: pd.Series, *, name: str) -> list[Problem]:
    values = {text for text in text_column(column) if text is not None}
    if not values:
        return [Problem("all_missing", f"A variable needs some values, but every cell of {name} is empty; remove it.")]
    if len(values) == 1:
        message = (
            f"A variable must vary, but {name} is {next(iter(values))!r} in every row; remove it from cohort.yaml."
        )
        return [Problem("constant", message)]
    return []


def _unknown_category(unknown: str, where: list[str], *, column: str, categories: tuple[str, ...]) -> Problem:
    lower = {category.lower(): category for category in categories}
    near = difflib.get_close_matches(unknown.lower(), list(lower), n=1)
    hint = f"did you mean {lower[near[0]]!r}?" if near else "rename it, declare it, or leave the cell empty."
    message = f"{column} has the categories {list(categories)}, but {unknown!r} was found in {listed(where)}; {hint}"
    return Problem("unknown_category", message, tuple(where))


def _body_part(table: pd.DataFrame, roles: CohortRoles, word: str) -> NDArray[np.float64] | None:
    for role in roles.numeric:
        if word in re.split(r"[^a-z]+", role.name.lower()) and role.name in table.columns:
            values = number_column(table[role.name])
            return values / 100 if role.unit == "cm" else values
    return None


def _shown(values: NDArray[np.float64], names: list[str], chosen: NDArray[np.bool_]) -> str:
    return listed([f"{names[row]} ({values[row]:g})" for row in np.flatnonzero(chosen)])


def _chosen(names: list[str], chosen: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(names[row] for row in np.flatnonzero(chosen))


def _in(unit: str | None) -> str:
    return f" in {unit}" if unit else ""
