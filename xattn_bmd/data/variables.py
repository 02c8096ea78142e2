"""Clinical variables as numbers: standardised with the training rows alone, missing values marked.

A missing value that no training row had is a mark that nothing was fitted to.  It alone is filled in: with the mean, or
the commonest category, of the training rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xattn_bmd.data.checks.read_table import number_column, present, text_column
from xattn_bmd.errors import CohortError
from xattn_bmd.types import VariableSchema

SMALLEST_SPREAD = 1e-12
"""Relative SD below which a variable counts as constant: rounding, not measurement."""


@dataclass(frozen=True)
class EncodedVariables:
    """Encoded clinical record of ``R`` radiographs.

    Attributes:
        numeric: ``(R, N)`` float32, standardised; 0 where missing.
        codes: ``(R, C)`` int64 position in the declared categories; 0 where missing.
        missing: ``(R, V)`` bool, True where the record has no value and none was filled in; numeric variables first.
    """

    numeric: NDArray[np.float32]
    codes: NDArray[np.int64]
    missing: NDArray[np.bool_]


@dataclass(frozen=True)
class VariableEncoder:
    """Turns rows of a cohort table into :class:`EncodedVariables`.

    Attributes:
        schema: names and categories of the variables.
        mean: ``(N,)`` means over the training rows that have a value, in the variables' own units.
        sd: ``(N,)`` population SDs over the same rows.
        commonest: ``(C,)`` codes of the commonest categories in the same rows, the first of several.
        met: ``(V,)`` whether the training met each variable as missing; if not, it is filled in.

    Example:
        >>> schema = VariableSchema(numeric=("age",), categorical=(("sex", ("female", "male")),))
        >>> table = pd.DataFrame({"age": [60.0, 80.0, None], "sex": ["male", None, "female"]})
        >>> encoder = VariableEncoder.fit(table, schema)
        >>> encoder.transform(table).numeric[:, 0].tolist()
        [-1.0, 1.0, 0.0]
        >>> encoder.transform(table).codes[:, 0].tolist()
        [1, 0, 0]
    """

    schema: VariableSchema
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    commonest: tuple[int, ...]
    met: tuple[bool, ...]

    @classmethod
    def fit(cls, table: pd.DataFrame, schema: VariableSchema, *, withheld: bool = False) -> VariableEncoder:
        """Measure means, SDs and commonest categories on the training rows.

        A variable that happens to be constant in these rows gets SD 1 (it is centred, not blown up); one without any
        value gets mean 0 and SD 1.

        Args:
            table: training rows only.
            schema: variables to encode.
            withheld: whether the training withholds variables, so that it meets every one as missing.

        Raises:
            CohortError: if a column is absent, holds something that is not a number, or a category is not declared.
        """
        columns = [_numbers(table, name) for name in schema.numeric]
        codes = [_codes(table, name, categories) for name, categories in schema.categorical]
        moments = [_moments(column) for column in columns]
        return cls(
            schema=schema,
            mean=tuple(mean for mean, _ in moments),
            sd=tuple(deviation for _, deviation in moments),
            commonest=tuple(_commonest(column) for column in codes),
            met=tuple(withheld or bool(np.isnan(column).any()) for column in (*columns, *codes)),
        )

    def transform(self, table: pd.DataFrame) -> EncodedVariables:
        """Encode rows with the fitted means and SDs.

        Raises:
            CohortError: if a column is absent, a number is not one, or a category is not declared.
        """
        raw, codes = self._raw(table)
        scaled = (raw - np.array(self.mean)) / np.array(self.sd)
        filled = np.where(np.array(self.met[raw.shape[1] :], dtype=bool), 0, np.array(self.commonest, dtype=np.int64))
        return EncodedVariables(
            numeric=np.nan_to_num(scaled, nan=0.0).astype(np.float32),
            codes=np.where(np.isnan(codes), filled, np.nan_to_num(codes)).astype(np.int64),
            missing=np.isnan(np.concatenate([raw, codes], axis=1)) & np.array(self.met, dtype=bool),
        )

    def absent(self, table: pd.DataFrame) -> NDArray[np.bool_]:
        """Return ``(R, V)`` where the record has no value, whatever is made of that; numeric variables first.

        Raises:
            CohortError: as :meth:`transform`.
        """
        return np.isnan(np.concatenate(self._raw(table), axis=1))

    def _raw(self, table: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return numbers ``(R, N)`` in their own units and codes ``(R, C)``, NaN where there is no value."""
        numbers = [_numbers(table, name) for name in self.schema.numeric]
        codes = [_codes(table, name, categories) for name, categories in self.schema.categorical]
        return _stack(numbers, rows=len(table)), _stack(codes, rows=len(table))

    def design_matrix(self, table: pd.DataFrame) -> tuple[NDArray[np.float64], tuple[str, ...]]:
        """Return the record as one matrix for linear models and trees, with the names of its columns.

        Returns:
            ``(R, K)`` float64 and ``K`` names: standardised numeric variables (0 where missing), one 0/1 column for
            each category (none dropped; all 0 where missing), and one 0/1 missing indicator for each variable.

        Raises:
            CohortError: as :meth:`transform`.
        """
        encoded, count = self.transform(table), len(self.schema.numeric)
        blocks: list[NDArray[Any]] = [encoded.numeric]
        names = list(self.schema.numeric)
        for position, (name, categories) in enumerate(self.schema.categorical):
            known = ~encoded.missing[:, count + position]
            blocks.append((encoded.codes[:, [position]] == np.arange(len(categories))) & known[:, None])
            names += [f"{name}={category}" for category in categories]
        names += [f"{name} missing" for name in self.schema.names]
        matrix = np.concatenate([*blocks, encoded.missing], axis=1, dtype=np.float64)
        return matrix, tuple(names)

    def to_dict(self) -> dict[str, Any]:
        """Return the state as plain lists and dictionaries, ready for JSON, exact to the last digit."""
        return {
            "numeric": list(self.schema.numeric),
            "categorical": [[name, list(categories)] for name, categories in self.schema.categorical],
            "mean": list(self.mean),
            "sd": list(self.sd),
            "commonest": list(self.commonest),
            "met": list(self.met),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> VariableEncoder:
        """Return the encoder that :meth:`to_dict` wrote; that of an older version filled nothing in.

        Raises:
            CohortError: if a part of the state is missing.
        """
        if absent := sorted({"numeric", "categorical", "mean", "sd"} - set(state)):
            raise CohortError(
                f"A variable encoder's state has numeric, categorical, mean and sd, but {absent} is absent."
            )
        schema = VariableSchema(
            numeric=tuple(state["numeric"]),
            categorical=tuple((name, tuple(categories)) for name, categories in state["categorical"]),
        )
        return cls(
            schema=schema,
            mean=tuple(map(float, state["mean"])),
            sd=tuple(map(float, state["sd"])),
            commonest=tuple(map(int, state.get("commonest", [0] * len(schema.categorical)))),
            met=tuple(map(bool, state.get("met", [True] * len(schema.names)))),
        )


def _moments(column: NDArray[np.float64]) -> tuple[float, float]:
    values = column[~np.isnan(column)]
    if not len(values):
        return 0.0, 1.0
    deviation = float(values.std())
    if values.min() == values.max() or deviation < SMALLEST_SPREAD * max(1.0, float(np.abs(values).max())):
        return float(values[0]), 1.0
    return float(values.mean()), deviation


def _commonest(codes: NDArray[np.float64]) -> int:
    known = codes[~np.isnan(codes)].astype(np.int64)
    return int(np.bincount(known).argmax()) if len(known) else 0


def _stack(columns: Sequence[NDArray[np.float64]], *, rows: int) -> NDArray[np.float64]:
    return np.stack(columns, axis=1) if columns else np.empty((rows, 0))


def _column(table: pd.DataFrame, name: str) -> pd.Series:
    if name not in table.columns:
        raise CohortError(f"The model needs the variable {name!r}, but the table has no such column; add it.")
    return table[name]


def _numbers(table: pd.DataFrame, name: str) -> NDArray[np.float64]:
    column = _column(table, name)
    values = number_column(column)
    wrong = present(column) & np.isnan(values)
    if wrong.any():
        found = text_column(column)[int(np.argmax(wrong))]
        raise CohortError(
            f"The variable {name!r} is numeric, but {found!r} was found; write a number or leave it empty."
        )
    return values


def _codes(table: pd.DataFrame, name: str, categories: tuple[str, ...]) -> NDArray[np.float64]:
    position = {category: code for code, category in enumerate(categories)}
    texts = text_column(_column(table, name))
    unknown = sorted({text for text in texts if text is not None and text not in position})
    if unknown:
        raise CohortError(
            f"The variable {name!r} has the categories {list(categories)}, but {unknown} was found; "
            "rename it in the table, or leave the cell empty where the answer is not known."
        )
    return np.array([np.nan if text is None else position[text] for text in texts], dtype=np.float64)
