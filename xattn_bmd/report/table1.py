"""Table 1: who the patients are."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.groups import record_texts
from xattn_bmd.report.words import RADIOGRAPHS, Words

if TYPE_CHECKING:
    import pandas as pd

SKEWED = 1.0
"""Absolute sample skewness above which a variable is described by median and quartiles."""

UNKNOWN_GROUP = "not recorded"
DENSITY = "measured density"

_GROUP, _TARGET = "group", "target"
_EVERYONE = "Overall"


def table1(
    record: pd.DataFrame,
    *,
    numeric: Sequence[str],
    categorical: Sequence[str],
    target: pd.Series | None = None,
    groupby: str | None = None,
    units: Mapping[str, str] | None = None,
    words: Words = RADIOGRAPHS,
) -> pd.DataFrame:
    """Return the characteristics of the patients, overall and by group; :func:`table1_note` says how they are counted.

    Args:
        record: one row per radiograph with ``radiograph_id``, ``patient_id`` and the variables.
        numeric: columns with numbers.
        categorical: columns with categories.
        target: density by radiograph id; None leaves it out.
        groupby: column whose values are compared, such as ``sex``; a patient belongs to the group of their first
            radiograph.  None describes all patients together.
        units: unit of each numeric variable that has one.
        words: of the report.

    Returns:
        Text only: ``characteristic``, ``level`` (of a category, else empty), ``missing``, ``all (n = ...)`` and
        a column ``group (n = ...)`` for each group; n counts patients.

    Raises:
        MetricError: if a column is not there, or the record is empty.

    Example:
        >>> import pandas as pd
        >>> ages = [70.0, 72.0, 77.0]
        >>> record = pd.DataFrame({"radiograph_id": ["a", "b", "c"], "patient_id": ["p", "p", "q"], "age": ages})
        >>> made = table1(record, numeric=["age"], categorical=[], units={"age": "years"})
        >>> made.iloc[:, [0, 3]].to_numpy().tolist()
        [['radiographs', '3'], ['age (years), mean (SD)', '73.5 (4.9)']]
    """
    _require(record, [*numeric, *categorical, *([groupby] if groupby else [])])
    named = [name for name in categorical if name != groupby]
    people = _patients(record, numeric=numeric, categorical=named, target=target, groupby=groupby)
    groups = sorted(set(people[_GROUP]), key=lambda name: (name == UNKNOWN_GROUP, name)) if groupby else []
    labels = {f"n{place}": (name, (units or {}).get(name, "")) for place, name in enumerate(numeric)}
    labels |= {f"c{place}": (name, "") for place, name in enumerate(named)}
    labels |= {_TARGET: (DENSITY, words.scale.unit)} if target is not None else {}
    rows = [[words.images, *_radiographs(record, people, groups)]]
    for key, (name, unit) in labels.items():
        title, decimals = f"{name} ({unit})" if unit else name, _decimals(people, key, words)
        rows += _variable(people, key, title=title, groups=groups, decimals=decimals)
    return _as_text(rows, people, groups)


def table1_note(image: str) -> str:
    """Return what stands below the table.

    Args:
        image: what one image is called.
    """
    return (
        f"Each patient counts once, with the record of their first {image} in the order of the cohort; the row "
        f"'{image}s' counts all of them. Numbers are mean (SD), or median [25 %, 75 %] where the skewness exceeds 1; "
        "categories are n (% of those recorded). Missing counts patients without a value."
    )


def _require(record: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [name for name in ("radiograph_id", "patient_id", *columns) if name not in record.columns]
    if missing:
        raise MetricError(
            f"Table 1 describes columns of the clinical record, but {', '.join(missing)} is not among "
            f"{', '.join(map(str, record.columns))}; mend the name."
        )
    if record.empty:
        raise MetricError("Table 1 describes patients, but the clinical record has no row; give the record of the run.")


def _patients(
    record: pd.DataFrame,
    *,
    numeric: Sequence[str],
    categorical: Sequence[str],
    target: pd.Series | None,
    groupby: str | None,
) -> pd.DataFrame:
    """Return one row per patient under keys that no variable's own name can collide with."""
    import pandas as pd

    first = record.drop_duplicates("patient_id").reset_index(drop=True)
    columns = {f"n{place}": pd.to_numeric(first[name], errors="coerce") for place, name in enumerate(numeric)}
    columns |= {f"c{place}": _categories(first[name]) for place, name in enumerate(categorical)}
    if target is not None:
        densities = target.set_axis(target.index.astype(str))
        columns[_TARGET] = densities.reindex(first["radiograph_id"].astype(str)).reset_index(drop=True)
    if groupby is not None:
        columns[_GROUP] = _categories(first[groupby]).fillna(UNKNOWN_GROUP)
    return pd.DataFrame({"patient": first["patient_id"].astype(str), **columns})


