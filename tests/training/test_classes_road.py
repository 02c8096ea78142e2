"""Classes through the whole road: settings, comparison, tables, predictors, another hospital, resumption, votes."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from tests.cohorts import CLASS_ROLES, CLASSES, write_class_cohort, write_cohort
from tests.training.settings import TINY, tiny
from xattn_bmd import (
    Cohort,
    FoldPlan,
    Predictor,
    class_metrics_table,
    compare,
    evaluate,
    explain,
    hard_vote,
    load_run,
    soft_vote,
    tune,
)
from xattn_bmd.config import CompareConfig
from xattn_bmd.errors import CohortError, ConfigError, FoldPlanError, RunError
from xattn_bmd.metrics.class_checks import probability_columns
from xattn_bmd.training.external_drop import DROP_COLUMNS
from xattn_bmd.training.prediction.digest import predictor_digest
from xattn_bmd.types import PREDICTION_COLUMNS

OWN = "image_only@test_efficientnet"
MODELS = ("image_only", OWN, "concat", "ridge")
CHANCES = probability_columns(CLASSES)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_class_cohort(tmp_path_factory.mktemp("classes") / "home")


@pytest.fixture(scope="module")
def cohort(table):
    return Cohort.from_csv(table)


@pytest.fixture(scope="module")
def run(cohort, tmp_path_factory):
    """A run of classes with nothing but a preset's head; read-only."""
    config = tiny(models=MODELS, folds=2, training=replace(TINY.training, weighting="class_frequency"))
    return compare(cohort, out=tmp_path_factory.mktemp("run") / "RUN", config=config, progress=False)


def changed(cohort, **target):
    """The same cohort with another declaration of its target."""
    declared = replace(cohort.roles.target, **target)
    return replace(cohort, roles=replace(cohort.roles, target=declared))


def test_settings_follow_the_target(run):
    config = load_run(run.folder).config
    assert (config.model.head, config.training.loss, config.reference) == ("classes", "cross_entropy", None)
    assert config.training.weighting == "class_frequency"
    assert run.classes == CLASSES


def test_predictions_are_a_table_of_classes(run, cohort):
    table = pd.read_csv(run.folder / "predictions.csv")
    assert list(table.columns) == [*PREDICTION_COLUMNS, *CHANCES]
    assert len(table) == len(cohort) * len(MODELS) and run.calibration is None
    truth = dict(zip(cohort.radiograph_ids, cohort.table["fracture"], strict=True))
    assert (table["target"] == table["radiograph_id"].map(truth)).all()
    np.testing.assert_allclose(table[CHANCES].sum(axis=1), 1.0, atol=1e-6)
    assert (table["prediction"] == np.array(CLASSES)[table[CHANCES].to_numpy().argmax(axis=1)]).all()
    assert table[CHANCES].nunique().min() > len(cohort)


def test_metrics_are_scikit_learns(run):
    found = run.metrics().set_index(["model", "class", "metric"])["value"]
    for model, rows in run.predictions.groupby("model"):
        area = roc_auc_score(rows["target"], rows[CHANCES][sorted(CHANCES)], multi_class="ovr", labels=sorted(CLASSES))
        assert found[model, "macro", "auroc"] == pytest.approx(area)
        assert found[model, "all", "accuracy"] == pytest.approx(accuracy_score(rows["target"], rows["prediction"]))
    counts = run.confusion().groupby("model")["count"].sum()
    assert counts.to_dict() == dict.fromkeys(MODELS, float(len(run.predictions) / len(MODELS)))


def test_the_record_models_learn_what_the_record_tells(run):
    areas = run.metrics().set_index(["model", "class", "metric"])["value"]
    assert areas["ridge", "fresh", "auroc"] > 0.6


