import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from xattn_bmd.data.variables import VariableEncoder
from xattn_bmd.errors import CohortError
from xattn_bmd.types import VariableSchema

SCHEMA = VariableSchema(
    numeric=("age", "height"), categorical=(("sex", ("female", "male")), ("smoking", ("never", "former", "current")))
)


def made_table(count=30, *, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.normal(75, 3, count),
            "height": rng.normal(165, 9, count),
            "sex": rng.choice(["female", "male"], count),
            "smoking": rng.choice(["never", "former", "current"], count),
        }
    )


def test_complete_record_agrees_with_scikit_learn():
    table = made_table()
    encoder = VariableEncoder.fit(table[:20], SCHEMA)
    numeric = ["age", "height"]
    scaler = StandardScaler().fit(table[:20][numeric].to_numpy())
    one_hot = OneHotEncoder(categories=[["female", "male"], ["never", "former", "current"]], sparse_output=False)
    encoded = encoder.transform(table)
    np.testing.assert_allclose(encoded.numeric, scaler.transform(table[numeric].to_numpy()), rtol=1e-5, atol=1e-6)
    matrix, names = encoder.design_matrix(table)
    np.testing.assert_array_equal(matrix[:, 2:7], one_hot.fit_transform(table[["sex", "smoking"]].to_numpy()))
    assert not encoded.missing.any() and not matrix[:, 7:].any()
    assert names == (
        *("age", "height", "sex=female", "sex=male", "smoking=never", "smoking=former", "smoking=current"),
        *("age missing", "height missing", "sex missing", "smoking missing"),
    )
    assert (matrix.dtype, matrix.shape) == (np.float64, (30, len(names)))


def test_types_and_shapes():
    encoded = VariableEncoder.fit(made_table(), SCHEMA).transform(made_table(7, seed=1))
    assert (encoded.numeric.dtype, encoded.codes.dtype, encoded.missing.dtype) == (np.float32, np.int64, np.bool_)
    assert (encoded.numeric.shape, encoded.codes.shape, encoded.missing.shape) == ((7, 2), (7, 2), (7, 4))


def test_missing_cells_are_marked_and_zero_everywhere():
    table = made_table().astype(object)
    table.loc[0, "age"], table.loc[1, "sex"], table.loc[2, "smoking"] = None, None, float("nan")
    encoder = VariableEncoder.fit(table, SCHEMA)
    encoded = encoder.transform(table)
    assert np.argwhere(encoded.missing).tolist() == [[0, 0], [1, 2], [2, 3]]
    assert encoded.numeric[0, 0] == 0 and encoded.codes[1, 0] == 0
    matrix, names = encoder.design_matrix(table)
    assert matrix[1, names.index("sex=female")] == matrix[1, names.index("sex=male")] == 0
    assert matrix[1, names.index("sex missing")] == 1
    assert encoder.mean[0] == pytest.approx(table["age"].dropna().astype(float).mean())


def test_a_gap_that_no_training_row_had_is_filled_with_mean_or_commonest_category():
    table = made_table().assign(smoking=["former"] * 14 + ["never"] * 9 + ["current"] * 7)
    encoder = VariableEncoder.fit(table, SCHEMA)
    assert encoder.met == (False,) * 4
    gaps = table.astype(object)
    gaps.loc[0, "age"], gaps.loc[1, "smoking"] = None, None
    encoded = encoder.transform(gaps)
    assert not encoded.missing.any()
    assert encoded.numeric[0, 0] == 0 and encoded.codes[1, 1] == 1
    assert np.argwhere(encoder.absent(gaps)).tolist() == [[0, 0], [1, 3]]
    matrix, names = encoder.design_matrix(gaps)
    assert matrix[1, names.index("smoking=former")] == 1 and not matrix[:, names.index("smoking missing")].any()


