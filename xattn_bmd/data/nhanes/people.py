"""A table of people with their femoral-neck density, and the roles of its columns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from xattn_bmd.bone.crosscal import cross_calibrate
from xattn_bmd.data.nhanes import answers as decode
from xattn_bmd.data.nhanes.files import CYCLES, UNREAD, VARIABLES, cycle_files
from xattn_bmd.data.nhanes.xport import read_xport
from xattn_bmd.data.roles import CohortRoles, NumericRole, TargetRole
from xattn_bmd.errors import CohortError, ConfigError

Scale = Literal["hologic", "lunar"]

_NEEDED = ["fn_bmd", "sex", "age", "height", "weight"]
_ROLES = CohortRoles(
    id="radiograph_id",
    patient="patient_id",
    target=TargetRole(column="fn_bmd", unit="g/cm2", range=(0.2, 2.0)),
    numeric=(
        NumericRole(name="age", unit="years", range=(8, 110)),
        NumericRole(name="height", unit="cm", range=(100, 230)),
        NumericRole(name="weight", unit="kg", range=(20, 250)),
        NumericRole(name="bmi", unit="kg/m2", range=(10, 80)),
        NumericRole(name="alcohol", unit="drinks/week", range=(0, 250)),
        NumericRole(name="activity", unit="MET-min/week", range=(0, 81000)),
        NumericRole(name="diet", unit="1 excellent to 5 poor", range=(1, 5)),
    ),
    categorical=(("sex", ("female", "male")), ("smoking", ("never", "former", "current"))),
    stratify=("sex",),
)


def read_people(
    folder: Path, *, scale: Scale, age_range: tuple[float, float | None]
) -> tuple[pd.DataFrame, CohortRoles]:
    """Return the people of a folder of NHANES files who have a density, and the roles of the columns.

    Args:
        folder: XPT files of one or more cycles.
        scale: device scale of the density; the scans are Hologic.
        age_range: youngest and oldest age, years, both included; None for no oldest.

    Raises:
        CohortError: if files are missing or damaged, or nobody remains.
        ConfigError: if the scale or the ages are impossible.
    """
    _check(scale, age_range)
    people = pd.concat([_cycle(letter, files) for letter, files in cycle_files(folder).items()])
    complete = people.dropna(subset=_NEEDED)
    if complete.empty:
        raise CohortError(
            f"People need a valid femoral-neck density, sex, age, height and weight, but none of the {len(people)} "
            f"in {folder} has all of them; check that all files are of the same cycle."
        )
    low, high = age_range
    chosen = complete[complete["age"].between(low, float("inf") if high is None else high)].reset_index(drop=True)
    if chosen.empty:
        raise CohortError(
            f"People of {_in_words(age_range)} were asked for, but the {len(complete)} with a density in {folder} are "
            f"{complete['age'].min():g} to {complete['age'].max():g} years old; widen age_range."
        )
    density = cross_calibrate(chosen["fn_bmd"].to_numpy(), source="hologic", target=scale, region="femoral_neck")
    return chosen.assign(fn_bmd=density.round(4)), _roles(chosen, scale=scale)


def _cycle(letter: str, files: dict[str, Path]) -> pd.DataFrame:
    """Return everybody of one cycle; answers that no file gives are missing."""
    read = {name: path for name, path in files.items() if (name, letter) not in UNREAD}
    joined = read_xport(read["DEMO"], variables=VARIABLES["DEMO"])
    for name, path in read.items():
        if name != "DEMO":
            joined = joined.join(read_xport(path, variables=VARIABLES[name]))
    answers = joined.reindex(columns=[variable for names in VARIABLES.values() for variable in names])
    ids = [f"NHANES-{number}" for number in answers.index]
    columns = {
        "cycle": CYCLES[letter],
        "age": answers["RIDAGEYR"],
        "sex": decode.sex(answers),
        "height": answers["BMXHT"],
        "weight": answers["BMXWT"],
        "bmi": answers["BMXBMI"],
        "smoking": decode.smoking(answers),
        "alcohol": decode.alcohol(answers),
        "activity": decode.activity(answers),
        "diet": decode.diet(answers),
        "fn_bmd": decode.neck_density(answers),
    }
    return pd.DataFrame({"radiograph_id": ids, "patient_id": ids, **columns}, index=answers.index)


def _roles(people: pd.DataFrame, *, scale: Scale) -> CohortRoles:
    """Return the roles of the columns in which somebody has a value."""
    return replace(
        _ROLES,
        reference=f"{scale}_femoral_neck_white_female",
        numeric=tuple(role for role in _ROLES.numeric if people[role.name].notna().any()),
        categorical=tuple(pair for pair in _ROLES.categorical if people[pair[0]].notna().any()),
    )


def _check(scale: str, age_range: tuple[float, float | None]) -> None:
    if scale not in get_args(Scale):
        raise ConfigError(
            f"The scale is one of {', '.join(get_args(Scale))}, but it is {scale!r}; name the DXA device."
        )
    low, high = age_range
    if high is not None and high < low:
        raise ConfigError(f"An age_range goes from young to old, but it is {low:g} to {high:g}; swap the two.")


def _in_words(age_range: tuple[float, float | None]) -> str:
    low, high = age_range
    return f"{low:g} years and older" if high is None else f"{low:g} to {high:g} years"
