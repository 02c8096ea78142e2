"""``FUSION@BACKBONE``: densities by a fusion with a trunk of its own, beside the settings' one."""

from dataclasses import replace

import numpy as np
import pytest

from tests.cohorts import write_cohort
from tests.training.settings import TINY, tiny
from xattn_bmd import ENSEMBLE_MEMBERS, Cohort, Predictor, compare, evaluate, load_run, tune
from xattn_bmd.config import CompareConfig
from xattn_bmd.errors import ConfigError, ModelError
from xattn_bmd.models.fusions.named import is_fusion
from xattn_bmd.models.weights import PACKAGES
from xattn_bmd.training.registry import check_models, image_encoder_origin, uses_images
from xattn_bmd.training.study import Job, Study
from xattn_bmd.training.workers.job_keys import Inputs, job_key

OWN = "image_only@test_efficientnet"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return Cohort.from_csv(write_cohort(tmp_path_factory.mktemp("backbones") / "home", n=24))


@pytest.fixture(scope="module")
def run(cohort, tmp_path_factory):
    """Frozen trunks, so that the maps of each are stored; random weights are named by a file."""
    root = tmp_path_factory.mktemp("run")
    config = tiny(models=("image_only", OWN, f"{OWN}+image_only"), folds=2)
    return compare(cohort, out=root / "RUN", config=config, progress=False)


def test_tables_files_and_networks_carry_the_name(run):
    assert set(load_run(run.folder).predictions["model"]) == {"image_only", OWN, f"{OWN}+image_only"}
    assert (run.folder / OWN / "predictor.json").is_file()
    own, shared = (Predictor.from_run(run, name) for name in (OWN, "image_only"))
    assert own.estimators[0].network.backbone == "test_efficientnet"
    assert shared.estimators[0].network.backbone == TINY.model.backbone
    assert set(own.estimators[0].tensors) != set(shared.estimators[0].tensors)
    assert own.image_encoder.startswith("test_efficientnet with random")


def test_it_is_the_fusion_with_that_backbone_in_the_settings(run, cohort, tmp_path):
    config = tiny(model=replace(TINY.model, backbone="test_efficientnet"), models=("image_only",), folds=2)
    alone = Predictor.from_run(
        compare(cohort, out=tmp_path / "RUN", config=config, progress=False), "image_only"
    ).estimators[0]
    named = Predictor.from_run(run, OWN).estimators[0]
    assert {name: value.shape for name, value in named.tensors.items()} == {
        name: value.shape for name, value in alone.tensors.items()
    }


def test_predictor_and_evaluation_know_it(run, cohort, tmp_path):
    predictor = Predictor.from_run(run, OWN)
    stored = run.predictions[run.predictions["model"] == OWN].set_index("radiograph_id")
    each = predictor.estimate_folds(cohort).each
    for row, name in enumerate(cohort.radiograph_ids):
        assert each[run.plan.test_folds[0][name], row] == pytest.approx(stored.loc[name, "prediction"], abs=1e-5)
    table = write_cohort(tmp_path / "away", n=20, seed=8)
    table.write_text(table.read_text().replace(",p0", ",away"))
    done = evaluate(predictor, Cohort.from_csv(table), out=tmp_path / "OUT", replicates=50)
    assert set(done.drop()["model"]) == {OWN} and np.isfinite(done.predictions["prediction"]).all()


def test_frozen_trunks_store_the_maps_of_each(cohort, tmp_path):
    config = tiny(models=("image_only", OWN), model=replace(TINY.model, freeze="layer3"))
    study = Study(cohort, None, config, tmp_path)
    shared, own = study.images_of("image_only"), study.images_of(OWN)
    assert shared is study.images and own is study.images_of(OWN)
    assert shared.features.shape[2:] != own.features.shape[2:] or not np.allclose(shared.features, own.features)
    alone = Study(cohort, None, replace(config, models=(OWN,)), tmp_path)
    assert alone.open().features is None  # the settings' trunk, which no model has, is not run


def test_a_fit_depends_on_its_own_backbone_alone(run, cohort, tmp_path):
    inputs = Inputs("pictures")
    other = replace(run.config, model=replace(run.config.model, backbone="resnet18"))
    one, two = (Study(cohort, run.plan, config, tmp_path) for config in (run.config, other))
    assert job_key(one, Job(OWN, 0, 0), inputs=inputs) == job_key(two, Job(OWN, 0, 0), inputs=inputs)
    assert job_key(one, Job("image_only", 0, 0), inputs=inputs) != job_key(two, Job("image_only", 0, 0), inputs=inputs)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("metadata_only@resnet18", "sees the clinical record alone"),
        ("image_only@", "FUSION@BACKBONE"),
        ("image_only@a/b", "FUSION@BACKBONE"),
        ("imageonly@resnet18", "did you mean"),
        ("ridge@resnet18", "A model is one of"),
    ],
)
def test_a_wrong_name_is_refused(name, words):
    with pytest.raises(ModelError, match=words):
        check_models([name])


def test_an_unknown_backbone_and_a_search_over_one_are_refused(cohort, tmp_path):
    with pytest.raises(ModelError, match="resnet18"):
        compare(cohort, out=tmp_path / "RUN", config=tiny(models=("image_only@resnet1888",)), progress=False)
    with pytest.raises(ConfigError, match=r"model\.backbone"):
        tune(cohort, space="fusion", out=tmp_path / "S", models=[OWN], trials=1, config=TINY)


def test_origins_of_all_trunks_are_told():
    told = image_encoder_origin(CompareConfig(), ["image_only", "concat@resnet50", "ridge"])
    assert told.count("random first weights") == 2 and "resnet34" in told and "resnet50" in told


def test_members_of_each_preset_can_be_compared():
    for preset, members in ENSEMBLE_MEMBERS.items():
        check_models(members)
        assert all(map(is_fusion, members)) and all(map(uses_images, members))
        if CompareConfig.from_preset(preset).model.weights == "pretrained":
            assert {name.partition("@")[2] for name in members} <= set(PACKAGES)
