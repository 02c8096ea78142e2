import warnings

import numpy as np
import pandas as pd
import pytest

from xattn_bmd.errors import MetricError
from xattn_bmd.report.table1 import is_skewed, table1, table1_note


def record(*, patients=30, seed=0):
    """Two radiographs for each patient; the second has other values, which must not count."""
    rng = np.random.default_rng(seed)
    first = pd.DataFrame(
        {
            "patient_id": [f"p{i:02}" for i in range(patients)],
            "site": np.where(np.arange(patients) % 3 == 0, "north", "south"),
            "sex": np.where(np.arange(patients) % 2 == 0, "female", "male"),
            "age": rng.normal(76, 2.6, patients),
            "alcohol": rng.exponential(3, patients) ** 2,
        }
    )
    both = pd.concat([first, first.assign(age=20.0, sex="male", site="north")], ignore_index=True)
    return both.assign(radiograph_id=[f"r{i}" for i in range(2 * patients)])


def cells(made, row):
    (found,) = made[made["characteristic"] == row].to_dict("records")
    return found


def test_each_patient_counts_once_with_the_first_radiograph():
    table = record()
    made = table1(table, numeric=["age"], categorical=["sex"], groupby="site", units={"age": "years"})
    people = table.drop_duplicates("patient_id")
    assert list(made.columns) == [
        *("characteristic", "level", "missing", "all (n = 30)"),
        *("north (n = 10)", "south (n = 20)"),
    ]
    row = cells(made, "age (years), mean (SD)")
    for column, ages in {
        "all (n = 30)": people["age"],
        "north (n = 10)": people.loc[people["site"] == "north", "age"],
        "south (n = 20)": people.loc[people["site"] == "south", "age"],
    }.items():
        assert row[column] == f"{ages.mean():.1f} ({ages.std(ddof=1):.1f})"
    assert cells(made, "radiographs")["all (n = 30)"] == "60"
    assert cells(made, "radiographs")["north (n = 10)"] == "20", "those of its patients, wherever they were taken"


def test_skewed_numbers_have_median_and_quartiles():
    table = record()
    row = cells(table1(table, numeric=["alcohol"], categorical=[]), "alcohol, median [quartiles]")
    low, middle, high = np.quantile(table["alcohol"][:30], [0.25, 0.5, 0.75])
    assert row["all (n = 30)"] == f"{middle:.1f} [{low:.1f}, {high:.1f}]"
    assert is_skewed(table["alcohol"][:30]) and not is_skewed(table["age"][:30])


def test_categories_have_counts_shares_and_what_is_missing():
    table = record()
    table.loc[[0, 2], "sex"] = [None, ""]
    made = table1(table, numeric=[], categorical=["sex"])
    female, male = made.iloc[1].to_dict(), made.iloc[2].to_dict()
    assert (female["characteristic"], female["level"], female["missing"]) == ("sex, n (%)", "female", "2")
    assert female["all (n = 30)"] == "13 (46.4)"
    assert (male["characteristic"], male["level"], male["all (n = 30)"]) == ("", "male", "15 (53.6)")


def test_density_comes_by_radiograph_id():
    table = record()
    densities = pd.Series(np.linspace(0.5, 1.0, 30), index=table["radiograph_id"][:30]).sample(frac=1, random_state=1)
    made = table1(table, numeric=[], categorical=[], target=densities, groupby="sex")
    row = cells(made, "measured density (g/cm²), mean (SD)")
    values = np.linspace(0.5, 1.0, 30)
    assert row["all (n = 30)"] == f"{values.mean():.3f} ({values.std(ddof=1):.3f})"
    assert row["female (n = 15)"].startswith(f"{values[::2].mean():.3f} (")
    absent = table1(table, numeric=[], categorical=[], target=densities.iloc[:25])
    assert cells(absent, "measured density (g/cm²), mean (SD)")["missing"] == "5"


def test_groups_that_are_not_known_have_a_column_of_their_own_at_the_end():
    table = record()
    table.loc[0, "sex"] = None
    made = table1(table, numeric=["age"], categorical=["sex"], groupby="sex")
    assert list(made.columns[-3:]) == ["female (n = 14)", "male (n = 15)", "not recorded (n = 1)"]
    row = cells(made, "age, mean (SD)")
    assert row["not recorded (n = 1)"] == f"{table.loc[0, 'age']:.1f} (–)", "one value has no spread"
    assert "sex, n (%)" not in set(made["characteristic"]), "the groups are the columns"


def test_a_variable_without_any_value_and_a_group_without_any():
    table = record().assign(empty=np.nan, nothing="")
    table["half"] = table["age"].where(table["sex"] == "male")
    made = table1(table, numeric=["empty", "half"], categorical=["nothing"], groupby="sex")
    assert cells(made, "empty")["missing"] == "30" and cells(made, "empty")["all (n = 30)"] == "–"
    assert cells(made, "nothing")["female (n = 15)"] == "–"
    assert cells(made, "half, mean (SD)")["female (n = 15)"] == "–"
    assert cells(made, "half, mean (SD)")["male (n = 15)"] != "–"


@pytest.mark.parametrize("name", ["n", "Overall", "Missing", "group", "target", "patient", "c0"])
def test_names_that_the_package_uses_itself_are_names_like_others(name):
    table = record().rename(columns={"age": name}).assign(sex="Overall")
    made = table1(table, numeric=[name], categorical=[], groupby="sex")
    assert list(made.columns[3:]) == ["all (n = 30)", "Overall (n = 30)"]
    assert cells(made, f"{name}, mean (SD)")["all (n = 30)"].startswith("7")


def test_more_than_ten_groups_keep_their_own_values():
    table = record(patients=36).iloc[:36].assign(age=np.arange(36.0))
    table["site"] = [f"s{i % 12:02}" for i in range(36)]
    made = table1(table, numeric=["age"], categorical=[], groupby="site")
    row = cells(made, "age, mean (SD)")
    assert [row[f"s{i:02} (n = 3)"] for i in range(12)] == [f"{12 + i:.1f} (12.0)" for i in range(12)]


def test_negative_numbers_and_text_numbers_and_category_names_with_commas():
    table = record().iloc[:4].assign(shift=["-1", "-2", "-3", "x"], kind=["a, b", "a-b", "nan value", "None"])
    made = table1(table, numeric=["shift"], categorical=["kind"])
    assert cells(made, "shift, mean (SD)")["all (n = 4)"] == "−2.0 (1.0)"
    assert cells(made, "shift, mean (SD)")["missing"] == "1"
    assert set(made["level"]) == {"", "a, b", "a-b", "nan value", "None"}


def test_all_cells_are_text_and_nothing_is_said_aloud(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = table1(record(), numeric=["age", "alcohol"], categorical=["sex"], groupby="site")
    assert all(isinstance(cell, str) for cell in made.to_numpy().ravel())
    assert capsys.readouterr() == ("", "")
    assert "first radiograph" in table1_note("radiograph")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(numeric=["height"], categorical=[]), "height is not among"),
        (dict(numeric=[], categorical=["race"], groupby="sex"), "race is not among"),
        (dict(numeric=[], categorical=[], groupby="race"), "race is not among"),
    ],
)
def test_unknown_columns_are_refused(wrong, message):
    with pytest.raises(MetricError, match=message):
        table1(record(), **wrong)


def test_an_empty_record_is_refused():
    with pytest.raises(MetricError, match="no row"):
        table1(record().iloc[:0], numeric=["age"], categorical=[])
