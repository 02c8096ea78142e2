"""Refuses densities in another unit than the table's: mg/cm², T-scores, or a mixture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xattn_bmd.errors import MetricError
from xattn_bmd.types import HEAD_COLUMNS, UNIT_COLUMN

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 10.0
"""g/cm²; beyond every areal density of bone (0.1 to 3) and every prediction that deserves a score."""

LARGEST_VOLUMETRIC = 2000.0
"""mg/cm³; beyond the densest cortical bone."""

UNITS = ("g/cm2", "mg/cm3")

MILLIGRAMS = (100.0, 5000.0)
"""Range of areal densities in mg/cm²."""

SHARE_BELOW_ZERO = 0.25
"""From this share of predictions <= 0 on, a model gives T-scores or standardised values; fewer may be a bad model."""


def require_one_unit(table: pd.DataFrame) -> None:
    """Refuse a table whose densities cannot be in the unit that its column ``unit`` names; g/cm² where it has none.

    Args:
        table: a predictions table whose ``target``, ``prediction`` and head columns are numbers.

    Raises:
        MetricError: naming the unit, or the first row that breaks its rule.
    """
    units = list(table[UNIT_COLUMN].unique()) if UNIT_COLUMN in table.columns else [UNITS[0]]
    if len(units) > 1 or units[0] not in UNITS:
        raise MetricError(
            f"All rows of a table have one unit, {' or '.join(UNITS)}, but {', '.join(map(str, units))} was found; "
            "score each unit alone."
        )
    if units[0] == UNITS[0]:
        require_grams_per_cm2(table)
        return
    for column in ("target", "prediction", *HEAD_COLUMNS):
        if column in table.columns and (table[column].abs() > LARGEST_VOLUMETRIC).any():
            raise MetricError(
                f"Every {column} is in mg/cm³ and at most {LARGEST_VOLUMETRIC:g}, but {table[column].abs().max():g} "
                "was found; convert it."
            )
    if len(table) and table["target"].abs().max() <= LARGEST:
        raise MetricError(
            f"Every target is in mg/cm³, but none is above {LARGEST:g}, as areal densities are; correct the unit."
        )


def require_grams_per_cm2(table: pd.DataFrame) -> None:
    """Refuse targets and predictions that cannot be densities in g/cm².

    A target is above 0 and at most 10; a prediction at most 10 in size, and fewer than a quarter of a model's are 0 or
    less (a bad model may give a few).  Columns of heads are at most 10 in size, too.

    Args:
        table: a predictions table whose ``target``, ``prediction`` and head columns are numbers.

    Raises:
        MetricError: with the first row, and the models or sites that are concerned.
    """
    for column in ("target", "prediction", *HEAD_COLUMNS):
        if column in table.columns:
            _require_small(table, column)
    _require_positive_targets(table)
    _require_densities_per_model(table)


def _require_small(table: pd.DataFrame, column: str) -> None:
    large = table[column].abs() > LARGEST
    if not large.any():
        return
    value = float(table.loc[large, column].iloc[0])
    milligrams = MILLIGRAMS[0] <= abs(value) <= MILLIGRAMS[1]
    mixed = "" if large.all() else "the units are mixed: "
    fix = "it looks like mg/cm²: divide by 1000" if milligrams else "convert it, or leave the radiograph out"
    raise MetricError(
        f"Every {column} is in g/cm² and at most {LARGEST:g}, but {mixed}{_where(table, large)} more, the first is "
        f"{value:g} {_row(table, large)}; {fix}."
    )


def _require_positive_targets(table: pd.DataFrame) -> None:
    below = table["target"] <= 0
    if below.any():
        value = float(table.loc[below, "target"].iloc[0])
        t_score = "it looks like a T-score: turn those into densities (xattn_bmd.bone.tscore.density_at)"
        fix = t_score if value < 0 else "mend it, or leave the radiograph out for all models"
        raise MetricError(
            f"Every target is a density in g/cm², above 0, but {_where(table, below)} not, the first is "
            f"{value:g} {_row(table, below)}; {fix}."
        )


def _require_densities_per_model(table: pd.DataFrame) -> None:
    below = table["prediction"] <= 0
    share = below.groupby(table["model"], sort=False).mean()
    suspects = share[share >= SHARE_BELOW_ZERO]
    if len(suspects):
        model = suspects.index[0]
        rows = below & (table["model"] == model)
        raise MetricError(
            f"Every prediction is a density in g/cm², but {100 * suspects.iloc[0]:.0f} % of model {model}'s are 0 or "
            f"less, the first is {float(table.loc[rows, 'prediction'].iloc[0]):g} {_row(table, rows)}; they look like "
            "T-scores or standardised values: turn them into densities."
        )


def _where(table: pd.DataFrame, rows: pd.Series[bool]) -> str:
    """Return how many rows break a rule, and of which models or sites where that tells them from the others."""
    text = f"{int(rows.sum())} of {len(table)} rows"
    for column in ("model", "site"):
        names = table[column].fillna("").astype(str)
        concerned = names[rows].unique()
        if len(concerned) < names.nunique() and not names[~rows].isin(concerned).any():
            return f"{text} (every row of {column} {', '.join(concerned)}) are"
    return f"{text} are"


def _row(table: pd.DataFrame, rows: pd.Series[bool]) -> str:
    row = table[rows].iloc[0]
    return f"for radiograph {row['radiograph_id']} and model {row['model']} (row {int(rows.to_numpy().argmax()) + 1})"
