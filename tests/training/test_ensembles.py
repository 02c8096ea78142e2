"""Several seeds and several views of a fit: means of what single ones say, stored, keyed and resumed as one fit."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from safetensors.torch import save_file

from tests.cohorts import write_cohort
from tests.training.settings import TINY, tiny
from xattn_bmd import Cohort, FoldPlan, Predictor, compare
from xattn_bmd.config import AugmentConfig
from xattn_bmd.data.cache import cached_images, default_cache_folder
from xattn_bmd.data.datamodule import cohort_images
from xattn_bmd.data.views import AS_IT_IS
from xattn_bmd.errors import ConfigError
from xattn_bmd.training.fits.averaging import Estimates, mean_estimates
from xattn_bmd.training.fits.estimator import Estimator, seed_tensors
from xattn_bmd.training.fits.fit import fit_job
from xattn_bmd.training.fits.networks import fit_seed
from xattn_bmd.training.runs.estimator_file import load_estimator
from xattn_bmd.training.study import Job, Study

JOB = Job("concat", 0, 1)


def _settings(**training):
    return tiny(models=("concat",), folds=2, training=replace(TINY.training, **training))


def _study(cohort, config, cache):
    cohort = cohort.in_id_order()
    config = replace(config, reference=cohort.roles.reference)
    return Study(cohort, FoldPlan.make(cohort, folds=2), config, cache)


def _single(estimator, seed=0):
    """One network of an estimator, looking at the picture as it is."""
    record = {name: value for name, value in estimator.record.items() if name != "seeds"}
    return Estimator(
        estimator.model, estimator.encoder, estimator.network, seed_tensors(estimator.tensors, seed), record
    )


def _said(estimator, cohort, images):
    return estimator.estimate(cohort, images=images, accelerator="cpu").table["prediction"].to_numpy()


@pytest.fixture(scope="module")
def opened(cohort_table):
    cohort = Cohort.from_csv(cohort_table).in_id_order()
    cache = cached_images(cohort.image_paths, image=TINY.image, folder=default_cache_folder())
    return cohort, cohort_images(cohort, cache)


@pytest.fixture(scope="module")
def run(cohort_table, tmp_path_factory):
    """A run of two seeds and three views; read-only."""
    cohort = Cohort.from_csv(cohort_table)
    out = tmp_path_factory.mktemp("run") / "RUN"
    return compare(cohort, out=out, config=_settings(seeds=2, test_views=3), progress=False)


def test_mean_of_estimates_is_that_of_a_mixture():
    draw = np.random.default_rng(0)
    mean, sd = draw.normal(0.9, 0.1, (3, 4)), draw.uniform(0.02, 0.1, (3, 4))
    each = [Estimates(pd.DataFrame({"prediction": m, "sd": s}), np.eye(4)) for m, s in zip(mean, sd, strict=True)]
    found = mean_estimates(each)
    np.testing.assert_allclose(found.table["prediction"], mean.mean(axis=0))
    second_moment = (sd**2 + mean**2).mean(axis=0)
    np.testing.assert_allclose(found.table["sd"] ** 2, second_moment - mean.mean(axis=0) ** 2)
    np.testing.assert_allclose(found.attention, np.eye(4))
    assert mean_estimates(each[:1]) is each[0]


def test_the_first_network_is_the_one_that_a_single_seed_gives_and_the_others_follow_their_number_alone(
    cohort, tmp_path
):
    one, two, three = (
        fit_job(JOB, _study(cohort, _settings(seeds=seeds, epochs=1), tmp_path)).estimator for seeds in (1, 2, 3)
    )
    assert (one.seeds, two.seeds, three.seeds) == (1, 2, 3)
    for seed, fewer in ((0, one), (0, two), (1, two)):
        mine, same = seed_tensors(three.tensors, seed), seed_tensors(fewer.tensors, seed)
        assert list(mine) == list(same)
        assert all(np.array_equal(mine[name], same[name]) for name in mine)
    first, second = seed_tensors(three.tensors, 1), seed_tensors(three.tensors, 2)
    assert any(not np.array_equal(first[name], second[name]) for name in first)


def test_seeds_are_named_by_fit_and_number(cohort, tmp_path):
    study = _study(cohort, _settings(), tmp_path)
    jobs = [Job(model, 0, fold) for model in ("concat", "xattn") for fold in (0, 1)]
    assert len({fit_seed(job, study, number) for job in jobs for number in range(3)}) == 12


def test_a_stored_fit_predicts_the_mean_of_its_seeds_and_views(run, opened):
    cohort, images = opened
    estimator = load_estimator(run.folder / "concat" / "repeat_00" / "fold_01")
    assert estimator.seeds == 2 and len(estimator.views) == 3 and estimator.views[0] == AS_IT_IS
    each = [
        _said(replace(_single(estimator, seed), views=(view,)), cohort, images)
        for seed in (0, 1)
        for view in estimator.views
    ]
    assert min(np.ptp(each, axis=0)) > 1e-7
    everything = dict(zip(cohort.radiograph_ids, np.mean(each, axis=0), strict=True))
    scored = run.predictions.query("fold == 1")
    np.testing.assert_allclose(scored["prediction"], [everything[name] for name in scored["radiograph_id"]], atol=2e-6)
    held_out = run.calibration.query("fold == 1")
    np.testing.assert_allclose(
        held_out["prediction"], [everything[name] for name in held_out["radiograph_id"]], atol=2e-6
    )


def test_every_seed_has_its_history_and_says_which_epoch_was_kept(run):
    fold = run.folder / "concat" / "repeat_00" / "fold_00"
    history = pd.read_csv(fold / "history.csv")
    assert history.groupby("seed")["epoch"].count().to_dict() == {0: 2, 1: 2}
    record = json.loads((fold / "state.json").read_text())["record"]
    assert record["seeds"] == 2 and len(record["fits"]) == 2 and "epoch" in record["fits"][1]


def test_a_predictor_is_the_mean_over_folds_seeds_and_views(run, tmp_path):
    table = write_cohort(tmp_path / "new", n=7, seed=5)
    cohort = Cohort.from_csv(table)
    images = cohort_images(
        cohort, cached_images(cohort.image_paths, image=run.config.image, folder=default_cache_folder())
    )
    predictor = Predictor.from_run(run, "concat")
    each = [_said(one, cohort, images) for one in predictor.estimators]
    found = predictor.predict(cohort)
    np.testing.assert_allclose(found["prediction"], np.mean(each, axis=0), atol=1e-6)
    np.testing.assert_allclose(found["fold_sd"], np.std(each, axis=0, ddof=1), atol=1e-6)
    saved = Predictor.load(predictor.save(tmp_path / "model"))
    pd.testing.assert_frame_equal(saved.predict(cohort), found)


def test_a_lost_fold_is_fitted_again_to_the_same_bytes(run, cohort, tmp_path):
    copy = tmp_path / "RUN"
    shutil.copytree(run.folder, copy)
    lost = copy / "concat" / "repeat_00" / "fold_00"
    shutil.rmtree(lost)
    compare(cohort, out=copy, config=run.config, progress=False)
    for path in lost.iterdir():
        assert path.read_bytes() == (run.folder / "concat" / "repeat_00" / "fold_00" / path.name).read_bytes()
    assert (copy / "predictions.csv").read_bytes() == (run.folder / "predictions.csv").read_bytes()


@pytest.fixture(scope="module")
def frozen(cohort_table, tmp_path_factory):
    """A fit of two seeds and three views behind a frozen trunk, with the study that it belongs to."""
    root = tmp_path_factory.mktemp("frozen")
    torch.manual_seed(3)
    save_file(timm.create_model("test_resnet").state_dict(), root / "trunk.safetensors")
    model = replace(TINY.model, weights=str(root / "trunk.safetensors"), freeze="trunk")
    config = replace(_settings(seeds=2, test_views=3), model=model)
    study = _study(Cohort.from_csv(cohort_table), config, root)
    return study, fit_job(JOB, study)


def test_seeds_share_a_frozen_trunk_which_is_kept_once(frozen):
    _, result = frozen
    names = list(result.estimator.tensors)
    assert not [name for name in names if name.startswith("seed_01/") and ".trunk." in name]
    assert [name for name in names if name.startswith("seed_01/head.")]


def test_views_of_a_frozen_trunk_are_looked_at_and_not_its_stored_map(frozen, opened):
    study, result = frozen
    cohort, images = opened
    said = dict(zip(cohort.radiograph_ids, _said(result.estimator, cohort, images), strict=True))
    expected = [said[name] for name in result.predictions["radiograph_id"]]
    np.testing.assert_allclose(result.predictions["prediction"], expected, atol=2e-5)
    assert study.images.features is not None
    without_views = replace(result.estimator, views=(AS_IT_IS,))
    assert np.abs(_said(without_views, cohort, images) - _said(result.estimator, cohort, images)).min() > 1e-7


def test_a_mirror_image_is_looked_at_only_after_training_with_some(cohort, tmp_path):
    for flip in (0.0, 0.5):
        config = _settings(test_views=2, epochs=1, augment=AugmentConfig(flip=flip))
        views = fit_job(JOB, _study(cohort, config, tmp_path)).estimator.views
        assert [view.mirrored for view in views] == [False, bool(flip)]


def test_a_model_of_the_record_has_one_view(cohort, tmp_path):
    result = fit_job(Job("metadata_only", 0, 0), _study(cohort, _settings(test_views=5), tmp_path))
    assert result.estimator.views == (AS_IT_IS,)


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ({"seeds": 0}, r"training\.seeds must be at least 1"),
        ({"test_views": 0}, r"training\.test_views must be at least 1"),
        ({"averaged_epochs": 0}, r"training\.averaged_epochs must be at least 1"),
        ({"averaging": "mean"}, r"training\.averaging is one of none, swa, ema"),
        ({"test_views": 3, "augment": AugmentConfig(rotation=0.0, translation=0.0)}, r"training\.test_views is 3"),
        ({"test_views": 3, "augment": AugmentConfig(rotation=0.0, translation=0.0, flip=0.5)}, "is 3"),
    ],
)
def test_impossible_settings_are_refused(training, words):
    with pytest.raises(ConfigError, match=words):
        _settings(**training)
