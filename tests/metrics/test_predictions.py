import numpy as np
import pytest

from tests.metrics.tables import made_up_table
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.predictions import prediction_grid, read_predictions, validate_predictions


def test_a_valid_table_passes_and_keeps_further_columns():
    table = made_up_table(per_patient=2, repeats=2).assign(sd=0.1)
    checked = validate_predictions(table)
    assert list(checked.columns) == list(table.columns)
    assert len(checked) == len(table)


def test_csv_round_trip_is_exact_and_keeps_text_ids(tmp_path):
    table = made_up_table()
    table["radiograph_id"] = table["radiograph_id"].str[1:].str.zfill(4).replace("0003", "NA")
    table.to_csv(tmp_path / "predictions.csv", index=False)
    again = read_predictions(tmp_path / "predictions.csv")
    assert (again["prediction"].to_numpy() == table["prediction"].to_numpy()).all()
    assert again["radiograph_id"].tolist() == table["radiograph_id"].tolist()


def test_grid_is_aligned_whatever_the_row_order():
    table = made_up_table(patients=15, per_patient=2, repeats=2)
    grid = prediction_grid(table.sample(frac=1, random_state=0))
    assert set(grid.predictions) == {"xattn", "concat", "ridge"}
    for row in table.itertuples():
        column = int(np.flatnonzero(grid.radiographs == row.radiograph_id)[0])
        assert grid.predictions[row.model][row.repeat, column] == row.prediction
        assert grid.target[column] == row.target
        assert grid.folds[row.repeat, column] == row.fold
    owners = {}
    for row in table.itertuples():
        owners.setdefault(row.patient_id, set()).add(row.radiograph_id)
    for ids in owners.values():
        assert len(set(grid.patients[np.isin(grid.radiographs, list(ids))])) == 1
    assert grid.n_patients == 15


def set_value(table, column, value, row=3):
    table[column] = table[column].astype(object)
    table.loc[row, column] = value
    return table


def two_folds(table):
    rows = table["radiograph_id"] == "r0"
    table.loc[rows, "fold"] = (table.loc[rows, "fold"] + 1) % 5
    return table


FAULTS = {
    "missing columns": (lambda t: t.drop(columns=["fold", "target"]), "fold, target is missing"),
    "no rows": (lambda t: t.iloc[:0], "it is empty"),
    "duplicate": (lambda t: t.iloc[[*range(len(t)), 2]], "radiograph r2 has several rows for model xattn, repeat 0"),
    "NaN prediction": (lambda t: set_value(t, "prediction", np.nan), "prediction is a finite .* radiograph r3"),
    "infinite prediction": (lambda t: set_value(t, "prediction", np.inf), "prediction is a finite .*inf"),
    "word as prediction": (lambda t: set_value(t, "prediction", "low"), "prediction is a finite .*'low'"),
    "NaN target": (lambda t: set_value(t, "target", np.nan), "target is a finite"),
    "two targets": (lambda t: set_value(t, "target", 0.5), "one target .* radiograph r3"),
    "two patients": (lambda t: set_value(t, "patient_id", "p9"), "belongs to one patient"),
    "two plans": (lambda t: set_value(t, "fold", 99), "same fold for all models"),
    "missing row": (lambda t: t[~((t["model"] == "ridge") & (t["radiograph_id"] == "r5"))], "ridge lacks 1 of 40"),
    "missing repeat": (
        lambda t: t[~((t["model"] == "ridge") & (t["repeat"] == 1))],
        "ridge lacks 40 of 40 in repeat 1",
    ),
    "leak": (two_folds, r"1 patients are in several \(the first owns radiographs r0, r1\)"),
    "empty id": (lambda t: set_value(t, "radiograph_id", ""), "has a radiograph_id, but 1 rows"),
    "no fold": (lambda t: set_value(t, "fold", None), "has a fold, but 1 rows"),
}


@pytest.mark.parametrize(("break_it", "words"), FAULTS.values(), ids=FAULTS)
def test_faults_are_named(break_it, words):
    table = made_up_table(patients=20, per_patient=2, repeats=2)
    before = table.copy()
    broken = break_it(table.copy())
    with pytest.raises(MetricError, match=words):
        validate_predictions(broken)
    assert table.equals(before)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00a", b'a,b\n"1,2\n1,2,3\n'])
def test_unreadable_files(tmp_path, content):
    path = tmp_path / "predictions.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MetricError, match=r"predictions\.csv cannot be read"):
        read_predictions(path)
