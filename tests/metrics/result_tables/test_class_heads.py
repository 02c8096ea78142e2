"""The table that compares a class head with the density, against scikit-learn and closed forms."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

from xattn_bmd.bone.qct import qct_class
from xattn_bmd.bone.reference import QCT_SPINE
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.calibration import Recalibration
from xattn_bmd.metrics.crossfit import calibration_rows
from xattn_bmd.metrics.tables.class_heads import CLASS_HEADS_COLUMNS, class_heads_table

NAMES = ["normal", "low", "osteoporosis"]
CHANCES = [f"probability_{name}" for name in NAMES]


def drawn(n=60, *, folds=2, seed=0):
    """Densities and what two models predict of them, and chances of one of the models."""
    rng = np.random.default_rng(seed)
    target = rng.uniform(40, 180, n)
    shared = {
        "radiograph_id": [f"r{k:03d}" for k in range(n)],
        "patient_id": [f"p{k // 2:03d}" for k in range(n)],
        "site": "a",
        "repeat": 0,
        "fold": [k // 2 % folds for k in range(n)],
    }
    density = [
        pd.DataFrame({**shared, "model": model, "target": target, "prediction": target + rng.normal(0, noise, n)})
        for model, noise in (("joint", 25), ("plain", 60))
    ]
    chances = rng.dirichlet(np.ones(3), n) + 2 * np.eye(3)[np.searchsorted([-120, -80], -target)]
    chances /= chances.sum(axis=1, keepdims=True)
    said = pd.DataFrame({**shared, "model": "joint", "target": qct_class(target)})
    said[CHANCES] = chances
    return pd.concat(density, ignore_index=True).assign(unit="mg/cm3"), said


def values(table, source):
    rows = table[table["classes_from"] == source]
    return rows.set_index(["class", "metric"])["value"]


def test_both_ways_are_scored_as_scikit_learn_does_and_their_difference_is_paired():
    density, said = drawn()
    found = class_heads_table(density, said.sample(frac=1.0, random_state=1), QCT_SPINE, replicates=200)
    assert list(found.columns) == list(CLASS_HEADS_COLUMNS) and set(found["model"]) == {"joint"}
    own = density[density["model"] == "joint"]
    truth, called = qct_class(own["target"]), qct_class(own["prediction"])
    likeliest = np.array(NAMES)[said[CHANCES].to_numpy().argmax(axis=1)]
    for source, answer in (("density", called), ("class head", likeliest)):
        got = values(found, source)
        assert got["all", "accuracy"] == pytest.approx(accuracy_score(truth, answer))
        for metric, score in (("sensitivity", recall_score), ("precision", precision_score), ("f1", f1_score)):
            assert got["macro", metric] == pytest.approx(score(truth, answer, average="macro"))
    area = roc_auc_score(truth, said[sorted(CHANCES)], multi_class="ovr", labels=sorted(NAMES))
    assert values(found, "class head")["macro", "auroc"] == pytest.approx(area)
    gap = found[found["classes_from"] == "class head - density"]
    assert set(gap["class"]) == {"macro", "all"} and gap["p"].between(0, 1).all()
    for row in gap.to_dict("records"):
        key = row["class"], row["metric"]
        assert row["value"] == pytest.approx(values(found, "class head")[key] - values(found, "density")[key])
        assert row["low"] <= row["value"] <= row["high"]


def chances_of(density, line):
    low, lowest = (norm.cdf((edge - line(density)) / line.residual_sd) for edge in (120.0, 80.0))
    return np.stack([1 - low, low - lowest, lowest], axis=1)


def macro_area(truth, chances):
    return np.mean([roc_auc_score(truth == name, column) for name, column in zip(NAMES, chances.T, strict=True)])


def test_areas_of_the_density_are_of_the_chances_around_a_line_fitted_elsewhere():
    density, said = drawn()
    own = density[density["model"] == "joint"]
    line = Recalibration(intercept=8.0, slope=0.9, residual_sd=20.0)
    found = class_heads_table(density, said, QCT_SPINE, lines={"joint": line}, replicates=50)
    expected = macro_area(qct_class(own["target"]), chances_of(own["prediction"].to_numpy(), line))
    assert values(found, "density")["macro", "auroc"] == pytest.approx(expected)


def test_chances_are_fitted_on_the_inner_validation_parts_where_they_are_given():
    density, said = drawn()
    own = density[density["model"] == "joint"]
    fitted = {0: (0.0, 1.0), 1: (60.0, 0.5)}  # what each fold's validation part says, exactly but for 10 mg/cm³
    parts = [
        own.head(8).assign(fold=fold, target=a + b * own["prediction"].head(8) + np.tile([10.0, -10.0], 4))
        for fold, (a, b) in fitted.items()
    ]
    rows = calibration_rows(pd.concat(parts, ignore_index=True))
    found = class_heads_table(density, said, QCT_SPINE, calibration=rows, replicates=50)
    chances = np.empty((len(own), 3))
    for fold, _ in fitted.items():
        kept, at = rows["joint", 0, fold], (own["fold"] == fold).to_numpy()
        slope, intercept = np.polyfit(kept.prediction, kept.target, 1)
        left = kept.target - intercept - slope * kept.prediction
        line = Recalibration(intercept=intercept, slope=slope, residual_sd=float(np.sqrt((left**2).sum() / 6)))
        chances[at] = chances_of(own["prediction"].to_numpy()[at], line)
    assert values(found, "density")["macro", "auroc"] == pytest.approx(macro_area(qct_class(own["target"]), chances))


def test_without_anything_to_fit_on_a_density_is_sure_of_its_class():
    density, said = drawn(folds=1)
    found = class_heads_table(density, said, QCT_SPINE, replicates=50)
    got = values(found, "density")
    for name in NAMES:
        assert got[name, "auroc"] == pytest.approx((got[name, "sensitivity"] + got[name, "specificity"]) / 2)


def test_tables_of_other_radiographs_are_refused():
    density, said = drawn()
    with pytest.raises(MetricError):
        class_heads_table(density, said.iloc[1:], QCT_SPINE, replicates=50)
    with pytest.raises(MetricError):
        class_heads_table(density, said.assign(target=said["target"].to_numpy()[::-1]), QCT_SPINE, replicates=50)