def test_comparisons_are_paired_differences_of_the_metrics(run):
    found, values = run.comparisons(), run.metrics().set_index(["model", "class", "metric"])["value"]
    assert set(found["model_b"]) == {"concat"} and len(found) == 2 * (len(MODELS) - 1)
    for row in found.to_dict("records"):
        a, b = (values[row[side], row["class"], row["metric"]] for side in ("model_a", "model_b"))
        assert row["difference"] == pytest.approx(a - b, abs=1e-12)
        assert row["low"] <= row["difference"] <= row["high"] and row["p"] <= row["p_holm"]
    own = run.comparison("ridge", OWN)
    assert own["p"].tolist() == own["p_holm"].tolist()


def test_parts_of_a_density_are_refused_in_one_sentence(run, cohort, tmp_path):
    with pytest.raises(RunError, match="predicts the classes normal, old, fresh; ask for metrics"):
        run.screening()
    with pytest.raises(RunError, match="predicts the classes"):
        explain(run, cohort, out=tmp_path / "explained")
    with pytest.raises(ConfigError, match="judged by errors of density"):
        tune(cohort, space="fusion", out=tmp_path / "search", models=["concat"], trials=1, config=TINY)
    with pytest.raises(RunError, match="model of density"):
        _ = Predictor.from_run(run, "ridge").density_development


@pytest.mark.parametrize(
    ("model", "training", "words"),
    [
        ({"head": "gaussian"}, {"loss": "gaussian_nll"}, "is a class, so model.head is classes or ordinal"),
        ({}, {"loss": "mse"}, "is a class, so model.head is classes or ordinal"),
        ({"head": "ordinal"}, {"loss": "cumulative"}, "ordered: true"),
        ({}, {"weighting": "label_density"}, "follows a density"),
        ({"image_dropout": 0.2}, {}, "set both to 0"),
    ],
)
def test_settings_of_a_density_are_refused_for_classes(cohort, tmp_path, model, training, words):
    config = tiny(model=replace(TINY.model, **model), training=replace(TINY.training, **training))
    with pytest.raises(ConfigError, match=words):
        compare(cohort, out=tmp_path / "RUN", config=config, progress=False)
    assert not (tmp_path / "RUN").exists()


def test_settings_of_classes_are_refused_for_a_density(tmp_path):
    density = Cohort.from_csv(write_cohort(tmp_path / "density", n=12))
    for model, training, words in (
        ({"head": "classes"}, {"loss": "cross_entropy"}, "learns classes, but the cohort's target is a density"),
        ({}, {"weighting": "class_frequency"}, "follows classes"),
    ):
        config = tiny(model=replace(TINY.model, **model), training=replace(TINY.training, **training))
        with pytest.raises(ConfigError, match=words):
            compare(density, out=tmp_path / "RUN", config=config, progress=False)


def test_a_reference_and_a_stack_have_no_meaning_for_classes(cohort, tmp_path):
    with pytest.raises(ConfigError, match="T-score"):
        compare(cohort, out=tmp_path / "R", config=tiny(reference="lunar_femoral_neck_white_female"), progress=False)
    with pytest.raises(ConfigError, match="soft_vote"):
        compare(cohort, out=tmp_path / "R", config=TINY, models=["concat", "ridge", "concat+ridge"], progress=False)


def test_a_training_part_without_a_class_and_a_leak_are_refused(cohort, tmp_path):
    plan = FoldPlan.make(cohort, folds=2, seed=0)
    fresh = {name for name, place in zip(cohort.radiograph_ids, cohort.targets, strict=True) if place == 2.0}
    owners = {plan.patients[name] for name in fresh}
    apart = {name: int(plan.patients[name] in owners) for name in plan.patients}
    single = [name for name in apart if list(plan.patients.values()).count(plan.patients[name]) == 1]
    kept = [next((name,) for name in single if apart[name] != fold) for fold in range(2)]
    empty = replace(plan, test_folds=(apart,), validation=(tuple(kept),))
    with pytest.raises(FoldPlanError, match="repeat 0, fold 1 has none that is 'fresh'"):
        compare(cohort, out=tmp_path / "RUN", config=TINY, plan=empty, progress=False)
    moved = dict(plan.test_folds[0])
    twice = next(name for name in moved if list(plan.patients.values()).count(plan.patients[name]) == 2)
    moved[twice] = 1 - moved[twice]
    with pytest.raises(FoldPlanError, match="patient"):
        compare(cohort, out=tmp_path / "RUN", config=TINY, plan=replace(plan, test_folds=(moved,)), progress=False)


