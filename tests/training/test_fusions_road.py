"""Fusions that predict twice or attend in one direction, through the whole road: fit, tables, stored, read back."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.training.settings import TINY, tiny
from xattn_bmd import Cohort, Predictor, compare
from xattn_bmd.data.cache import cached_images, default_cache_folder
from xattn_bmd.data.datamodule import cohort_images
from xattn_bmd.training.runs.estimator_file import load_estimator

MODELS = ("xattn", "image_to_record", "record_to_image", "late")
READ_BY_THE_IMAGE = {"xattn", "image_to_record"}


@pytest.fixture(scope="module")
def run(cohort_table, tmp_path_factory):
    """A run with a Gaussian head and with the key-value updater and the layer weight switched off; read-only."""
    cohort = Cohort.from_csv(cohort_table, images=cohort_table.parent / "images")
    model = replace(TINY.model, head="gaussian", key_value_updater=False, layer_weight=False)
    training = replace(TINY.training, loss="gaussian_nll", epochs=1, patience=1)
    config = tiny(models=MODELS, folds=2, model=model, training=training)
    return compare(cohort, out=tmp_path_factory.mktemp("run") / "RUN", config=config, progress=False)


def test_every_model_estimates_every_radiograph_with_its_sd(run):
    counts = run.predictions.groupby("model").size()
    assert set(counts.index) == set(MODELS) and counts.nunique() == 1
    assert np.isfinite(run.predictions[["prediction", "sd"]]).all(axis=None)


def test_attention_to_variables_is_stored_where_the_image_reads(run):
    table = run.attention
    assert set(table["model"]) == READ_BY_THE_IMAGE
    sums = table.groupby(["model", "repeat", "fold"])["attention"].sum()
    np.testing.assert_allclose(sums, 1.0, atol=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_a_stored_fold_says_the_same_again(run, cohort, model):
    fold = run.folder / model / "repeat_00" / "fold_01"
    assert_says_what_is_stored(load_estimator(fold), fold, run, cohort)
    found = Predictor.from_run(run, model).predict(cohort.subset(cohort.radiograph_ids[:4]))
    assert np.isfinite(found["prediction"]).all()


def test_a_fold_that_was_stored_before_the_switches_is_read(run, cohort, tmp_path):
    fold = tmp_path / "late" / "repeat_00" / "fold_01"
    shutil.copytree(run.folder / "late" / "repeat_00" / "fold_01", fold)
    state = json.loads((fold / "state.json").read_text())
    for switch in ("key_value_updater", "layer_weight"):
        del state["network"][switch]
    (fold / "state.json").write_text(json.dumps(state))
    estimator = load_estimator(fold)
    assert estimator.network == replace(run.config.model, key_value_updater=True, layer_weight=True)
    assert_says_what_is_stored(estimator, fold, run, cohort)


def assert_says_what_is_stored(estimator, fold, run, cohort):
    stored = pd.read_csv(fold / "predictions.csv", float_precision="round_trip")
    pictures = cached_images(cohort.image_paths, image=run.config.image, folder=default_cache_folder())
    rows = [cohort.radiograph_ids.index(name) for name in stored["radiograph_id"]]
    again = estimator.estimate(cohort, images=cohort_images(cohort, pictures), rows=rows, accelerator="cpu")
    np.testing.assert_allclose(again.table, stored[["prediction", "sd"]], atol=1e-6)
    assert (again.attention is not None) == (estimator.model in READ_BY_THE_IMAGE)
