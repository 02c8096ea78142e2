"""Rows of a table, as pandas finds them."""

import numpy as np
import pandas as pd
import pytest

from xattn_bmd.report.material import one, rows

TABLE = pd.DataFrame(
    {
        "model": ["xattn", "concat", "xattn", "xattn"],
        "threshold": [-1.0, -1.0, -2.5, np.nan],
        "n": [1, 2, 3, 4],
        "defined": [True, False, True, False],
        "reason": [None, "few", "", "none"],
    },
    index=[7, 7, 3, 0],
)


@pytest.mark.parametrize(
    "where", [{}, {"model": "xattn"}, {"model": "xattn", "threshold": -1.0}, {"threshold": np.nan}, {"n": 9}]
)
def test_rows_are_the_records_of_the_rows_that_pandas_keeps(where):
    kept = TABLE
    for name, value in where.items():
        kept = kept[kept[name] == value]
    expected = kept.to_dict("records")
    found = rows(TABLE, **where)
    assert list(map(repr, found)) == list(map(repr, expected))  # NaN equals itself as text, and types are told apart
    assert repr(one(TABLE, **where)) == repr(expected[0] if expected else None)


def test_a_table_without_columns_has_no_rows():
    assert rows(pd.DataFrame()) == [] and one(pd.DataFrame()) is None
