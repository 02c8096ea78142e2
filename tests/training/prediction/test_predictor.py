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
from scipy.stats import norm

from tests.cohorts import ROLES, write_cohort
from tests.training.settings import tiny
from xattn_bmd import Cohort, Predictor, compare, get_reference, t_score
from xattn_bmd.data.cache import cached_images
from xattn_bmd.data.datamodule import cohort_images
from xattn_bmd.errors import CohortError, MetricError, RunError
from xattn_bmd.training.prediction.development import Development
from xattn_bmd.training.prediction.ensemble import Ensemble
from xattn_bmd.training.runs.estimator_file import load_estimator

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


def _estimate(estimator, cohort, cache):
    return estimator.estimate(cohort, images=cohort_images(cohort, cache)).table["prediction"].to_numpy()


def _cache(cohort, image, folder):
    return cached_images(cohort.image_paths, image=image, folder=folder)


@pytest.mark.parametrize("model", MODELS)
def test_prediction_is_the_mean_of_the_folds(run, new_cohort, model, tmp_path):
    predictor = Predictor.from_run(run, model)
    table = predictor.predict(new_cohort)
    cache = _cache(new_cohort, predictor.image, tmp_path)
    folds = [
        _estimate(load_estimator(run.folder / model / "repeat_00" / f"fold_{fold:02d}"), new_cohort, cache)
        for fold in range(3)
    ]
    np.testing.assert_allclose(table["prediction"], np.mean(folds, axis=0), atol=1e-6)
    np.testing.assert_allclose(table["fold_sd"], np.std(folds, axis=0, ddof=1), atol=1e-6)


def test_a_stored_fold_repeats_its_scored_predictions(run, cohort, tmp_path):
    estimator = load_estimator(run.folder / "xattn" / "repeat_00" / "fold_01")
    each = _estimate(estimator, cohort, _cache(cohort, run.config.image, tmp_path))
    everything = dict(zip(cohort.radiograph_ids, each, strict=True))
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


def test_a_predictor_of_an_older_run_says_how_to_write_it_anew(run, tmp_path):
    shutil.copytree(run.folder / "ridge", tmp_path / "model")
    file = tmp_path / "model" / "predictor.json"
    record = json.loads(file.read_text())
    del record["development"]
    file.write_text(json.dumps(record | {"format": "xattn-bmd-predictor-1"}))
    with pytest.raises(RunError, match="run the same `compare` command again"):
        Predictor.load(tmp_path / "model")


@pytest.mark.parametrize("level", [0.5, 0.9])
@pytest.mark.parametrize("model", ["ridge", "xattn"])
def test_interval_is_cv_plus_as_written_down_in_its_definition(run, new_cohort, model, level):
    predictor = Predictor.from_run(run, model)
    each = predictor.estimate_folds(new_cohort).each
    scored = run.predictions[run.predictions["model"] == model]
    residual = (scored["target"] - scored["prediction"]).abs().to_numpy()
    centres = each[scored["fold"].to_numpy()]
    rank = int(np.ceil(level * (len(residual) + 1)))
    table = predictor.predict(new_cohort, level=level)
    np.testing.assert_allclose(table["high"], np.sort(centres + residual[:, None], axis=0)[rank - 1], atol=1e-6)
    np.testing.assert_allclose(table["low"], np.sort(centres - residual[:, None], axis=0)[-rank], atol=1e-6)
    assert set(table["level"]) == {level}


def test_a_level_that_the_cohort_is_too_small_for_has_no_ends(run, new_cohort):
    table = Predictor.from_run(run, "ridge").predict(new_cohort, level=0.99)
    assert np.isinf(table["low"]).all() and np.isinf(table["high"]).all()
    with pytest.raises(MetricError, match="between 0 and 1"):
        Predictor.from_run(run, "ridge").predict(new_cohort, level=90)


def test_probability_of_low_density_follows_the_out_of_fold_line(run, new_cohort):
    scored = run.predictions[run.predictions["model"] == "ridge"]
    (slope, intercept), (left,), *_ = np.polyfit(scored["prediction"], scored["target"], 1, full=True)
    table = Predictor.from_run(run, "ridge").predict(new_cohort)
    reference = get_reference(run.config.reference)
    centre, sd = intercept + slope * table["prediction"], np.sqrt(left / (len(scored) - 2))
    np.testing.assert_allclose(table["probability_low"], norm.cdf(reference.mean - reference.sd, loc=centre, scale=sd))


def test_development_is_kept_as_numbers(run, cohort):
    kept = Predictor.from_run(run, "ridge").development
    assert (kept.n, kept.patients) == (len(cohort), len(set(cohort.patient_ids)))
    assert (kept.target_mean, kept.target_sd) == pytest.approx((cohort.targets.mean(), cohort.targets.std(ddof=1)))
    internal = {(row.metric, row.threshold, row.average): row for row in kept.internal if row.threshold == -1.0}
    stored = run.screening().query("model == 'ridge' and metric == 'auroc' and threshold == -1").iloc[0]
    assert internal["auroc", -1.0, ""].value == pytest.approx(stored["value"])
    assert internal["auroc", -1.0, ""].high == pytest.approx(stored["high"])
    residuals = (run.predictions["prediction"] - run.predictions["target"]).abs()[run.predictions["model"] == "ridge"]
    np.testing.assert_array_equal(np.sort(kept.residuals.size), np.sort(residuals))


