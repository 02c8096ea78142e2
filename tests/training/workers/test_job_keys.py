"""The content address of a fit changes with everything that decides it and with nothing else; a stored fit has it."""

import hashlib
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.cohorts import write_cohort
from tests.training.settings import tiny
from xattn_bmd import Cohort, FoldPlan, compare
from xattn_bmd.errors import RunError
from xattn_bmd.models.assets import BONE_ENCODER
from xattn_bmd.training.runs.run_record import pictures_digest
from xattn_bmd.training.study import Job, Study
from xattn_bmd.training.workers import job_keys
from xattn_bmd.training.workers.job_keys import Inputs, all_jobs, job_key, study_key, weights_digest
from xattn_bmd.training.workers.jobs import SharedStudy, fit_files

INPUTS = Inputs("a" * 64, "b" * 64)
JOB = Job("concat", 0, 1)


@pytest.fixture
def study(cohort):
    cohort = cohort.in_id_order()
    return Study(cohort, FoldPlan.make(cohort, folds=3), tiny(reference=cohort.roles.reference), Path("cache"))


def test_what_decides_a_fit_changes_its_key(study, tmp_path):
    other = write_cohort(tmp_path / "other", seed=9)
    config = study.config
    changed = [
        (replace(study, cohort=Cohort.from_csv(other).in_id_order()), JOB, INPUTS, None),
        (replace(study, plan=FoldPlan.make(study.cohort, folds=3, seed=5)), JOB, INPUTS, None),
        (replace(study, config=replace(config, seed=1)), JOB, INPUTS, None),
        (replace(study, config=replace(config, training=replace(config.training, threads=2))), JOB, INPUTS, None),
        (replace(study, config=replace(config, model=replace(config.model, dropout=0.2))), JOB, INPUTS, None),
        (study, Job("xattn", 0, 1), INPUTS, None),
        (study, Job("concat", 1, 1), INPUTS, None),
        (study, Job("concat", 0, 2), INPUTS, None),
        (study, JOB, replace(INPUTS, pictures="c" * 64), None),
        (study, JOB, replace(INPUTS, weights=None), None),
        (study, JOB, INPUTS, 7),
    ]
    keys = [job_key(where, job, inputs=inputs, trial=trial) for where, job, inputs, trial in changed]
    assert len({*keys, job_key(study, JOB, inputs=INPUTS)}) == len(changed) + 1


def test_what_does_not_decide_a_fit_leaves_its_key(study):
    fewer = replace(study, config=replace(study.config, models=("concat",)), cache_folder=Path("elsewhere"))
    assert job_key(fewer, JOB, inputs=INPUTS) == job_key(study, JOB, inputs=INPUTS)
    turned = replace(study, cohort=replace(study.cohort, table=study.cohort.table.iloc[::-1].reset_index(drop=True)))
    assert job_key(turned, JOB, inputs=INPUTS) == job_key(study, JOB, inputs=INPUTS)
    ridge = Job("ridge", 0, 1)
    assert job_key(study, ridge, inputs=Inputs("c" * 64)) == job_key(study, ridge, inputs=INPUTS)
    assert study_key(study, INPUTS) == study_key(fewer, INPUTS) != study_key(study, Inputs("c" * 64))


STORED_SETTINGS = """
{"folds": 3, "repeats": 1, "inner_fraction": 0.15, "seed": 0, "protocol": "nested",
 "reference": "lunar_femoral_neck_white_female",
 "image": {"size": 64, "crop": "border", "window": [0.5, 99.5]},
 "model": {"backbone": "test_resnet", "weights": "none", "freeze": "none", "width": 16, "layers": 2, "heads": 2,
           "dropout": 0.1, "head": "point", "key_value_updater": true, "layer_weight": true},
 "training": {"loss": "weighted_smooth_l1", "beta": 0.05, "weighting": "t_score_bands", "epochs": 2, "patience": 2,
              "batch_size": 8, "learning_rate": 0.001, "weight_decay": 0.05,
              "augment": {"rotation": 8.0, "translation": 0.05, "scale": 0.08, "contrast": 0.15, "gamma": 0.2,
                          "noise": 0.01, "flip": 0.0, "cutout": 0.0},
              "precision": "auto", "accelerator": "cpu", "threads": 1, "devices": 1, "compile": false}}
"""
"""Settings as they stood when fits were first stored; what came later is no part of the key of a fit without it."""


def test_a_fit_that_was_stored_before_later_settings_came_keeps_its_key(study):
    decided = ["xattn-bmd-fit-1", json.loads(STORED_SETTINGS), study.plan.hash, study.cohort.fingerprint]
    rest = [asdict(JOB), None, {"pictures": INPUTS.pictures, "weights": INPUTS.weights}]
    stored = hashlib.sha256(json.dumps([*decided, *rest], sort_keys=True).encode()).hexdigest()
    assert job_key(study, JOB, inputs=INPUTS) == stored


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"image_dropout": 0.1}},
        {"model": {"record_dropout": 0.1}},
        {"model": {"variable_dropout": 0.1}},
        {"training": {"seeds": 2}},
        {"training": {"averaging": "swa"}},
        {"training": {"averaged_epochs": 3}},
        {"training": {"test_views": 3}},
        {"model": {"mask_head": "unet"}},
        {"model": {"mask_width": 8}},
        {"training": {"mask_weight": 0.2}},
        {"model": {"class_head": "ordinal"}},
        {"training": {"class_weight": 2.0}},
        {"training": {"task_weights": "uncertainty"}},
    ],
)
def test_a_later_setting_that_is_used_changes_the_key(study, change):
    config = study.config
    changed = {group: replace(getattr(config, group), **values) for group, values in change.items()}
    other = replace(study, config=replace(config, **changed))
    assert job_key(other, JOB, inputs=INPUTS) != job_key(study, JOB, inputs=INPUTS)
    assert study_key(other, INPUTS) != study_key(study, INPUTS)


