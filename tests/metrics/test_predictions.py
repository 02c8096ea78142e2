import io

import numpy as np
import pandas as pd
import pytest

from tests.metrics.tables import made_up_table
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.predictions import (
    prediction_grid,
    read_calibration,
    read_predictions,
    validate_calibration,
    validate_predictions,
)


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
    "negative SD": (lambda t: set_value(t.assign(sd=0.1), "sd", -0.1), "sd in g/cm² .*not below 0.* -0.1"),
    "text index": (lambda t: t.set_index("site"), "site is missing"),
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


def inner_part(table):
    """Return what a run could keep of its inner validation parts: the next fold's radiographs, for each scored fold."""
    return table.assign(fold=(table["fold"] + 1) % 5, prediction=table["prediction"] + 0.01)


def test_a_calibration_file_comes_back_exactly(tmp_path):
    table = inner_part(made_up_table(per_patient=2, repeats=2))
    table = pd.concat([table, table.assign(fold=(table["fold"] + 1) % 5)]).sample(frac=0.4, random_state=0)
    table.to_csv(tmp_path / "calibration.csv", index=False)
    again = read_calibration(tmp_path / "calibration.csv")
    pd.testing.assert_frame_equal(again, table.reset_index(drop=True), check_exact=True)
    predictions = made_up_table(per_patient=2, repeats=2)
    fitting = validate_calibration(inner_part(predictions), validate_predictions(predictions))
    assert len(fitting) == len(predictions)


CALIBRATION_FAULTS = {
    "missing column": (lambda t: t.drop(columns="fold"), "fold is missing"),
    "NaN": (lambda t: set_value(t, "prediction", np.nan), "prediction is a finite"),
    "duplicate": (lambda t: t.iloc[[*range(len(t)), 2]], "r2 has several rows for model xattn, repeat 0, fold"),
    "two targets": (lambda t: set_value(t, "target", 0.5), "one target .* radiograph r3"),
    "mg": (lambda t: t.assign(prediction=1000 * t["prediction"]), "divide by 1000"),
    "no rows": (lambda t: t.iloc[:0], "it is empty"),
}


@pytest.mark.parametrize(("break_it", "words"), CALIBRATION_FAULTS.values(), ids=CALIBRATION_FAULTS)
def test_calibration_faults_are_named(break_it, words):
    broken = break_it(inner_part(made_up_table(patients=20)))
    with pytest.raises(MetricError, match=rf"^calibration\.csv: .*{words}"):
        read_calibration(io.StringIO(broken.to_csv(index=False)))


def test_a_calibration_part_never_holds_scored_patients():
    predictions = made_up_table(patients=20, per_patient=2, repeats=2)
    one_row = inner_part(predictions)
    rows = (one_row["radiograph_id"] == "r0") & (one_row["repeat"] == 1) & (one_row["model"] == "ridge")
    one_row.loc[rows, "fold"] = predictions.loc[rows, "fold"]
    fold = int(predictions.loc[rows, "fold"].iloc[0])
    with pytest.raises(MetricError, match=f"but 1 patients do, the first in repeat 1, fold {fold};"):
        validate_calibration(one_row, predictions)
    other_id = one_row.assign(radiograph_id="new " + one_row["radiograph_id"])
    with pytest.raises(MetricError, match="but 1 patients do"):
        validate_calibration(other_id, predictions)


def test_a_calibration_file_of_another_run_is_refused():
    predictions = made_up_table(patients=20)
    other = inner_part(predictions).assign(target=predictions["target"] + 0.001)
    with pytest.raises(MetricError, match="20 do not, the first is radiograph r0; the files are of different runs"):
        validate_calibration(other, predictions)
    unknown = other.assign(radiograph_id="new " + other["radiograph_id"])
    assert validate_calibration(unknown, predictions) is unknown
