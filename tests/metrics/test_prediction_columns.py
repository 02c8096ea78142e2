import io

import pandas as pd
import pytest

from tests.metrics.tables import made_up_table
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.prediction_columns import LOOK_ALIKES, require_columns
from xattn_bmd.metrics.predictions import read_predictions, validate_predictions
from xattn_bmd.types import PREDICTION_COLUMNS

TABLE = made_up_table(patients=4, folds=2)

RENAMED = {
    "y_true": ("target", "rename 'y_true' to target"),
    "label": ("target", "rename 'label' to target"),
    "observed": ("target", "rename 'observed' to target"),
    "BMD": ("target", "rename 'BMD' to target"),
    " Target ": ("target", "rename ' Target ' to target"),
    "y_pred": ("prediction", "rename 'y_pred' to prediction"),
    "Pred": ("prediction", "rename 'Pred' to prediction"),
    "estimate": ("prediction", "rename 'estimate' to prediction"),
    "ID": ("radiograph_id", "rename 'ID' to radiograph_id"),
    "image id": ("radiograph_id", "rename 'image id' to radiograph_id"),
    "Patient-ID": ("patient_id", "rename 'Patient-ID' to patient_id"),
    "subject": ("patient_id", "rename 'subject' to patient_id"),
    "pid": ("patient_id", "rename 'pid' to patient_id"),
    "Method": ("model", "rename 'Method' to model"),
    "arm": ("model", "rename 'arm' to model"),
    "site ": ("site", "rename 'site ' to site"),
}


@pytest.mark.parametrize(("name", "column", "fix"), [(name, *rest) for name, rest in RENAMED.items()])
def test_a_look_alike_is_guessed(name, column, fix):
    renamed = TABLE.rename(columns={column: name})
    with pytest.raises(MetricError, match=rf"{column} is missing; {fix}\.$"):
        validate_predictions(renamed)
    with pytest.raises(MetricError, match=rf"; {fix}\.$"):
        read_predictions(io.StringIO(renamed.to_csv(index=False)))


def test_all_missing_columns_are_told_at_once():
    table = TABLE.rename(columns={"target": "y_true", "prediction": "y_pred"}).drop(columns=["site", "fold"])
    words = r"site, fold, target, prediction is missing; rename 'y_true' to target, rename 'y_pred' to prediction, add"
    with pytest.raises(MetricError, match=rf"{words} site \(may be left empty\), fold\.$"):
        require_columns(table)


def test_two_look_alikes_are_both_named_and_no_column_is_taken_away():
    both = TABLE.rename(columns={"target": "y_true"}).assign(label=1.0)
    with pytest.raises(MetricError, match="rename 'y_true' or 'label' to target"):
        require_columns(both)
    without = TABLE.drop(columns="target").assign(weight=70.0)
    with pytest.raises(MetricError, match="target is missing; add target"):
        require_columns(without)


def test_a_name_twice_is_refused():
    with pytest.raises(MetricError, match="target is there twice"):
        validate_predictions(pd.concat([TABLE, TABLE[["target"]]], axis=1))


def test_no_look_alike_stands_for_two_columns():
    names = [name for column in PREDICTION_COLUMNS for name in (column, *LOOK_ALIKES[column])]
    assert set(LOOK_ALIKES) == set(PREDICTION_COLUMNS)
    assert len(names) == len(set(names))
