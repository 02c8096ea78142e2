import io

import numpy as np
import pandas as pd
import pytest

from tests.metrics.tables import made_up_classes
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.class_predictions import class_grid, read_class_predictions, validate_class_predictions

TABLE = made_up_classes(patients=4, per_patient=3, folds=2, repeats=2)
CLASSES = ("normal", "old", "fresh")


def test_arrays_in_the_order_of_ids():
    shuffled = TABLE.sample(frac=1.0, random_state=0)
    grid = class_grid(shuffled, classes=("fresh", "old", "normal"))
    assert list(grid.predictions) == list(dict.fromkeys(shuffled["model"]))
    assert grid.n_patients == 4 and grid.classes == ("fresh", "old", "normal")
    rows = TABLE[(TABLE["model"] == "densenet") & (TABLE["repeat"] == 1)].sort_values("radiograph_id")
    names = np.array(grid.classes)
    assert names[grid.target].tolist() == rows["target"].tolist()
    assert names[grid.predictions["densenet"][1]].tolist() == rows["prediction"].tolist()
    assert grid.probabilities["densenet"].shape == (2, 12, 3)
    assert grid.probabilities["densenet"][1, :, 0].tolist() == rows["probability_fresh"].tolist()
    assert [f"p{code}" for code in grid.patients] == rows["patient_id"].tolist()


def test_a_file_gives_the_same_numbers_to_the_last_digit(tmp_path):
    TABLE.to_csv(tmp_path / "table.csv", index=False)
    read = read_class_predictions(tmp_path / "table.csv")
    pd.testing.assert_frame_equal(read, validate_class_predictions(TABLE), check_exact=True, check_dtype=False)
    with pytest.raises(MetricError, match="predictions table is separated by commas"):
        read_class_predictions(io.StringIO("radiograph_id;target\n1;2\n"))


def test_without_predictions_the_likeliest_class_is_predicted():
    bare = TABLE.drop(columns=["prediction", "site"])
    assert validate_class_predictions(bare)["prediction"].tolist() == TABLE["prediction"].tolist()
    tied = bare.assign(probability_normal=0.2, probability_old=0.4, probability_fresh=0.4)
    assert set(validate_class_predictions(tied)["prediction"]) == {"old"}
    as_given = validate_class_predictions(TABLE.assign(prediction="fresh"))
    assert set(as_given["prediction"]) == {"fresh"}


def _first(column, value):
    return lambda table: table.assign(**{column: [value, *table[column][1:]]})


def _percent(table):
    return table.assign(**{name: 100 * table[name] for name in table.columns if name.startswith("probability")})


FAULTS = {
    "unknown target": (_first("target", "chronic"), {}, "target is one of normal, old, fresh, but 1 of 72 .*'chronic'"),
    "no target": (_first("target", ""), {}, "but 1 of 72 are not, the first is ''"),
    "unknown prediction": (
        _first("prediction", "Old"),
        {},
        r"prediction is one of .*'Old' for radiograph v0 and .*row 1",
    ),
    "two targets": (
        lambda table: _first("target", "old" if table["target"][0] != "old" else "fresh")(table),
        {},
        "A radiograph has one target",
    ),
    "no number": (_first("probability_old", "high"), {}, "probability_old is a number in 0-1, but 1 of 72.*'high'"),
    "gap": (_first("probability_old", np.nan), {}, "probability_old is a number in 0-1, but 1 of 72"),
    "percent": (_percent, {}, "divide percentages by 100"),
    "not exclusive": (
        lambda table: table.assign(probability_old=table["probability_old"] / 2),
        {},
        "add up to 1, but .* the first adds up to",
    ),
    "no probabilities": (
        lambda table: table[[name for name in table.columns if not name.startswith("probability")]],
        {},
        "at least two classes, .* but no class was found",
    ),
    "a class without a column": (
        lambda table: table,
        {"classes": (*CLASSES, "tumour")},
        "the classes are normal, old, fresh, tumour and the columns probability_normal, probability_old",
    ),
    "a class called macro": (
        lambda table: table.rename(columns={"probability_old": "probability_macro"}),
        {},
        "none called macro or all",
    ),
    "a class twice": (lambda table: table, {"classes": ("old", "old", "fresh")}, "none twice"),
    "no column": (lambda table: table.drop(columns="fold"), {}, "fold is missing; add fold"),
    "a row twice": (lambda table: pd.concat([table, table[:1]]), {}, "predicted once per model and repeat"),
    "a lacking row": (lambda table: table[1:], {}, "model resnet lacks 1 of 12 in repeat 0"),
    "a leak": (
        lambda table: table.assign(fold=np.where(table["radiograph_id"] == "v0", 7, table["fold"])),
        {},
        "All radiographs of a patient lie in one fold of a repeat, but 1 patients",
    ),
}


@pytest.mark.parametrize(("spoil", "options", "message"), FAULTS.values(), ids=FAULTS)
def test_refused(spoil, options, message):
    with pytest.raises(MetricError, match=message):
        validate_class_predictions(spoil(TABLE), **options)


def test_two_decimals_are_enough():
    columns = [f"probability_{name}" for name in CLASSES]
    rounded = TABLE.assign(**TABLE[columns].round(2))
    assert (rounded[columns].sum(axis=1).sub(1).abs() > 0.005).any()
    assert len(validate_class_predictions(rounded)) == len(TABLE)