def test_other_masks_are_another_fit_of_what_looks_at_pictures_alone(study):
    other, third = (replace(INPUTS, masks=digit * 64) for digit in "de")
    assert len({job_key(study, JOB, inputs=inputs) for inputs in (INPUTS, other, third)}) == 3
    ridge = replace(JOB, model="ridge")
    assert job_key(study, ridge, inputs=other) == job_key(study, ridge, inputs=INPUTS)


def test_every_fit_of_a_comparison_has_a_key_of_its_own(study):
    config = replace(study.config, repeats=2)
    keys = {job_key(study, job, inputs=INPUTS) for job in all_jobs(config)}
    assert len(keys) == len(config.models) * 2 * 3


def test_the_weights_file_is_known_by_its_content(study, tmp_path):
    path = tmp_path / "w.safetensors"
    named = replace(study.config, model=replace(study.config.model, weights=str(path)))
    assert weights_digest(named) is None
    digests = set()
    for content in (b"one", b"two"):
        path.write_bytes(content)
        digests.add(weights_digest(named))
    assert len(digests) == 2 and None not in digests


def test_another_bone_encoder_is_another_fit(study, tmp_path, monkeypatch):
    config = replace(study.config, model=replace(study.config.model, weights="bone", backbone="tf_efficientnet_lite0"))
    study, path = replace(study, config=config), tmp_path / "bone_encoder.safetensors"
    installed = weights_digest(config)
    assert installed == hashlib.sha256(BONE_ENCODER.read_bytes()).hexdigest()
    monkeypatch.setattr(job_keys, "BONE_ENCODER", path)
    assert weights_digest(config) is None
    path.write_bytes(BONE_ENCODER.read_bytes() + b" ")
    before, after = (Inputs("a" * 64, digest) for digest in (installed, weights_digest(config)))
    assert job_key(study, JOB, inputs=before) != job_key(study, JOB, inputs=after)
    ridge = Job("ridge", 0, 1)
    assert job_key(study, ridge, inputs=before) == job_key(study, ridge, inputs=after)


def test_a_stored_fit_is_kept_only_under_its_key(cohort, tmp_path):
    settings, out = tiny(models=("ridge",)), tmp_path / "RUN"
    compare(cohort, out=out, config=settings, progress=False)
    before = (out / "predictions.csv").read_bytes()
    state = out / "ridge" / "repeat_00" / "fold_01" / "state.json"
    stored = json.loads(state.read_text())
    assert len(stored["record"]["key"]) == 64
    for spoiled in (stored | {"record": stored["record"] | {"key": "0" * 64}}, {"record": {}}):
        state.write_text(json.dumps(spoiled))
        with pytest.raises(RunError, match=r"fold_01 was fitted with something else.*delete that folder"):
            compare(cohort, out=out, config=settings, progress=False)
    shutil.rmtree(state.parent)
    compare(cohort, out=out, config=settings, progress=False)
    assert (out / "predictions.csv").read_bytes() == before


def test_what_travels_to_a_worker_is_what_was_given(study):
    shared = SharedStudy(study, INPUTS)
    assert shared.here is study
    assert set(shared.__getstate__()) == {"study", "inputs", "remote"}


def test_another_machine_uses_its_own_cache_and_the_clients_paths(study, tmp_path, monkeypatch):
    monkeypatch.setenv("XATTN_BMD_CACHE", str(tmp_path / "mine"))
    sent = SharedStudy(study, INPUTS).sent_elsewhere()
    assert sent.here.cache_folder == tmp_path / "mine"
    assert all(path.is_absolute() for path in sent.study.cohort.image_paths.values())


def _seen(study, tmp_path):
    """Digests of the files as a client sees them."""
    return Inputs(pictures_digest(replace(study, cache_folder=tmp_path / "client").images.content_hashes))


def test_a_machine_that_sees_other_files_is_refused(tmp_path):
    table = write_cohort(tmp_path / "c", n=24)
    cohort = Cohort.from_csv(table).in_id_order()
    study = Study(cohort, FoldPlan.make(cohort, folds=3), tiny(reference=cohort.roles.reference), tmp_path)
    inputs, image = _seen(study, tmp_path), table.parent / "images" / "hip_003.png"
    fit_files(JOB, SharedStudy(study, inputs).sent_elsewhere())
    kept = image.read_bytes()
    shutil.copyfile(table.parent / "images" / "hip_004.png", image)
    with pytest.raises(RunError, match="sees other pictures at the same paths"):
        fit_files(JOB, SharedStudy(study, inputs).sent_elsewhere())
    image.unlink()
    with pytest.raises(RunError, match=r"(?s)cannot; mount the same folder there\..*hip_003"):
        fit_files(JOB, SharedStudy(study, inputs).sent_elsewhere())
    fit_files(Job("ridge", 0, 0), SharedStudy(study, inputs).sent_elsewhere())
    image.write_bytes(kept)
    with pytest.raises(RunError, match="weights file"):
        fit_files(JOB, SharedStudy(study, Inputs(inputs.pictures, "0" * 64)).sent_elsewhere())
    assert asdict(inputs)["weights"] is None