def test_development_knows_its_patients_and_pictures_and_no_others(run, cohort):
    seen = Predictor.from_run(run, "ridge").development.seen
    cache = cached_images(cohort.image_paths, image=run.config.image, folder=run.folder.parent / "cache")
    assert all(map(seen.has_patient, cohort.patient_ids)) and all(map(seen.has_picture, cache.content_hashes))
    assert not seen.has_patient("q001") and not seen.has_picture("0" * 64)
    text = (run.folder / "ridge" / "predictor.json").read_text()
    assert not [content for content in cache.content_hashes if content in text]


def test_development_survives_the_round_trip(run):
    kept = Predictor.from_run(run, "xattn").development
    again = Development.from_dict(json.loads(json.dumps(kept.to_dict(), allow_nan=False)))
    assert again.to_dict() == kept.to_dict()
    np.testing.assert_array_equal(again.residuals.fold, kept.residuals.fold)


def test_residuals_of_repeats_point_at_the_model_of_their_own_repeat_and_fold(cohort_table, tmp_path):
    cohort = Cohort.from_csv(cohort_table, images=cohort_table.parent / "images")
    config = tiny(models=("ridge",), repeats=2)
    run = compare(cohort, out=tmp_path / "RUN", config=config, cache=tmp_path / "cache", progress=False)
    predictor = Predictor.from_run(run, "ridge")
    kept = predictor.development.residuals
    for position, estimator in enumerate(predictor.estimators):
        own = {name: estimator.record[name] for name in ("repeat", "fold")}
        rows = run.predictions[(run.predictions[list(own)] == pd.Series(own)).all(axis=1)]
        expected = np.sort((rows["prediction"] - rows["target"]).abs())
        np.testing.assert_array_equal(kept.size[kept.fold == position], expected)


def test_a_run_killed_before_its_predictors_were_written_is_completed_to_the_same_bytes(run, cohort):
    files = [run.folder / model / "predictor.json" for model in MODELS]
    before = [file.read_bytes() for file in files]
    files[0].unlink()
    compare(cohort, out=run.folder, config=run.config, cache=run.folder.parent / "cache", progress=False)
    assert [file.read_bytes() for file in files] == before


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


def test_a_frozen_trunk_is_run_once_for_all_folds_and_nothing_changes(frozen_run, new_cohort, tmp_path):
    predictor = Predictor.from_run(frozen_run, "concat")
    networks = predictor.ensemble.networks
    assert predictor.ensemble.shares_map
    assert len({id(network.image_encoder.trunk) for network in networks}) == 1
    calls = []
    next(networks[0].image_encoder.trunk.children()).register_forward_hook(lambda *_: calls.append(1))
    once = predictor.estimate_folds(new_cohort).each
    assert len(calls) == 1
    cache = _cache(new_cohort, predictor.image, tmp_path)
    for density, estimator in zip(once, predictor.estimators, strict=True):
        np.testing.assert_allclose(density, _estimate(estimator, new_cohort, cache), atol=1e-6)


def test_folds_whose_trunks_differ_do_not_share_them(frozen_run, new_cohort):
    predictor = Predictor.from_run(frozen_run, "concat")
    name = next(name for name in predictor.estimators[1].tensors if name.endswith("trunk.conv1.0.weight"))
    before = predictor.estimate_folds(new_cohort).each
    predictor.estimators[1].tensors[name] = predictor.estimators[1].tensors[name] * 2
    other = Ensemble.build(predictor.estimators)
    assert not other.shares_map
    changed = replace(predictor, estimators=other.estimators).estimate_folds(new_cohort).each
    np.testing.assert_allclose(changed[[0, 2]], before[[0, 2]], atol=1e-6)
    assert np.abs(changed[1] - before[1]).max() > 1e-6


def test_networks_are_built_once_and_kept(run, new_cohort):
    predictor = Predictor.from_run(run, "xattn")
    first = predictor.ensemble
    predictor.predict(new_cohort)
    assert predictor.ensemble is first


def test_a_cohort_of_several_blocks_is_estimated_in_order(run, new_cohort, cohort):
    predictor = Predictor.from_run(run, "xattn")
    assert len(cohort) > 32
    whole = predictor.predict(cohort).set_index("radiograph_id")["prediction"]
    last = cohort.radiograph_ids[33:]
    part = Cohort.from_table(cohort.table.iloc[33:], roles=cohort.roles, images=cohort.images.folder)
    part = replace(part, images=replace(part.images, without_row=()))
    np.testing.assert_allclose(predictor.predict(part)["prediction"], whole[list(last)], atol=1e-6)


def test_threads_are_as_before_after_a_prediction(run, new_cohort):
    before = torch.get_num_threads()
    Predictor.from_run(run, "xattn").predict(new_cohort)
    assert torch.get_num_threads() == before
