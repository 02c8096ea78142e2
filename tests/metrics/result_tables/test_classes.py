import numpy as np
import pytest
from sklearn import metrics as oracle

from tests.metrics.tables import MODELS, made_up_table
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.bone.tscore import t_score, who_class
from xattn_bmd.metrics.classification import WHO_CLASSES, classification
from xattn_bmd.metrics.tables.classes import CLASSES_COLUMNS, CONFUSION_COLUMNS, classes_table, confusion_table

LUNAR = get_reference("lunar_femoral_neck_white_female")
TABLE = made_up_table(patients=120)


def test_rows_equal_the_classification_function():
    result = classes_table(TABLE, LUNAR, replicates=100)
    assert tuple(result.columns) == CLASSES_COLUMNS
    assert not result.duplicated(["model", "class", "metric"]).any()
    assert len(result) == len(MODELS) * (4 * 4 + 3)
    for model, rows in TABLE.groupby("model"):
        expected = classification(rows["target"], rows["prediction"], reference=LUNAR)
        found = result[result["model"] == model].set_index(["class", "metric"])["value"]
        assert {key: found[key] for key in expected.rates} == pytest.approx(expected.rates)
    accuracy = result[result["metric"] == "accuracy"]
    assert ((accuracy["low"] < accuracy["value"]) & (accuracy["value"] < accuracy["high"])).all()


def test_confusion_is_scikit_learns_and_averaged_over_repeats():
    table = made_up_table(patients=40, per_patient=2, repeats=3)
    result = confusion_table(table, LUNAR)
    assert tuple(result.columns) == CONFUSION_COLUMNS
    for model, rows in table.groupby("model"):
        true, predicted = (who_class(t_score(rows[side], reference=LUNAR)) for side in ("target", "prediction"))
        expected = oracle.confusion_matrix(true, predicted, labels=list(WHO_CLASSES)) / 3
        found = result[result["model"] == model].set_index(["true_class", "predicted_class"])["count"].unstack()
        np.testing.assert_allclose(found.loc[list(WHO_CLASSES), list(WHO_CLASSES)], expected)
        assert found.to_numpy().sum() == pytest.approx(80)


def test_kappa_over_repeats_is_that_of_all_rows_together():
    table = made_up_table(patients=60, repeats=3)
    result = classes_table(table, LUNAR, replicates=50)
    rows = table[table["model"] == "xattn"]
    true, predicted = (who_class(t_score(rows[side], reference=LUNAR)) for side in ("target", "prediction"))
    place = {name: code for code, name in enumerate(WHO_CLASSES)}
    expected = oracle.cohen_kappa_score(
        [place[name] for name in true], [place[name] for name in predicted], weights="quadratic"
    )
    found = result[(result["model"] == "xattn") & (result["metric"] == "weighted_kappa")]["value"].item()
    assert found == pytest.approx(expected)


def test_an_absent_class_is_nan_with_a_reason():
    healthy = TABLE.assign(target=TABLE["target"] + 1.0, prediction=TABLE["prediction"] + 1.0)
    for table in (healthy, made_up_table(patients=1, folds=1), made_up_table(patients=3, folds=3)):
        result = classes_table(table, LUNAR, replicates=50)
        assert (result.loc[result["low"].isna(), "reason"] != "").all()
    found = classes_table(healthy, LUNAR, replicates=50).set_index(["model", "class", "metric"]).sort_index()
    assert found.loc[("xattn", "osteoporosis", "sensitivity"), "reason"] == "no radiograph is osteoporosis"
    assert np.isnan(found.loc[("xattn", "macro", "f1"), "value"])
    assert found.loc[("xattn", "all", "accuracy"), "value"] == 1.0