def test_a_lost_fold_is_fitted_to_the_same_bytes(run, cohort, tmp_path):
    copy = tmp_path / "RUN"
    shutil.copytree(run.folder, copy)
    shutil.rmtree(copy / OWN / "repeat_00" / "fold_00")
    shutil.rmtree(copy / "ridge" / "repeat_00" / "fold_01")
    (copy / "predictions.csv").unlink()
    with pytest.raises(RunError, match="same `compare` command"):
        load_run(copy)
    compare(cohort, out=copy, config=run.config, progress=False)
    files = {path.relative_to(run.folder) for path in run.folder.rglob("*") if path.is_file() and path.name != ".lock"}
    assert files == {path.relative_to(copy) for path in copy.rglob("*") if path.is_file() and path.name != ".lock"}
    assert [str(name) for name in files if (copy / name).read_bytes() != (run.folder / name).read_bytes()] == []


@pytest.mark.parametrize("model", ["concat", OWN, "ridge"])
def test_a_predictor_is_the_mean_of_its_folds_and_moves(run, cohort, model, tmp_path):
    predictor = Predictor.from_run(run, model)
    found = predictor.predict(cohort)
    assert list(found.columns) == list(predictor.estimate_columns)
    each = (
        np.stack([one.estimate(cohort, images=None).table[CHANCES] for one in predictor.estimators])
        if (model == "ridge")
        else predictor.estimate_folds(cohort).each
    )
    np.testing.assert_allclose(found[CHANCES], each.mean(axis=0), atol=1e-12)
    assert (found["prediction"] == np.array(CLASSES)[each.mean(axis=0).argmax(axis=1)]).all()
    agreeing = [(np.array(CLASSES)[one.argmax(axis=1)] == found["prediction"]) for one in each]
    np.testing.assert_allclose(found["fold_agreement"], np.mean(agreeing, axis=0))
    moved = Predictor.load(predictor.save(tmp_path / "saved"))
    pd.testing.assert_frame_equal(moved.predict(cohort), found)
    assert predictor_digest(moved) == predictor_digest(predictor)


def test_a_fold_predictor_says_what_the_run_stored(run, cohort):
    plan, stored = run.plan, run.predictions
    each = Predictor.from_run(run, OWN).estimate_folds(cohort).each
    for name, chances in stored[stored["model"] == OWN].set_index("radiograph_id")[CHANCES].iterrows():
        place = cohort.radiograph_ids.index(name)
        np.testing.assert_allclose(each[plan.test_folds[0][name], place], chances, atol=1e-5)


def test_a_list_of_any_length_is_predicted_to_the_same_table(run, table, cohort, tmp_path):
    predictor = Predictor.from_run(run, OWN)
    done = predictor.predict_archive(table, out=tmp_path / "list.csv")
    again = pd.read_csv(done.table)
    expected = predictor.predict(cohort)
    assert list(again.columns) == list(expected.columns) and done.problems == 0
    np.testing.assert_allclose(again[CHANCES], expected[CHANCES], atol=1e-5)
    assert again["prediction"].tolist() == expected["prediction"].tolist()


