"""The folds' ensemble as one saved predictor."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import timm
import torch
import yaml
from safetensors.torch import save_file

from tests.cohorts import ROLES, write_cohort
from tests.training.settings import tiny
from xattn_bmd import Cohort, Predictor, compare, get_reference, t_score
from xattn_bmd.errors import CohortError, RunError
from xattn_bmd.training.estimator import load_estimator

MODELS = ("xattn", "metadata_only", "ridge", "boosted_trees")


@pytest.fixture(scope="module")
def run(cohort_table, tmp_path_factory):
    cohort = Cohort.from_csv(cohort_table, images=cohort_table.parent / "images")
    root = tmp_path_factory.mktemp("run")
    return compare(cohort, out=root / "RUN", config=tiny(models=MODELS), cache=root / "cache", progress=False)


@pytest.fixture(scope="module")
def new_cohort(tmp_path_factory):
    table = write_cohort(tmp_path_factory.mktemp("new"), n=11, seed=5)
    return Cohort.from_csv(table, images=table.parent / "images")


@pytest.mark.parametrize("model", MODELS)
def test_prediction_is_the_mean_of_the_folds(run, new_cohort, model):
    from xattn_bmd.data.cache import cached_images, default_cache_folder

    predictor = Predictor.from_run(run, model)
    table = predictor.predict(new_cohort)
    cache = cached_images(new_cohort.image_paths, image=predictor.image, folder=default_cache_folder())
    folds = [
        load_estimator(run.folder / model / "repeat_00" / f"fold_{fold:02d}").predict(new_cohort, cache=cache)
        for fold in range(3)
    ]
    np.testing.assert_allclose(table["prediction"], np.mean(folds, axis=0), atol=1e-12)
    np.testing.assert_allclose(table["fold_sd"], np.std(folds, axis=0, ddof=1), atol=1e-12)


def test_a_stored_fold_repeats_its_scored_predictions(run, cohort):
    from xattn_bmd.data.cache import cached_images

    cache = cached_images(cohort.image_paths, image=run.config.image, folder=run.folder.parent / "cache")
    estimator = load_estimator(run.folder / "xattn" / "repeat_00" / "fold_01")
    everything = dict(zip(cohort.radiograph_ids, estimator.predict(cohort, cache=cache), strict=True))
    scored = run.predictions.query("model == 'xattn' and fold == 1")
    expected = [everything[name] for name in scored["radiograph_id"]]
    np.testing.assert_allclose(scored["prediction"], expected, atol=2e-6)


def test_table_has_t_scores_and_who_classes_of_the_stated_reference(run, new_cohort):
    table = Predictor.from_run(run, "ridge").predict(new_cohort)
    assert list(table["radiograph_id"]) == list(new_cohort.radiograph_ids)
    reference = get_reference(run.config.reference)
    np.testing.assert_allclose(table["t_score"], t_score(table["prediction"].to_numpy(), reference=reference))
    assert set(table["who_class"]) <= {"normal", "osteopenia", "osteoporosis"}
    assert set(table["reference"]) == {run.config.reference}


def test_saved_predictor_is_equal_and_holds_no_patient(run, new_cohort, cohort, tmp_path):
    predictor = Predictor.from_run(run, "xattn")
    saved = predictor.save(tmp_path / "model")
    pd.testing.assert_frame_equal(Predictor.load(saved).predict(new_cohort), predictor.predict(new_cohort))
    content = b"".join(path.read_bytes() for path in saved.rglob("*") if path.is_file())
    assert not [name for name in (*cohort.radiograph_ids, *cohort.patient_ids) if name.encode() in content]
    assert {path.suffix for path in saved.rglob("*") if path.is_file()} == {".json", ".safetensors"}
    with pytest.raises(RunError, match="new folder"):
        predictor.save(saved)


def test_loads_alone_in_a_fresh_process_on_the_cpu(run, new_cohort, tmp_path):
    Predictor.from_run(run, "xattn").save(tmp_path / "model")
    code = (
        "import sys\nfrom xattn_bmd import Cohort, Predictor\n"
        "table = Predictor.load(sys.argv[1]).predict(Cohort.from_csv(sys.argv[2], images=sys.argv[3]))\n"
        "print(table['prediction'].sum())"
    )
    images = next(iter(new_cohort.image_paths.values())).parent
    arguments = [sys.executable, "-c", code, tmp_path / "model", images.parent / "cohort.csv", images]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    expected = Predictor.from_run(run, "xattn").predict(new_cohort)["prediction"].sum()
    assert float(done.stdout) == pytest.approx(expected, abs=1e-5)


def test_no_target_is_needed_and_none_is_read(run, tmp_path):
    table = write_cohort(tmp_path / "c", n=9, seed=6)
    frame = pd.read_csv(table)
    images = table.parent / "images"
    predictor = Predictor.from_run(run, "ridge")
    with_target = predictor.predict(Cohort.from_csv(table, images=images))
    frame.drop(columns="fn_bmd").to_csv(table, index=False)
    pd.testing.assert_frame_equal(predictor.predict(Cohort.from_csv(table, images=images)), with_target)


def test_other_variables_are_refused(run, tmp_path):
    roles = {**ROLES, "numeric": {"age": {"unit": "years", "range": [18, 110]}}}
    table = write_cohort(tmp_path / "c", n=9, roles=roles)
    with pytest.raises(CohortError, match="weight"):
        Predictor.from_run(run, "ridge").predict(Cohort.from_csv(table, images=table.parent / "images"))


def test_a_variable_in_another_unit_is_refused(run, tmp_path):
    roles = {**ROLES, "numeric": {**ROLES["numeric"], "age": {"unit": "months", "range": [200, 1400]}}}
    table = write_cohort(tmp_path / "c", n=9, roles=roles)
    pd.read_csv(table).assign(age=lambda frame: frame["age"] * 12).to_csv(table, index=False)
    with pytest.raises(CohortError, match="declared in months and was trained in years"):
        Predictor.from_run(run, "ridge").predict(Cohort.from_csv(table, images=table.parent / "images"))


def test_missing_radiograph_is_refused_before_anything_is_predicted(run, tmp_path):
    table = write_cohort(tmp_path / "c", n=9)
    (table.parent / "images" / "hip_003.png").unlink()
    with pytest.raises(CohortError, match="hip_003"):
        Predictor.from_run(run, "xattn").predict(Cohort.from_csv(table, images=table.parent / "images"))


def test_unknown_model_of_a_run_is_refused(run):
    with pytest.raises(RunError, match="'concat'"):
        Predictor.from_run(run, "concat")


def test_a_folder_that_is_no_predictor_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"predictor\.json"):
        Predictor.load(tmp_path)


@pytest.mark.parametrize("damage", ["weights", "state", "gone", "format", "predictor_format"])
def test_damaged_files_are_named(run, tmp_path, damage):
    copy = tmp_path / "model"
    shutil.copytree(run.folder / "ridge", copy)
    fold = copy / "repeat_00" / "fold_01"
    state = json.loads((fold / "state.json").read_text())
    if damage == "weights":
        data = (fold / "network.safetensors").read_bytes()
        (fold / "network.safetensors").write_bytes(data[: len(data) // 2])
    elif damage == "state":
        (fold / "state.json").write_text("{")
    elif damage == "gone":
        (fold / "network.safetensors").unlink()
    elif damage == "format":
        (fold / "state.json").write_text(json.dumps(state | {"format": "x-9"}))
    else:
        record = json.loads((copy / "predictor.json").read_text())
        (copy / "predictor.json").write_text(json.dumps(record | {"format": "x-9"}))
    with pytest.raises(RunError):
        Predictor.load(copy)


def test_roles_survive_the_round_trip(run, cohort):
    assert Predictor.from_run(run, "ridge").roles == cohort.roles
    assert yaml.safe_load((run.folder / "config.yaml").read_text())["reference"] == cohort.roles.reference


@pytest.fixture(scope="module")
def frozen_run(cohort_table, tmp_path_factory):
    root = tmp_path_factory.mktemp("frozen")
    torch.manual_seed(3)
    save_file(timm.create_model("test_resnet").state_dict(), root / "trunk.safetensors")
    settings = tiny(models=("concat",))
    model = replace(settings.model, weights=str(root / "trunk.safetensors"), freeze="trunk")
    cohort = Cohort.from_csv(cohort_table, images=cohort_table.parent / "images")
    config = replace(settings, model=model)
    return compare(cohort, out=root / "RUN", config=config, cache=root / "cache", progress=False)


def test_a_frozen_trunk_is_run_once_for_all_folds_and_nothing_changes(frozen_run, new_cohort, monkeypatch):
    predictor = Predictor.from_run(frozen_run, "concat")
    once = predictor.predict(new_cohort)
    monkeypatch.setattr(Predictor, "_shared_maps", lambda *_: None)
    np.testing.assert_allclose(once["prediction"], predictor.predict(new_cohort)["prediction"], atol=1e-6)


def test_folds_whose_trunks_differ_do_not_share_their_maps(frozen_run, new_cohort):
    from xattn_bmd.data.cache import cached_images, default_cache_folder

    predictor = Predictor.from_run(frozen_run, "concat")
    cache = cached_images(new_cohort.image_paths, image=predictor.image, folder=default_cache_folder())
    assert predictor._shared_maps(new_cohort, cache) is not None
    name = next(name for name in predictor.estimators[1].tensors if ".trunk." in name)
    predictor.estimators[1].tensors[name] = predictor.estimators[1].tensors[name] + 1
    assert predictor._shared_maps(new_cohort, cache) is None