def test_where_training_withholds_variables_every_gap_is_marked():
    encoder = VariableEncoder.fit(made_table(), SCHEMA, withheld=True)
    gaps = made_table().astype(object)
    gaps.loc[0, ["age", "smoking"]] = None
    assert np.argwhere(encoder.transform(gaps).missing).tolist() == [[0, 0], [0, 3]]


def test_the_state_of_an_older_version_fills_nothing_in():
    older = VariableEncoder.fit(made_table(), SCHEMA).to_dict()
    del older["met"], older["commonest"]
    gaps = made_table().astype(object)
    gaps.loc[0, "sex"] = None
    assert VariableEncoder.from_dict(older).transform(gaps).missing[0, 2]


def test_only_the_fitted_rows_matter():
    table = made_table()
    encoder = VariableEncoder.fit(table[:20], SCHEMA)
    changed = table.copy()
    changed.loc[20:, "age"] = 1e6
    assert VariableEncoder.fit(changed[:20], SCHEMA) == encoder
    assert VariableEncoder.fit(changed, SCHEMA) != encoder


def test_constant_or_absent_in_the_fold_is_centred_not_blown_up():
    table = made_table().assign(age=0.1, height=None)
    encoder = VariableEncoder.fit(table, SCHEMA)
    assert (encoder.mean, encoder.sd) == ((0.1, 0.0), (1.0, 1.0))
    assert encoder.transform(table.assign(height=2.0)).numeric[0].tolist() == [0.0, 2.0]
    assert encoder.transform(table).missing[:, 1].all()


def test_text_and_numbers_encode_alike():
    table = made_table()
    text = table.astype(str)
    first, second = VariableEncoder.fit(table, SCHEMA), VariableEncoder.fit(text, SCHEMA)
    assert first == second
    np.testing.assert_array_equal(first.transform(table).numeric, second.transform(text).numeric)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("sex", "Male", ["'sex'", "['female', 'male']", "'Male'"]),
        ("age", "old", ["'age'", "'old'"]),
        ("age", "inf", ["'age'", "'inf'"]),
    ],
)
def test_unknown_values_are_refused(column, value, words):
    table = made_table().astype(object)
    encoder = VariableEncoder.fit(table, SCHEMA)
    table.loc[3, column] = value
    with pytest.raises(CohortError) as caught:
        encoder.transform(table)
    assert all(word in str(caught.value) for word in words)


def test_absent_column_is_refused_not_imputed():
    encoder = VariableEncoder.fit(made_table(), SCHEMA)
    with pytest.raises(CohortError, match="'smoking'"):
        encoder.transform(made_table().drop(columns="smoking"))


@pytest.mark.parametrize(
    "schema", [VariableSchema(("age",), ()), VariableSchema((), (("sex", ("female", "male")),)), VariableSchema((), ())]
)
def test_schemas_with_an_empty_side(schema):
    encoder = VariableEncoder.fit(made_table(), schema)
    encoded = encoder.transform(made_table(5))
    assert encoded.numeric.shape == (5, len(schema.numeric)) and encoded.codes.shape == (5, len(schema.categorical))
    assert encoded.missing.shape == (5, len(schema.names)) and encoder.design_matrix(made_table(5))[0].shape[0] == 5


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, allow_nan=False) | st.none(), min_size=1, max_size=30))
def test_state_survives_json_to_the_last_digit(ages):
    table = pd.DataFrame({"age": pd.Series(ages, dtype=object), "sex": pd.Series(["b"] * len(ages), dtype=object)})
    encoder = VariableEncoder.fit(table, VariableSchema(("age",), (("sex", ("a", "b")),)))
    assert VariableEncoder.from_dict(json.loads(json.dumps(encoder.to_dict()))) == encoder
    scaled = VariableEncoder.fit(table, VariableSchema(("age",), ())).transform(table).numeric
    assert np.isfinite(scaled).all()


def test_incomplete_state_is_refused():
    with pytest.raises(CohortError, match="sd"):
        VariableEncoder.from_dict({"numeric": [], "categorical": [], "mean": []})
