"""Gaussian and quantile heads through the whole road: settings, training, estimator, tables, resumption."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from tests.training.settings import TINY, tiny
from xattn_bmd import Cohort, DensityModule, Predictor, build_network, compare, load_run
from xattn_bmd.config import load_config, to_dict
from xattn_bmd.data.cache import cached_images, default_cache_folder
from xattn_bmd.data.datamodule import cohort_images
from xattn_bmd.errors import ConfigError
from xattn_bmd.metrics.tables.conformal import conformal_table
from xattn_bmd.training.runs.estimator_file import load_estimator
from xattn_bmd.types import HEAD_COLUMNS, PREDICTION_COLUMNS, VariableSchema

HEADS = {"gaussian": ("gaussian_nll", ("sd",)), "quantile": ("pinball", ("q05", "q50", "q95"))}
SCHEMA = VariableSchema(numeric=("age",), categorical=())


def with_head(head, **changes):
    loss = HEADS[head][0]
    return tiny(model=replace(TINY.model, head=head), training=replace(TINY.training, loss=loss), folds=2, **changes)


@pytest.fixture(scope="module", params=HEADS)
def run(request, cohort_table, tmp_path_factory):
    """A run of a network and a baseline with each head; read-only."""
    cohort = Cohort.from_csv(cohort_table, images=cohort_table.parent / "images")
    root = tmp_path_factory.mktemp("run")
    config = with_head(request.param, models=("concat", "ridge"))
    (root / "settings.yaml").write_text(yaml.safe_dump(to_dict(config)))
    return compare(cohort, out=root / "RUN", config=load_config(root / "settings.yaml"), progress=False)


def test_both_tables_have_the_heads_columns_blank_for_the_baseline(run):
    own = list(HEADS[run.config.model.head][1])
    for table in (load_run(run.folder).predictions, load_run(run.folder).calibration):
        assert list(table.columns) == [*PREDICTION_COLUMNS, *own]
        given = table[table["model"] == "concat"]
        assert np.isfinite(given[own]).all(axis=None)
        assert table.loc[table["model"] == "ridge", own].isna().all(axis=None)
        if own == ["sd"]:
            assert (given["sd"] > 0).all()
        else:
            assert (given["q50"] == given["prediction"]).all()
            assert ((given["q05"] <= given["q50"]) & (given["q50"] <= given["q95"])).all()


def test_scored_tables_are_made_as_for_a_point_head(run):
    assert set(run.metrics()["model"]) == {"concat", "ridge"}
    methods = set(conformal_table(run.predictions, levels=(0.9,), replicates=20)["method"])
    assert methods == {"cross_fold", run.config.model.head}


def test_a_stored_estimator_says_the_same(run, cohort):
    fold = run.folder / "concat" / "repeat_00" / "fold_01"
    estimator = load_estimator(fold)
    stored = pd.read_csv(fold / "predictions.csv", float_precision="round_trip")
    rows = [cohort.radiograph_ids.index(name) for name in stored["radiograph_id"]]
    images = cohort_images(
        cohort, cached_images(cohort.image_paths, image=run.config.image, folder=default_cache_folder())
    )
    again = estimator.estimate(cohort, images=images, rows=rows, accelerator="cpu").table
    assert list(again.columns) == ["prediction", *HEADS[run.config.model.head][1]]
    np.testing.assert_allclose(again, stored[again.columns], atol=1e-6)


def test_a_lost_fold_is_fitted_to_the_same_bytes(run, cohort, tmp_path):
    copy = tmp_path / "RUN"
    shutil.copytree(run.folder, copy)
    shutil.rmtree(copy / "concat" / "repeat_00" / "fold_00")
    compare(cohort, out=copy, config=run.config, progress=False)
    for name in ("predictions.csv", "calibration.csv"):
        assert (copy / name).read_bytes() == (run.folder / name).read_bytes()


def test_a_predictor_of_the_run_predicts_a_density(run, cohort):
    found = Predictor.from_run(run, "concat").predict(cohort.subset(cohort.radiograph_ids[:5]))
    assert np.isfinite(found["prediction"]).all()


def test_validation_loss_is_the_unweighted_training_loss(run):
    history = pd.read_csv(run.folder / "concat" / "repeat_00" / "fold_00" / "history.csv")
    assert np.isfinite(history[["train_loss", "val_loss", "val_mae"]]).all(axis=None)
    if run.config.model.head == "gaussian":
        assert (history["val_loss"] < 0.5).all()  # log density in g/cm²: about -0.5 at an SD of 0.15


def test_a_point_head_adds_no_column(cohort, tmp_path):
    run = compare(cohort, out=tmp_path / "RUN", config=tiny(models=("metadata_only",), folds=2), progress=False)
    header = (run.folder / "predictions.csv").read_text().splitlines()[0]
    assert header == ",".join(PREDICTION_COLUMNS)
    assert not set(HEAD_COLUMNS) & set(run.calibration.columns)


@pytest.mark.parametrize(("head", "loss"), [("gaussian", "mse"), ("point", "pinball"), ("quantile", "gaussian_nll")])
def test_a_module_refuses_a_loss_that_does_not_train_its_head(head, loss):
    network = build_network(
        fusion="metadata_only",
        schema=SCHEMA,
        config=replace(TINY.model, head=head),
        target_mean=0.88,
        target_sd=0.15,
    )
    with pytest.raises(ConfigError, match=f"The head '{head}'"):
        DensityModule(network, config=replace(TINY.training, loss=loss))


def test_seed_and_weights_of_a_point_head_are_what_they_were():
    torch.manual_seed(0)
    network = build_network(fusion="metadata_only", schema=SCHEMA, config=TINY.model, target_mean=0.88, target_sd=0.15)
    names = [name for name in network.state_dict() if name.startswith("head.")]
    assert names == ["head.target_mean", "head.target_sd"] + [
        f"head.mlp.{layer}.{part}" for layer in (0, 1, 4) for part in ("weight", "bias")
    ]
    assert network.state_dict()["head.mlp.4.weight"].shape == (1, 16)