def _categories(values: pd.Series) -> pd.Series:
    import pandas as pd

    texts = pd.Series(record_texts(values), index=values.index, dtype=object)
    return texts.where(texts != "", None)


def _radiographs(record: pd.DataFrame, people: pd.DataFrame, groups: Sequence[str]) -> list[str]:
    counts = record["patient_id"].astype(str).value_counts()
    numbers = counts.reindex(people["patient"]).to_numpy()
    each = [int(numbers[(people[_GROUP] == name).to_numpy()].sum()) for name in groups]
    return ["", "", str(int(numbers.sum())), *map(str, each)]


def _variable(people: pd.DataFrame, key: str, *, title: str, groups: Sequence[str], decimals: int) -> list[list[str]]:
    """Return the rows of one variable: characteristic, level, missing, all, each group."""
    values = people[key]
    missing = str(int(values.isna().sum()))
    if values.isna().all():
        return [[title, "", missing, *["–"] * (1 + len(groups))]]
    if key.startswith("c"):
        described = _described(people, key, groups, median=False, decimals=decimals)
        return [
            [f"{title}, n (%)" if place == 0 else "", level, missing if place == 0 else "", *cells]
            for place, (level, cells) in enumerate(described)
        ]
    median = is_skewed(values)
    kind = "median [quartiles]" if median else "mean (SD)"
    return [
        [f"{title}, {kind}", "", missing, *cells]
        for _, cells in _described(people, key, groups, median=median, decimals=decimals)
    ]


def is_skewed(values: pd.Series) -> bool:
    """Return whether the absolute sample skewness of the known values exceeds :data:`SKEWED`.

    Example:
        >>> import pandas as pd
        >>> is_skewed(pd.Series([0.0, 0.0, 0.0, 0.0, 9.0])), is_skewed(pd.Series([1.0, 2.0, 3.0]))
        (True, False)
    """
    skewness = float(np.asarray(values.astype(float).skew(), dtype=np.float64))
    return bool(np.isfinite(skewness) and abs(skewness) > SKEWED)


def _described(
    people: pd.DataFrame, key: str, groups: Sequence[str], *, median: bool, decimals: int
) -> list[tuple[str, list[str]]]:
    """Return (level, text for all and for each group) of one variable."""
    codes = {name: f"g{place}" for place, name in enumerate(groups)}
    data = people[[key]].assign(**({_GROUP: people[_GROUP].map(codes)} if groups else {}))
    wanted = _tableone(data, key, median=median, grouped=bool(groups), decimals=decimals).loc[
        [key], [_EVERYONE, *codes.values()]
    ]
    known = people[key].notna()
    counts = [int(known.sum()), *(int(known[people[_GROUP] == name].sum()) for name in groups)]
    categorical = key.startswith("c")
    return [
        (str(index[1]), [_cell(text, known=max(n, 2 * categorical)) for text, n in zip(row, counts, strict=True)])
        for index, *row in wanted.itertuples()
    ]


def _tableone(data: pd.DataFrame, key: str, *, median: bool, grouped: bool, decimals: int) -> pd.DataFrame:
    from tableone import TableOne

    categorical = key.startswith("c")
    with warnings.catch_warnings():
        # It warns about every empty cell and about columns that it would rather see as another type.
        warnings.simplefilter("ignore")
        made: pd.DataFrame = TableOne(
            data,
            columns=[key],
            categorical=[key] if categorical else [],
            continuous=[] if categorical else [key],
            nonnormal=[key] if median else [],
            groupby=_GROUP if grouped else None,
            decimals=decimals,
            include_null=False,
            label_suffix=False,
        ).tableone
    return made.droplevel(0, axis=1) if grouped else made


def _decimals(people: pd.DataFrame, key: str, words: Words) -> int:
    """Return the decimals of a density, else as many as two digits of the spread need, one at least below 100."""
    if not key.startswith("n"):
        return words.scale.decimals if key == _TARGET else 1
    spread = float(people[key].std())
    if not np.isfinite(spread) or spread == 0.0:
        return 1
    return 0 if spread >= 100.0 else int(np.clip(1 - np.floor(np.log10(spread)), 1, 3))


def _cell(text: object, *, known: int) -> str:
    """Return the text of one cell; a single value has no spread, and none has nothing."""
    if known == 0:
        return "–"
    center, _, spread = str(text).partition(" ")
    shown = f"{center} (–)" if known == 1 and spread else str(text)
    return shown.replace("nan", "–").replace("None", "–").replace(",", ", ").replace("-", "−")


def _as_text(rows: Sequence[Sequence[str]], people: pd.DataFrame, groups: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    sizes = {name: int((people[_GROUP] == name).sum()) for name in groups}
    heads = [f"all (n = {len(people)})", *(f"{name} (n = {size})" for name, size in sizes.items())]
    return pd.DataFrame(rows, columns=["characteristic", "level", "missing", *heads], dtype=object)
