"""From crops to patients: risks by hand, recalibration blind to the scored fold, decision curves against an oracle."""

import numpy as np
import pandas as pd
import pytest
from dcurves import dca
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.patient_risk import DEVELOPMENT, OTHER_FOLDS, patient_risks
from xattn_bmd.metrics.tables.patient_decision import patient_decision_table, patient_metrics_table

CLASSES = ("normal", "old", "fresh")


def vertebrae(patients=60, *, folds=5, models=("cnn",), repeats=1, seed=0, sure=2.0):
    """A table of class predictions: 3 to 6 vertebrae a patient, of which some are fresh."""
    rng, rows = np.random.default_rng(seed), []
    for repeat in range(repeats):
        rng_fold = np.random.default_rng([seed, repeat])
        fold_of = rng_fold.permutation(patients) % folds
        for model in models:
            truth = np.random.default_rng(seed)
            for patient in range(patients):
                for place in range(3 + patient % 4):
                    target = int(truth.choice(3, p=[0.75, 0.15, 0.1]))
                    logits = rng.normal(size=3) + sure * np.eye(3)[target]
                    shares = np.exp(logits) / np.exp(logits).sum()
                    rows.append(
                        {"radiograph_id": f"R{patient}-{place}", "patient_id": f"P{patient:03}", "model": model}
                        | {"repeat": repeat, "fold": fold_of[patient], "target": CLASSES[target]}
                        | {f"probability_{name}": share for name, share in zip(CLASSES, shares, strict=True)}
                    )
    return pd.DataFrame(rows)


def test_a_risk_is_one_minus_the_product_over_the_patients_crops():
    table = vertebrae()
    found = patient_risks(table, positive="fresh").set_index("patient_id")
    for name, own in table.groupby("patient_id"):
        assert found.loc[name, "risk"] == pytest.approx(1 - np.prod(1 - own["probability_fresh"]))
        assert found.loc[name, "crops"] == len(own)
        assert found.loc[name, "positive"] == (own["target"] == "fresh").any()


def test_a_certain_crop_makes_a_certain_patient():
    table = vertebrae(5, folds=1)
    first = table["patient_id"] == "P000"
    place = table[first].index[0]
    table.loc[place, [f"probability_{name}" for name in CLASSES]] = [0.0, 0.0, 1.0]
    found = patient_risks(table, positive="fresh").set_index("patient_id")
    assert found.loc["P000", "risk"] == 1.0


def test_the_recalibration_of_a_fold_is_that_of_the_other_folds():
    table = vertebrae()
    found = patient_risks(table, positive="fresh")
    logit = np.log(found["risk"] / (1 - found["risk"])).to_numpy()[:, None]
    for fold in range(5):
        held = (found["fold"] == fold).to_numpy()
        by_hand = LogisticRegression().fit(logit[~held], found["positive"][~held]).predict_proba(logit[held])[:, 1]
        np.testing.assert_allclose(found["recalibrated"][held], by_hand)
    assert set(found["on"]) == {OTHER_FOLDS}


def test_the_labels_of_a_fold_do_not_move_its_own_risks():
    table = vertebrae()
    changed = table.copy()
    changed.loc[changed["fold"] == 2, "target"] = "normal"
    before, after = (patient_risks(one, positive="fresh") for one in (table, changed))
    held = before["fold"] == 2
    np.testing.assert_array_equal(before["recalibrated"][held], after["recalibrated"][held])
    assert not np.allclose(before["recalibrated"][~held], after["recalibrated"][~held])


def test_an_external_table_is_recalibrated_on_the_development_alone():
    developed, external = vertebrae(), vertebrae(30, folds=1, seed=1)
    found = patient_risks(external, positive="fresh", developed=developed)
    relabelled = external.assign(target="normal")
    same = patient_risks(relabelled, positive="fresh", developed=developed)
    np.testing.assert_array_equal(found["recalibrated"], same["recalibrated"])
    assert set(found["on"]) == {DEVELOPMENT}


def test_a_single_fold_without_development_is_not_recalibrated():
    found = patient_risks(vertebrae(20, folds=1), positive="fresh")
    assert found["recalibrated"].isna().all() and set(found["on"]) == {""}
    assert set(patient_metrics_table(vertebrae(20, folds=1), positive="fresh")["risk"]) == {"as given"}


def test_metrics_are_scikit_learns():
    table = vertebrae(repeats=2)
    found = patient_metrics_table(table, positive="fresh", replicates=100)
    risks = patient_risks(table, positive="fresh")
    values = found[found["risk"] == "as given"].set_index("metric")["value"]
    each = [own for _, own in risks.groupby("repeat")]
    assert values["auroc"] == pytest.approx(np.mean([roc_auc_score(one["positive"], one["risk"]) for one in each]))
    assert values["brier"] == pytest.approx(np.mean([brier_score_loss(one["positive"], one["risk"]) for one in each]))


def test_the_decision_curve_is_that_of_dcurves():
    table = vertebrae()
    places = [0.1, 0.2, 0.4]
    found = patient_decision_table(table, positive="fresh", probabilities=places, replicates=50)
    risks = patient_risks(table, positive="fresh")
    data = pd.DataFrame({"positive": risks["positive"].astype(int), "risk": risks["risk"]})
    oracle = dca(data=data, outcome="positive", modelnames=["risk"], thresholds=places).set_index(
        ["model", "threshold"]
    )
    names = {("cnn", "as given"): "risk", ("act_on_all", ""): "all", ("act_on_none", ""): "none"}
    for (model, kind), name in names.items():
        rows = found[(found["model"] == model) & (found["risk"] == kind)]
        np.testing.assert_allclose(rows["net_benefit"], [oracle.loc[(name, p), "net_benefit"] for p in places])
    assert set(found["n"]) == {60}


def test_bands_draw_patients_not_crops():
    table = vertebrae(30)
    thrice = pd.concat([table.assign(radiograph_id=table["radiograph_id"] + f"_{copy}") for copy in range(3)])
    one, three = (
        patient_decision_table(own, positive="fresh", probabilities=[0.2], replicates=200) for own in (table, thrice)
    )
    everyone = "act_on_all"
    np.testing.assert_array_equal(one[one["model"] == everyone]["low"], three[three["model"] == everyone]["low"])


def test_an_unknown_class_is_named():
    with pytest.raises(MetricError, match=r"one of normal, old, fresh, but 'acute' was given"):
        patient_risks(vertebrae(5), positive="acute")


def test_development_without_the_model_is_refused():
    with pytest.raises(MetricError, match="cnn is not among other"):
        patient_risks(vertebrae(5, folds=1), positive="fresh", developed=vertebrae(models=("other",)))


def test_a_patient_on_two_sides_of_a_fold_is_refused():
    table = vertebrae(10)
    table.loc[0, "fold"] = (table.loc[0, "fold"] + 1) % 5
    with pytest.raises(MetricError, match="fold"):
        patient_decision_table(table, positive="fresh")
