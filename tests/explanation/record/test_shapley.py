"""Contributions of trained models: they add up, agree with shap, and belong to the fold that did not train."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.cohorts import write_cohort
from tests.explanation.record.conftest import MODELS, STACK
from tests.explanation.record.made_up import made_up_contributions
from tests.training.settings import tiny
from xattn_bmd import Cohort, compare
from xattn_bmd.config import AugmentConfig
from xattn_bmd.data.cohort import ImageMatch
from xattn_bmd.errors import CohortError, ConfigError, RunError
from xattn_bmd.explanation.fold_models import Explained
from xattn_bmd.explanation.record.games import games
from xattn_bmd.explanation.record.interactions import record_interactions
from xattn_bmd.explanation.record.shapley import record_contributions
from xattn_bmd.training.prediction.pictures import GivenPictures
from xattn_bmd.training.prediction.predictor import Predictor

FEW, SHOWN = 4, 12


@pytest.fixture(scope="module")
def everything(explained, cohort_table, run_and_cache):
    """Contributions of every model, all coalitions of the 4 variables played."""
    cohort = Cohort.from_csv(cohort_table)
    settings = {"background": cohort, "people": FEW, "cache": run_and_cache[1]}
    return {name: record_contributions(explained(name), shown(cohort), **settings) for name in MODELS}


def shown(cohort):
    """The radiographs that are explained here; all serve as background."""
    return cohort.subset(cohort.radiograph_ids[:SHOWN])


@pytest.mark.parametrize("model", MODELS)
def test_parts_add_up_to_the_prediction_of_the_fold_that_did_not_train(everything, run_and_cache, model):
    found = everything[model]
    scored = run_and_cache[0].predictions.query("model == @model").set_index("radiograph_id")["prediction"]
    np.testing.assert_allclose(found.prediction, scored[list(found.radiograph_ids)], atol=2e-6)
    np.testing.assert_allclose(found.mean + found.image + found.record.sum(axis=1), found.prediction, atol=2e-6)
    np.testing.assert_allclose(found.given_mean + found.given.sum(axis=1), found.prediction, atol=2e-6)


def test_a_model_of_one_input_owes_nothing_to_the_other(everything):
    for name in ("metadata_only", "ridge", "boosted_trees"):
        assert (everything[name].image == 0.0).all() and np.abs(everything[name].record).max() > 1e-3
        np.testing.assert_array_equal(everything[name].record, everything[name].given)
    assert (everything["image_only"].record == 0.0).all() and np.abs(everything["image_only"].image).max() > 1e-4
    assert np.abs(everything["xattn"].record - everything["xattn"].given).max() > 1e-7


def test_the_people_are_those_that_the_fold_was_trained_on(explained, cohort, cache):
    model = explained("ridge")
    for game in games(model, cohort, background=None, people=FEW, seed=0, cache=cache):
        record = model.predictor.estimators[game.comparison.fold].record
        split = model.plan.split(record["repeat"], record["fold"])
        assert {cohort.radiograph_ids[row] for row in game.comparison.rows} == set(split.test)
        people = [cohort.radiograph_ids[row] for row in game.comparison.people]
        assert set(people) <= set(split.train) and len(people) == FEW
        assert len({cohort.patient_ids[row] for row in game.comparison.people}) == FEW


@pytest.mark.parametrize("model", ["metadata_only", "xattn", "ridge", "boosted_trees"])
def test_agrees_with_the_kernel_explainer_of_shap(explained, everything, cohort, cache, model):
    import shap

    chosen = explained(model)
    game = next(_games(chosen, cohort, cache))
    table, schema = cohort.table, cohort.schema
    numbers = np.column_stack(
        [table[name].to_numpy(dtype=float) for name in schema.numeric]
        + [[-1.0 if text is None else names.index(text) for text in table[name]] for name, names in schema.categorical]
    )
    for row in game.comparison.rows[:2].tolist():
        densities = _densities_of(chosen, cohort, cache, row=row, fold=game.comparison.fold)
        kernel = shap.KernelExplainer(densities, numbers[game.comparison.people - SHOWN])
        theirs = kernel.shap_values(numbers[row], l1_reg=False, silent=True)  # 14 coalitions: all are played
        np.testing.assert_allclose(everything[model].given[row], theirs, atol=2e-6)
        np.testing.assert_allclose(everything[model].given_mean[row], kernel.expected_value, atol=2e-6)


def test_orders_agree_with_all_coalitions_within_their_error(explained, cohort, cache):
    settings = {"people": 12, "cache": cache}
    settings |= {"background": cohort}
    exact = record_contributions(explained("xattn"), shown(cohort), method="exact", **settings)
    orders = record_contributions(explained("xattn"), shown(cohort), method="orders", **settings)
    assert (exact.method, orders.method) == ("exact", "orders")
    np.testing.assert_allclose(orders.image, exact.image, atol=1e-6)
    apart = np.abs(orders.record - exact.record)
    assert (apart <= 4 * orders.record_error + 1e-6).mean() > 0.99 and apart.max() > 1e-7


def test_a_few_radiographs_are_explained_as_among_all(explained, everything, cohort, cache):
    some = cohort.subset(cohort.radiograph_ids[3:6])
    found = record_contributions(explained("xattn"), some, background=cohort, people=FEW, cache=cache)
    for name in ("mean", "image", "record", "given", "record_error", "prediction"):
        np.testing.assert_allclose(getattr(found, name), getattr(everything["xattn"], name)[3:6], atol=1e-6)


def test_the_order_of_the_table_does_not_matter(explained, everything, cohort, cache):
    turned = replace(cohort, table=cohort.table.iloc[::-1].reset_index(drop=True))
    found = record_contributions(explained("ridge"), turned, people=FEW, cache=cache)
    np.testing.assert_allclose(found.record[::-1][:SHOWN], everything["ridge"].record, atol=1e-12)


def test_a_stack_owes_what_its_members_owe_by_weight(explained, everything, cohort):
    for fold, one in enumerate(explained(STACK).predictor.estimators):
        rows = np.flatnonzero(explained(STACK).models_of(shown(cohort))[fold])
        for name in ("image", "record", "mean"):
            members = [getattr(everything[member], name)[rows] for member in ("xattn", "ridge")]
            expected = np.tensordot(one.tensors["weights"], np.stack(members), axes=1)
            np.testing.assert_allclose(getattr(everything[STACK], name)[rows], expected, atol=1e-6)


def test_ridge_owes_its_slope_times_the_distance_to_the_others(explained, everything, cohort, cache):
    for game in _games(explained("ridge"), cohort, cache):
        one = explained("ridge").predictor.estimators[game.comparison.fold]
        rows, people = game.comparison.rows, game.comparison.people
        age = cohort.table["age"].to_numpy() / one.encoder.sd[0]
        expected = one.tensors["coefficients"][0] * (age[rows] - age[people - SHOWN].mean())
        np.testing.assert_allclose(everything["ridge"].record[rows, 0], expected, atol=1e-7)


def test_trees_by_shap_are_those_of_all_coalitions(explained, everything, cohort, cache):
    settings = {"background": cohort, "people": FEW, "cache": cache}
    exact = record_contributions(explained("boosted_trees"), shown(cohort), method="exact", **settings)
    assert everything["boosted_trees"].method == "shap"
    np.testing.assert_allclose(everything["boosted_trees"].record, exact.record, atol=1e-7)
    np.testing.assert_allclose(everything["boosted_trees"].record_error, exact.record_error, atol=1e-7)


def test_interactions_add_up_to_the_values_given_the_picture(explained, everything, cohort, cache):
    found = record_interactions(explained("xattn"), shown(cohort), background=cohort, people=FEW, cache=cache)
    np.testing.assert_allclose(found.values.sum(axis=2), everything["xattn"].given, atol=1e-6)
    np.testing.assert_allclose(found.values, found.values.swapaxes(1, 2), atol=1e-12)
    table = found.table()
    assert len(table) == 6 and table["mean_size"].is_monotonic_decreasing


def test_new_people_are_explained_by_the_mean_of_all_folds_against_each_other(explained, tmp_path):
    table = write_cohort(tmp_path / "new", n=9, seed=5)
    frame = pd.read_csv(table).assign(age=75.0)
    frame["patient_id"] = "new" + frame["patient_id"]
    frame.loc[:3, "smoking"] = None
    frame.to_csv(table, index=False)
    new = Cohort.from_csv(table)
    for name in ("xattn", "ridge", "boosted_trees"):
        found = record_contributions(explained(name), new, cache=tmp_path)
        np.testing.assert_allclose(found.prediction, explained(name).predictor.predict(new)["prediction"], atol=2e-6)
        assert (found.record[:, 0] == 0.0).all() and (found.record_error[:, 0] == 0.0).all()
        assert np.abs(found.record[:, 3]).min() > 0.0
    game = next(games(explained("ridge"), new, background=None, people=FEW, seed=0, cache=tmp_path))
    same = np.array(new.patient_ids)[game.comparison.rows][:, None] == np.array(new.patient_ids)[game.comparison.people]
    assert same.any() and (game.comparison.counts == ~same).all()


def test_a_single_patient_needs_others(explained, cohort, cache):
    alone = cohort.subset(cohort.radiograph_ids[:1])
    with pytest.raises(RunError, match=r"at least 2 other people, but hip_000 has 0; give background="):
        record_contributions(explained("xattn"), alone, cache=cache)
    found = record_contributions(explained("xattn"), alone, background=cohort, people=2, cache=cache)
    assert found.record.shape == (1, 4) and np.isfinite(found.record_error).all()


def test_missing_pictures_and_several_views(cohort_table, tmp_path):
    config = tiny(models=("xattn",), folds=2)
    config = replace(
        config,
        model=replace(config.model, image_dropout=0.3),
        training=replace(config.training, test_views=2, seeds=2, augment=AugmentConfig(translation=0.1), epochs=1),
    )
    cohort = Cohort.from_csv(cohort_table)
    run = compare(cohort, out=tmp_path / "RUN", config=config, cache=tmp_path / "cache", progress=False)
    model = Explained(Predictor.from_run(run, "xattn"), None)
    table = write_cohort(tmp_path / "new", n=6, seed=7)
    frame = pd.read_csv(table)
    frame["patient_id"] = "new" + frame["patient_id"]
    frame.loc[2, "image"] = None
    (table.parent / "images" / "hip_002.png").unlink()
    frame.to_csv(table, index=False)
    new = Cohort.from_csv(table)
    found = record_contributions(model, new, people=3, cache=tmp_path / "cache")
    np.testing.assert_allclose(found.prediction, model.predictor.predict(new)["prediction"], atol=2e-6)


def test_impossible_settings_are_refused(explained, cohort, cache):
    with pytest.raises(ConfigError, match="people must be at least 2"):
        record_contributions(explained("ridge"), cohort, people=1)
    with pytest.raises(ConfigError, match="method is one of auto, exact, orders"):
        record_contributions(explained("ridge"), cohort, method="kernel")
    with pytest.raises(CohortError, match="Images are needed"):
        record_contributions(explained("xattn"), replace(cohort, images=ImageMatch()), cache=cache)


def test_parts_that_do_not_add_up_are_refused():
    sound = made_up_contributions()
    with pytest.raises(RunError, match=r"within 1e-05 g/cm², but 0\.001 is left over"):
        made_up_contributions(image=sound.image + 0.001)


def test_the_table_adds_up_and_names_every_value(everything):
    found = everything["xattn"].table()
    assert list(found["part"][:5]) == ["image", "age", "weight", "sex", "smoking"]
    total = found.groupby("radiograph_id")["contribution"].sum() + found.groupby("radiograph_id")["mean"].first()
    np.testing.assert_allclose(total, found.groupby("radiograph_id")["prediction"].first(), atol=2e-6)
    assert set(found.query("part == 'sex'")["value"]) == {"female", "male"}
    assert "" in set(found.query("part == 'smoking'")["value"])
    assert found.query("part == 'image'")["given_image"].isna().all()


def _games(model, cohort, cache):
    return games(model, shown(cohort), background=cohort, people=FEW, seed=0, cache=cache)


def _densities_of(model, cohort, cache, *, row, fold):
    """Return a function of rows of numbers, by the road of a prediction, beside the picture of one radiograph."""
    schema, predictor = cohort.schema, model.predictor
    given = GivenPictures.open(cohort, image=predictor.image, cache=cache) if predictor.uses_images else None

    def densities(numbers):
        columns = {name: numbers[:, at] for at, name in enumerate(schema.numeric)}
        for at, (name, names) in enumerate(schema.categorical, start=len(schema.numeric)):
            columns[name] = [None if code < 0 else names[int(code)] for code in numbers[:, at]]
        pictures = None if given is None else given.take(np.full(len(numbers), row)).pictures
        return predictor.ensemble.answers(pd.DataFrame(columns), pictures).each[fold]

    return densities
