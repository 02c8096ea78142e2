"""Groups of patients by what the clinical record says: sex, ethnicity, site, bands of age and body mass index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import MetricError

if TYPE_CHECKING:
    import pandas as pd

Groups = dict[str, NDArray[np.str_]]
"""(N,) group of each radiograph by variable; an empty text where the record does not say."""

AGE_EDGES = (65.0, 75.0, 85.0)
AGE_BANDS = ("under 65", "65 to 74", "75 to 84", "85 and over")
BMI_EDGES = (18.5, 25.0, 30.0)
"""WHO edges of body mass index, kg/m²."""

BMI_BANDS = ("under 18.5", "18.5 to 24.9", "25 to 29.9", "30 and over")
THIRDS = ("lowest third", "middle third", "highest third")
MOST_CATEGORIES = 12

_NAMED = ("sex", "gender", "ethnicity", "race", "site")
_CENTIMETRES_ABOVE = 3.0


def groups_from_record(
    record: pd.DataFrame, radiographs: Sequence[str] | NDArray[np.str_], *, variables: Sequence[str] | None = None
) -> Groups:
    """Return the groups that a clinical record supports.

    By default: sex, ethnicity and site as they are named, age in bands (the column ``age``, else the first whose name
    starts so), body mass index in WHO bands (``bmi``, else from ``weight`` in kg and ``height`` in cm or m).  With
    ``variables`` just those columns: categories as they are, numbers in thirds unless they are age or ``bmi``.

    Args:
        record: one row per radiograph with ``radiograph_id`` and clinical variables.
        radiographs: (N,) ids wanted, in order; ids without a row belong to no group.
        variables: columns to group by; None takes the default ones.

    Raises:
        MetricError: if the record lacks ``radiograph_id`` or a wanted column, or has an id twice.

    Example:
        >>> import pandas as pd
        >>> record = pd.DataFrame({"radiograph_id": ["a", "b"], "sex": ["female", "male"], "age": [64, 80]})
        >>> {name: group.tolist() for name, group in groups_from_record(record, ["b", "a"]).items()}
        {'sex': ['male', 'female'], 'age': ['75 to 84', 'under 65']}
    """
    rows = _aligned(record, radiographs)
    names = {str(name).lower(): str(name) for name in rows.columns}
    if variables is not None:
        _require_columns(rows, variables)
        return {name: _grouped(name, rows[name]) for name in variables}
    found: Groups = {names[name]: record_texts(rows[names[name]]) for name in _NAMED if name in names}
    age = "age" if "age" in names else next((name for name in names if name.startswith("age_")), None)
    if age is not None:
        found["age"] = banded(rows[names[age]], AGE_EDGES, AGE_BANDS)
    index = _body_mass_index(rows, names)
    if index is not None:
        found["bmi"] = banded(index, BMI_EDGES, BMI_BANDS)
    return {name: group for name, group in found.items() if 1 <= len(set(group) - {""}) <= MOST_CATEGORIES}


def group_names(labels: NDArray[np.str_]) -> list[str]:
    """Return the groups that occur, bands from low to high, others by the alphabet; unknown ones are no group.

    Example:
        >>> group_names(np.array(["75 to 84", "", "under 65", "65 to 74"]))
        ['under 65', '65 to 74', '75 to 84']
    """
    ordered = (*AGE_BANDS, *BMI_BANDS, *THIRDS)
    found = sorted(set(labels.tolist()) - {""})
    return sorted(found, key=lambda name: ordered.index(name) if name in ordered else len(ordered))


def banded(values: pd.Series, edges: Sequence[float], names: Sequence[str]) -> NDArray[np.str_]:
    """Return the band of each number; a number on an edge lies in the upper band, a missing one in none.

    Args:
        values: (N,) numbers.
        edges: (K,) ascending.
        names: (K + 1,) names of the bands.
    """
    numbers = _numbers(values)
    bands = np.asarray(names)[np.digitize(numbers, edges)]
    return np.where(np.isnan(numbers), "", bands)


def _aligned(record: pd.DataFrame, radiographs: Sequence[str] | NDArray[np.str_]) -> pd.DataFrame:
    _require_columns(record, ["radiograph_id"])
    ids = record["radiograph_id"].astype(str)
    if ids.duplicated().any():
        raise MetricError(
            f"A clinical record has one row per radiograph, but {ids[ids.duplicated()].iloc[0]} has several; keep one."
        )
    return record.set_index(ids).reindex([str(name) for name in radiographs])


def _require_columns(record: pd.DataFrame, wanted: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in record.columns]
    if missing:
        raise MetricError(
            f"A clinical record has the columns it is grouped by, but {', '.join(missing)} is not among "
            f"{', '.join(map(str, record.columns))}; mend the name."
        )


def _grouped(name: str, values: pd.Series) -> NDArray[np.str_]:
    numbers = _numbers(values)
    numeric = np.isfinite(numbers).sum() == (record_texts(values) != "").sum()
    if name.lower() == "age" or name.lower().startswith("age_"):
        return banded(values, AGE_EDGES, AGE_BANDS)
    if name.lower() == "bmi":
        return banded(values, BMI_EDGES, BMI_BANDS)
    if numeric and len(np.unique(numbers[np.isfinite(numbers)])) > len(THIRDS):
        return banded(values, list(np.nanquantile(numbers, [1 / 3, 2 / 3])), THIRDS)
    return record_texts(values)


def _body_mass_index(rows: pd.DataFrame, names: dict[str, str]) -> pd.Series | None:
    import pandas as pd

    if "bmi" in names:
        return rows[names["bmi"]]
    if "height" not in names or "weight" not in names:
        return None
    height, weight = (_numbers(rows[names[name]]) for name in ("height", "weight"))
    known = height[np.isfinite(height)]
    metres = height / 100.0 if len(known) and np.median(known) > _CENTIMETRES_ABOVE else height
    return pd.Series(weight / metres**2)


def _numbers(values: pd.Series) -> NDArray[np.float64]:
    import pandas as pd

    return np.asarray(pd.to_numeric(values, errors="coerce"), dtype=np.float64)


def record_texts(values: pd.Series) -> NDArray[np.str_]:
    """Return a column of a clinical record as text, without spaces around it; empty where missing."""
    texts = values.astype(object).where(values.notna(), "").astype(str).str.strip()
    return texts.to_numpy(dtype=str)