def test_another_hospital_is_set_beside_home(run, tmp_path):
    elsewhere = Cohort.from_csv(write_class_cohort(tmp_path / "away", n=24, seed=9, prefix="away_"))
    predictors = [Predictor.from_run(run, model) for model in (OWN, "ridge")]
    done = evaluate(predictors, elsewhere, out=tmp_path / "OUT", replicates=200)
    drop, inside = done.drop(), run.metrics().set_index(["model", "class", "metric"])["value"]
    named = ["class" if name == "average" else name for name in DROP_COLUMNS if name != "threshold"]
    assert list(drop.columns) == [*named, "validation", "simulated"]
    outside = done.metrics().set_index(["model", "class", "metric"])["value"]
    for row in drop.to_dict("records"):
        key = row["model"], row["class"], row["metric"]
        assert row["internal"] == pytest.approx(inside[key], nan_ok=True)
        assert row["external"] == pytest.approx(outside[key], nan_ok=True)
        assert row["change"] == pytest.approx(outside[key] - inside[key], nan_ok=True)
    rows = done.predictions[done.predictions["model"] == "ridge"]
    assert outside["ridge", "all", "accuracy"] == pytest.approx((rows["target"] == rows["prediction"]).mean())
    assert done.confusion()["count"].sum() == 2 * 24 and set(
        pd.read_csv(done.folder / "comparisons.csv")["model_b"]
    ) == {OWN}
    with pytest.raises(RunError, match="of the classes"):
        done.screening()


def test_cohorts_that_are_not_external_or_have_other_classes_are_refused(run, cohort, tmp_path):
    predictor = Predictor.from_run(run, "ridge")
    with pytest.raises(CohortError, match="were not in training"):
        evaluate(predictor, cohort, out=tmp_path / "OUT")
    for other in (changed(cohort, classes=CLASSES[::-1]), Cohort.from_csv(write_cohort(tmp_path / "density", n=12))):
        with pytest.raises(CohortError, match="classes that ridge learned, normal, old, fresh in this order"):
            evaluate(predictor, other, out=tmp_path / "OUT")


def test_votes_of_a_run_and_of_an_evaluation_are_scored_like_a_model(run):
    members = ["image_only", OWN, "concat"]
    voted = soft_vote(run.predictions, members=members, name="soft vote")
    both = pd.concat([run.predictions, voted, hard_vote(run.predictions, members=members)], ignore_index=True)
    found = class_metrics_table(both, classes=CLASSES, replicates=100).set_index(["model", "class", "metric"])["value"]
    mean = run.predictions[run.predictions["model"].isin(members)].groupby("radiograph_id")[CHANCES].mean()
    truth = voted.set_index("radiograph_id")["target"].loc[mean.index]
    right = np.array(CLASSES)[mean.to_numpy().argmax(axis=1)] == truth
    assert found["soft vote", "all", "accuracy"] == pytest.approx(right.mean())
    assert found["hard_vote", "all", "accuracy"] >= 0


def test_ordered_classes_get_the_ordinal_head_under_either_protocol(cohort, tmp_path):
    config = tiny(models=("metadata_only", "ridge"), folds=2, protocol="paper")
    run = compare(changed(cohort, ordered=True), out=tmp_path / "RUN", config=config, progress=False)
    assert (run.config.model.head, run.config.training.loss) == ("ordinal", "cumulative")
    assert "weighted_kappa" in set(run.metrics()["metric"]) and set(run.metrics()["protocol"]) == {"paper (optimistic)"}


def test_two_classes_and_several_seeds(table, tmp_path):
    read = pd.read_csv(table, dtype=str)
    read["fracture"] = np.where(read["fracture"] == "normal", "no", "yes")
    read.to_csv(tmp_path / "cohort.csv", index=False)
    roles = CLASS_ROLES | {"target": {"column": "fracture", "classes": ["no", "yes"]}}
    two = Cohort.from_csv(
        tmp_path / "cohort.csv",
        images=table.parent / "images",
        config=type(Cohort.from_csv(table).roles).from_dict(roles),
    )
    config = tiny(models=("metadata_only", "ridge"), folds=2, training=replace(TINY.training, seeds=2))
    run = compare(two, out=tmp_path / "RUN", config=config, progress=False)
    rows = run.predictions[run.predictions["model"] == "metadata_only"]
    area = run.metrics().set_index(["model", "class", "metric"])["value"]["metadata_only", "yes", "auroc"]
    assert area == pytest.approx(roc_auc_score(rows["target"] == "yes", rows["probability_yes"]))


def test_the_default_settings_are_those_of_a_density():
    assert CompareConfig().model.head == "point"
