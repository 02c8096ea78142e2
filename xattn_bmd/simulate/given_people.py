"""People of a table with a measured density, one hip for each row: real rows, simulated radiographs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xattn_bmd.bone.crosscal import cross_calibrate
from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.person import DXA_CV, SIDES, Hip, Scale
from xattn_bmd.simulate.presets import Sex
from xattn_bmd.simulate.site import SITE_PROFILES

if TYPE_CHECKING:
    import pandas as pd

SITES = ("site_a", "site_b")
_LIMITS = {"fn_bmd": (0.2, 2.0), "height": (120.0, 215.0), "weight": (30.0, 250.0), "bmi": (12.0, 75.0)}
_AGE = (18.0, 110.0)
_SEXES: dict[str, Sex] = {"female": "female", "f": "female", "male": "male", "m": "male"}
_SMOKING = ("never", "former", "current")
_SHOWN = 5


def given_hips(table: str | Path | pd.DataFrame, *, seed: int, scale: Scale | None) -> tuple[Hip, ...]:
    """Return the hips of a table's rows, in their order.

    The row's density is taken as true and mineralised on the Lunar scale; the label adds the scan's precision error.

    Args:
        table: CSV file or data frame with the columns ``sex``, ``height`` (cm), ``weight`` (kg), ``fn_bmd`` (g/cm²)
            and ``age_xray`` or ``age`` (years); where present also ``patient_id``, ``side``, ``site`` (a hospital of
            the simulation), ``age_dxa``, ``smoking``, ``alcohol``, ``activity`` and ``diet``.
        seed: draws sides and sites that the table does not name, and the precision error.
        scale: of ``fn_bmd``; labels are given on the same.

    Raises:
        SimulationError: listing every row that no person can be made from.

    Example:
        >>> import pandas as pd
        >>> row = {"sex": "female", "age": 70, "height": 160, "weight": 65, "fn_bmd": 0.8}
        >>> given_hips(pd.DataFrame([row]), seed=0, scale="lunar")[0].bmi
        25.39
    """
    if scale not in DXA_CV:
        raise SimulationError(
            f"Densities of a table are on the scale {' or '.join(DXA_CV)}, but scale is {scale!r}; name the DXA device."
        )
    rows = _rows(table)
    faults = [f"row {number}: {fault}" for number, row in enumerate(rows, start=1) for fault in _faults(row)]
    if faults:
        shown = "; ".join(faults[:_SHOWN]) + (f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else "")
        raise SimulationError(
            f"Every row of the table must be a person with a measured density, but {len(faults)} value(s) are not "
            f"possible: {shown}. Correct or remove these rows."
        )
    patients: dict[str, int] = {}
    rng = np.random.default_rng(np.random.SeedSequence([seed, 2**31 + 1]))
    return tuple(
        _hip(
            rng,
            row,
            index=index,
            patient=patients.setdefault(_patient(row, index), len(patients)),
            seed=seed,
            scale=scale,
        )
        for index, row in enumerate(rows)
    )


def _rows(table: str | Path | pd.DataFrame) -> list[dict[str, Any]]:
    import pandas as pd

    if isinstance(table, (str, Path)):
        try:
            table = pd.read_csv(table)
        except (OSError, ValueError) as cause:
            raise SimulationError(f"People are read from a CSV table, but {table} cannot be read; mend it.") from cause
    needed = ("sex", "height", "weight", "fn_bmd")
    missing = [name for name in needed if name not in table] + ([] if {"age", "age_xray"} & set(table) else ["age"])
    if missing:
        raise SimulationError(
            f"A table of people needs the columns {', '.join(needed)} and age or age_xray, but "
            f"{', '.join(missing)} is missing; add it."
        )
    if table.empty:
        raise SimulationError("A table of people needs at least 1 row, but it has none; add people.")
    kept = table.astype(object).where(table.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in kept.to_dict("records")]


def _faults(row: Mapping[str, Any]) -> list[str]:
    faults = [
        f"{name} {value} is not between {low:g} and {high:g}"
        for name, value, (low, high) in [
            *((name, row.get(name), limits) for name, limits in _LIMITS.items() if name != "bmi"),
            ("age", _age(row), _AGE),
        ]
        if not (_is_number(value) and low <= float(value) <= high)
    ]
    if not faults:
        low, high = _LIMITS["bmi"]
        bmi = float(row["weight"]) / (float(row["height"]) / 100) ** 2
        faults += [] if low <= bmi <= high else [f"body mass index {bmi:.1f} is not between {low:g} and {high:g}"]
    if str(row["sex"]).lower() not in _SEXES:
        faults.append(f"sex {row['sex']} is not female or male")
    for name, allowed in (("side", SIDES), ("site", tuple(SITE_PROFILES))):
        if row.get(name) is not None and row[name] not in allowed:
            faults.append(f"{name} {row[name]} is not one of {', '.join(allowed)}")
    return faults


def _is_number(value: object) -> bool:
    try:
        return bool(np.isfinite(float(value)))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def _answer(value: Any) -> float | None:  # noqa: ANN401
    return float(value) if _is_number(value) else None


def _age(row: Mapping[str, Any]) -> Any:  # noqa: ANN401
    return row["age_xray"] if row.get("age_xray") is not None else row.get("age")


def _patient(row: Mapping[str, Any], index: int) -> str:
    return str(row["patient_id"]) if row.get("patient_id") is not None else f"\0{index}"


def _hip(rng: np.random.Generator, row: Mapping[str, Any], *, index: int, patient: int, seed: int, scale: Scale) -> Hip:
    side, site, error = SIDES[rng.integers(2)], SITES[rng.integers(2)], rng.standard_normal()
    measured = float(row["fn_bmd"])
    true = float(cross_calibrate(measured, source=scale, target="lunar", region="femoral_neck"))
    height, weight, age = float(row["height"]), float(row["weight"]), float(_age(row))
    smoking = row.get("smoking")
    return Hip(
        seed=seed,
        index=index,
        patient=patient,
        side=row["side"] if row.get("side") is not None else side,
        site=str(row["site"]) if row.get("site") is not None else site,
        sex=_SEXES[str(row["sex"]).lower()],
        age_xray=age,
        age_dxa=float(row["age_dxa"]) if _is_number(row.get("age_dxa")) else age,
        height=height,
        weight=weight,
        bmi=round(weight / (height / 100) ** 2, 2),
        smoking=smoking if smoking in _SMOKING else None,
        alcohol=_answer(row.get("alcohol")),
        activity=_answer(row.get("activity")),
        diet=_answer(row.get("diet")),
        row=index,
        true_bmd=round(true, 5),
        fn_bmd=round(measured * (1 + DXA_CV[scale] * error), 4),
    )
