"""The clinical table of a converted JSRT, and the roles of its columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from xattn_bmd.data.checks.problem import listed
from xattn_bmd.data.checks.read_table import read_text_table, text_column
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.jsrt.clinical import Person
from xattn_bmd.data.roles import CohortRoles, NumericRole, TargetRole
from xattn_bmd.errors import CohortError

DENSITY = "density"
"""Column of the measured densities, g/cm², in the table that is given and in the table that is written."""

_ID = "radiograph_id"
_AGE = NumericRole(name="age", unit="years", range=(0, 110))
_SEX = ("sex", ("female", "male"))


def read_densities(path: Path, *, radiographs: Sequence[str]) -> tuple[dict[str, str | None], list[str]]:
    """Return the density of each radiograph as it is written, and one sentence for each fault.

    Args:
        path: table with the columns ``radiograph_id`` and ``density``; others are passed over.
        radiographs: ids that there are.
    """
    try:
        table = read_text_table(path)
    except CohortError as error:
        return {}, [str(error)]
    if lacking := [name for name in (_ID, DENSITY) if name not in table.columns]:
        return {}, [
            f"A table of densities has the columns {_ID} and {DENSITY}, but {path.name} lacks {' and '.join(lacking)}; "
            f"it has {listed([str(name) for name in table.columns])}: rename its columns."
        ]
    ids = [(name or "").upper() for name in text_column(table[_ID])]
    problems = []
    if twice := [name for name, count in Counter(ids).items() if name and count > 1]:
        problems.append(f"A radiograph has one density, but {path.name} has several of {listed(twice)}; keep one.")
    if strangers := sorted({name or "an empty id" for name in ids} - set(radiographs)):
        problems.append(
            f"Densities belong to radiographs that are there, but {path.name} has {listed(strangers)}, which JSRT's "
            "folder has not; correct the ids, or remove the rows."
        )
    return dict(zip(ids, text_column(table[DENSITY]), strict=True)), problems


def cohort_table(
    radiographs: Sequence[str], *, people: Mapping[str, Person], densities: Mapping[str, str | None] | None
) -> tuple[pd.DataFrame, CohortRoles]:
    """Return one row a radiograph, and the roles; age and sex have one where somebody has a value.

    Args:
        radiographs: the ids, in order.
        people: age and sex, for those of whom they are known.
        densities: in g/cm², or None for a cohort without a target.
    """
    unknown = Person(None, None)
    known = [people.get(name, unknown) for name in radiographs]
    columns: dict[str, list[object]] = {
        _ID: list(radiographs),
        "patient_id": list(radiographs),
        "image": [f"{name}.dcm" for name in radiographs],
        "age": [person.age for person in known],
        "sex": [person.sex for person in known],
    }
    if densities is not None:
        columns[DENSITY] = [densities.get(name) for name in radiographs]
    sexes = any(person.sex is not None for person in known)
    roles = CohortRoles(
        id=_ID,
        patient="patient_id",
        image="image",
        target=None if densities is None else TargetRole(column=DENSITY),
        numeric=(_AGE,) if any(person.age is not None for person in known) else (),
        categorical=(_SEX,) if sexes else (),
        stratify=("sex",) if sexes else (),
        masks="masks/clavicle",
    )
    return pd.DataFrame(columns, dtype=object), roles


def value_problems(table: pd.DataFrame, *, roles: CohortRoles) -> list[str]:
    """Return what the library itself would refuse in the table, in its own sentences."""
    problems = Cohort.from_table(table, roles=roles).check(require_target=False, require_images=False)
    return [problem.message for problem in problems if problem.severity == "error"]
