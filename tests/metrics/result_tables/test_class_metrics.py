import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from tests.metrics.tables import made_up_classes
from xattn_bmd.metrics.intervals import patient_bootstrap, percentile_interval
from xattn_bmd.metrics.tables.class_metrics import CLASS_METRICS_COLUMNS, class_metrics_table

CLASSES = ["normal", "old", "fresh"]
COLUMNS = [f"probability_{name}" for name in CLASSES]
TABLE = made_up_classes(patients=60)
SMALL = made_up_classes(patients=8, models=("resnet",), folds=2)


def values(table, **options):
    found = class_metrics_table(table, replicates=10, **options)
    return found.set_index(["model", "class", "metric"])["value"].to_dict()


def by_scikit_learn(rows):
    true, predicted = rows["target"].to_numpy(), rows["prediction"].to_numpy()
    precision, recall, f1, _ = oracle.precision_recall_fscore_support(true, predicted, labels=CLASSES)
    expected = {}
    for code, name in enumerate(CLASSES):
        here, called = true == name, predicted == name
        expected |= {
            (name, "auroc"): oracle.roc_auc_score(here, rows[COLUMNS[code]]),
            (name, "accuracy"): oracle.accuracy_score(here, called),
            (name, "sensitivity"): recall[code],
            (name, "specificity"): oracle.recall_score(~here, ~called),
            (name, "precision"): precision[code],
            (name, "f1"): f1[code],
        }
    for metric in ("accuracy", "sensitivity", "specificity", "precision", "f1"):
        expected["macro", metric] = np.mean([expected[name, metric] for name in CLASSES])
    expected["macro", "auroc"] = oracle.roc_auc_score(
        pd.Categorical(true, CLASSES).codes, rows[COLUMNS], multi_class="ovr", average="macro"
    )
    expected["all", "accuracy"] = oracle.accuracy_score(true, predicted)
    expected["all", "kappa"] = oracle.cohen_kappa_score(true, predicted)
    expected["all", "weighted_kappa"] = oracle.cohen_kappa_score(true, predicted, labels=CLASSES, weights="quadratic")
    return expected


def test_every_value_equals_scikit_learn():
    result = class_metrics_table(TABLE, ordered=True, replicates=100)
    assert tuple(result.columns) == CLASS_METRICS_COLUMNS
    for model, rows in TABLE.groupby("model"):
        found = result[result["model"] == model].set_index(["class", "metric"])["value"].to_dict()
        assert found == pytest.approx(by_scikit_learn(rows))
    assert ((result["low"] < result["value"]) & (result["value"] < result["high"])).all()
    assert (result[["n", "patients"]] == [180, 60]).all(axis=None) and (result["reason"] == "").all()


def test_repeats_are_averaged():
    table = made_up_classes(patients=30, repeats=3, models=("resnet",))
    found = values(table)
    each = [by_scikit_learn(rows) for _, rows in table.groupby("repeat")]
    for key in (("old", "auroc"), ("macro", "auroc"), ("fresh", "sensitivity"), ("all", "accuracy")):
        assert found["resnet", *key] == pytest.approx(np.mean([one[key] for one in each]))
    assert ("resnet", "all", "weighted_kappa") not in found


def test_intervals_draw_patients_with_all_their_vertebrae():
    rows = made_up_classes(patients=40, models=("resnet",), seed=1).sort_values("radiograph_id")
    result = class_metrics_table(rows, seed=3, replicates=60).set_index(["class", "metric"])
    counts = patient_bootstrap(rows["patient_id"], seed=3, replicates=60)
    here = rows["target"] == "fresh"
    areas = [oracle.roc_auc_score(here, rows["probability_fresh"], sample_weight=row) for row in counts]
    hits = [oracle.accuracy_score(rows["target"], rows["prediction"], sample_weight=row) for row in counts]
    for key, drawn in ((("fresh", "auroc"), areas), (("all", "accuracy"), hits)):
        found = result.loc[key, ["percentile_low", "percentile_high"]].astype(float).tolist()
        assert found == pytest.approx(percentile_interval(drawn))


def test_an_absent_class_is_nan_with_a_reason():
    rows = TABLE[TABLE["target"] != "fresh"]
    result = class_metrics_table(rows, classes=CLASSES, replicates=50).set_index(["model", "class", "metric"])
    for key in (("fresh", "auroc"), ("macro", "auroc"), ("fresh", "sensitivity"), ("macro", "f1")):
        assert np.isnan(result.loc[("resnet", *key), "value"])
        assert result.loc[("resnet", *key), "reason"] == "no radiograph is fresh"
    assert result.loc[("resnet", "fresh", "precision"), "value"] == 0.0
    only = class_metrics_table(TABLE[TABLE["target"] == "old"], replicates=50).set_index(["model", "class", "metric"])
    assert only.loc[("resnet", "old", "auroc"), "reason"] == "every radiograph is old"
    for table in (result, only, class_metrics_table(made_up_classes(patients=1, folds=1), replicates=50)):
        assert (table.loc[table["low"].isna(), "reason"] != "").all()


def test_two_classes_and_four():
    two = TABLE.assign(
        target=TABLE["target"].where(TABLE["target"] == "fresh", "rest"),
        probability_rest=TABLE["probability_normal"] + TABLE["probability_old"],
    ).drop(columns=["probability_normal", "probability_old", "prediction"])
    found = values(two)
    assert found["resnet", "fresh", "auroc"] == pytest.approx(found["resnet", "rest", "auroc"])
    assert found["resnet", "fresh", "auroc"] == pytest.approx(values(TABLE)["resnet", "fresh", "auroc"])
    assert found["resnet", "macro", "accuracy"] == pytest.approx(found["resnet", "all", "accuracy"])
    four = class_metrics_table(SMALL.assign(probability_tumour=0.0), replicates=10)
    assert four.loc[four["class"] == "tumour", "metric"].tolist() == [
        *("auroc", "accuracy", "sensitivity", "specificity", "precision", "f1")
    ]


@given(order=st.permutations(range(3)), seed=st.integers(0, 9))
@settings(deadline=None, max_examples=8)
def test_names_and_order_of_classes_and_rows_do_not_matter(order, seed):
    names = dict(zip(CLASSES, [("zeta", "alpha", "mu")[place] for place in order], strict=True))
    renamed = SMALL.rename(columns={f"probability_{old}": f"probability_{new}" for old, new in names.items()})
    renamed = renamed.replace({"target": names, "prediction": names}).sample(frac=1.0, random_state=seed)
    expected = {(model, names.get(one, one), metric): value for (model, one, metric), value in values(SMALL).items()}
    for classes in (None, ["alpha", "mu", "zeta"]):
        assert values(renamed, classes=classes) == pytest.approx(expected, nan_ok=True)
