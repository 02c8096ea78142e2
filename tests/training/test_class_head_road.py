"""A class head beside the density's through the whole road: fits, tables, resumption, predictor, evaluation, refusals.

What it learns is counted by hand, and no label of a scored fold may matter.
"""

import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score

from tests.cohorts import draw_masks, spread, write_class_cohort, write_cohort
from tests.training.settings import TINY, tiny
from tests.volume_cohorts import write_volumes
from xattn_bmd import (
    Cohort,
    CohortDataModule,
    DensityModule,
    FoldPlan,
    Predictor,
    build_network,
    class_heads_table,
    compare,
    evaluate,
    get_reference,
    load_run,
    t_score,
    who_class,
)
from xattn_bmd.bone.qct import qct_class
from xattn_bmd.config import AugmentConfig, ImageConfig, from_dict, to_dict
from xattn_bmd.errors import CohortError, ConfigError, FoldPlanError, RunError
from xattn_bmd.metrics.crossfit import calibration_rows
from xattn_bmd.report.class_text import class_heads_text
from xattn_bmd.training.fits.fit import fit_job
from xattn_bmd.training.runs.estimator_file import load_estimator
from xattn_bmd.training.study import Job, Study
from xattn_bmd.training.workers.job_keys import study_inputs
from xattn_bmd.training.workers.jobs import SharedStudy, fit_files

NECK = get_reference("lunar_femoral_neck_white_female")
NAMES = ["normal", "osteopenia", "osteoporosis"]
CHANCES = [f"probability_{name}" for name in NAMES]
HEAD = replace(TINY.model, class_head="classes")
SETTINGS = tiny(models=("concat", "metadata_only", "ridge", "concat+ridge"), folds=2, model=HEAD)
ONCE = replace(TINY.training, epochs=1, patience=1)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return spread(write_cohort(tmp_path_factory.mktemp("spread") / "home", n=48))


@pytest.fixture(scope="module")
def cohort(table):
    return Cohort.from_csv(table)


@pytest.fixture(scope="module")
def run(cohort, tmp_path_factory):
    """A run with class heads; read-only."""
    return compare(cohort, out=tmp_path_factory.mktemp("run") / "RUN", config=SETTINGS, progress=False)


def classes_of(density):
    return who_class(t_score(density, reference=NECK))


def test_class_heads_speak_out_of_fold_beside_the_predictions(run):
    said, density = load_run(run.folder).class_predictions, run.predictions
    assert set(said["model"]) == {"concat", "metadata_only"} and "probability_normal" not in density
    key = ["model", "repeat", "fold", "radiograph_id", "patient_id"]
    own = density[density["model"].isin(said["model"])]
    pd.testing.assert_frame_equal(said[key].reset_index(drop=True), own[key].reset_index(drop=True))
    assert said["target"].tolist() == classes_of(own["target"]).tolist()
    np.testing.assert_allclose(said[CHANCES].sum(axis=1), 1.0, atol=1e-6)
    assert said["prediction"].tolist() == np.array(NAMES)[said[CHANCES].to_numpy().argmax(axis=1)].tolist()
    assert said[CHANCES].nunique().min() > 48
    fold = run.folder / "concat" / "repeat_00" / "fold_00"
    history = pd.read_csv(fold / "history.csv")
    assert {"train_loss", "train_class_loss", "val_class_loss"} < set(history)
    assert load_estimator(fold).record["epoch"] == int(history["val_loss"].idxmin())


def test_the_table_sets_both_ways_side_by_side_as_scikit_learn_scores_them(run):
    found = run.class_heads().set_index(["model", "classes_from", "class", "metric"])["value"]
    said, own = (each[each["model"] == "concat"] for each in (run.class_predictions, run.predictions))
    called = classes_of(own["prediction"])
    assert found["concat", "density", "all", "accuracy"] == pytest.approx(accuracy_score(said["target"], called))
    head, recall = ("concat", "class head", "macro"), recall_score(said["target"], said["prediction"], average="macro")
    assert found[(*head, "sensitivity")] == pytest.approx(recall)
    area = roc_auc_score(said["target"], said[CHANCES], multi_class="ovr")
    assert found[(*head, "auroc")] == pytest.approx(area)
    shown = class_heads_text(run.class_heads()).splitlines()
    assert shown[2].startswith("concat: density") and f"{accuracy_score(said['target'], called):.3f}" in shown[2]
    assert shown[4].startswith("concat: class head - density") and len(shown) == 2 + 2 * 3
    calibration = calibration_rows(run.calibration)
    again = class_heads_table(run.predictions, run.class_predictions, NECK, calibration=calibration)
    stored = run.class_heads()
    pd.testing.assert_frame_equal(stored[list(again)].fillna({"reason": ""}), again, check_dtype=False)
    assert set(stored["plan_hash"]) == {run.plan.hash} and set(stored["simulated"]) == {False}


def test_a_killed_run_is_continued_to_the_same_bytes(run, cohort, tmp_path):
    copy = tmp_path / "RUN"
    shutil.copytree(run.folder, copy)
    shutil.rmtree(copy / "concat" / "repeat_00" / "fold_01")
    for name in ("class_predictions.csv", "class_heads.csv"):
        (copy / name).unlink()
    compare(cohort, out=copy, config=SETTINGS, progress=False)
    files = {path.relative_to(run.folder) for path in run.folder.rglob("*") if path.is_file() and path.name != ".lock"}
    assert files == {path.relative_to(copy) for path in copy.rglob("*") if path.is_file() and path.name != ".lock"}
    assert [str(name) for name in files if (copy / name).read_bytes() != (run.folder / name).read_bytes()] == []


def test_a_worker_sends_the_same_table(run, cohort, tmp_path):
    study = Study(cohort.in_id_order(), run.plan, run.config, tmp_path)
    shared = SharedStudy(study, study_inputs(study, pictures=""))
    sent = fit_files(Job("metadata_only", 0, 1), shared.sent_elsewhere())
    stored = run.folder / "metadata_only" / "repeat_00" / "fold_01"
    assert sent.fold["class_predictions.csv"] == (stored / "class_predictions.csv").read_bytes()


@pytest.fixture(scope="module")
def predictor(run):
    return Predictor.from_run(run, "concat")


def test_a_predictor_keeps_its_class_heads_and_moves(run, predictor, table, cohort, tmp_path):
    found, each = predictor.predict(cohort), predictor.estimate_folds(cohort).classes
    columns = [f"joint_{name}" for name in CHANCES]
    assert list(found.columns) == list(predictor.estimate_columns) and list(found.columns[-3:]) == columns
    np.testing.assert_allclose(found[columns], each.mean(axis=0), atol=1e-12)
    assert (found["joint_class"] == np.array(NAMES)[each.mean(axis=0).argmax(axis=1)]).all()
    said = run.class_predictions[run.class_predictions["model"] == "concat"].set_index("radiograph_id")
    for place, name in enumerate(cohort.radiograph_ids):
        np.testing.assert_allclose(
            each[said.loc[name, "fold"], place], said.loc[name, CHANCES].astype(float), atol=1e-5
        )
    moved = Predictor.load(predictor.save(tmp_path / "saved"))
    pd.testing.assert_frame_equal(moved.predict(cohort), found)
    listed = pd.read_csv(moved.predict_archive(table, out=tmp_path / "list.csv").table)
    np.testing.assert_allclose(listed[columns], found[columns], atol=1e-5)
    plain = Predictor.from_run(run, "concat+ridge")
    assert not plain.has_class_head and "joint_class" not in plain.predict(cohort)


def test_another_hospital_judges_both_ways(predictor, run, tmp_path):
    path = spread(write_cohort(tmp_path / "away", n=24, seed=7))
    rows = pd.read_csv(path, dtype=str)
    rows.assign(patient_id="away_" + rows["patient_id"]).to_csv(path, index=False)
    away = Cohort.from_csv(path)
    done = evaluate([predictor, Predictor.from_run(run, "ridge")], away, out=tmp_path / "OUT", replicates=100)
    said = done.class_predictions
    assert set(said["model"]) == {"concat"} and len(said) == 24
    assert said["target"].tolist() == classes_of(away.in_id_order().targets).tolist()
    scored = done.class_heads()
    right = scored[(scored["class"] == "all") & (scored["metric"] == "accuracy")].set_index("classes_from")["value"]
    assert right["class head"] == pytest.approx((said["target"] == said["prediction"]).mean())
    own = done.predictions[done.predictions["model"] == "concat"]
    assert right["density"] == pytest.approx((classes_of(own["prediction"]) == said["target"]).mean())
    alone = evaluate(Predictor.from_run(run, "ridge"), away, out=tmp_path / "ALONE", replicates=100)
    with pytest.raises(RunError, match=r"have none; train them with model.class_head"):
        alone.class_heads()


def test_no_label_of_the_scored_fold_matters(cohort, run, tmp_path):
    cohort, job = cohort.in_id_order(), Job("metadata_only", 0, 0)
    scored = set(run.plan.split(0, 0, "nested").test)

    def fitted(changed):
        density = [
            1.7 - value if name in changed else value
            for name, value in zip(cohort.radiograph_ids, cohort.targets, strict=True)
        ]
        other = replace(cohort, table=cohort.table.assign(fn_bmd=density))
        assert len(set(classes_of(other.targets))) == 3
        return fit_job(job, Study(other, run.plan, run.config, tmp_path)).estimator.tensors

    before, after, seen = fitted(set()), fitted(scored), fitted({run.plan.split(0, 0, "nested").train[0]})
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert not all(np.array_equal(before[name], seen[name]) for name in before)


def test_the_trained_loss_is_the_sum_of_both_counted_by_hand(cohort):
    data = CohortDataModule(cohort, plan=FoldPlan.make(cohort, folds=2), image=TINY.image, use_images=False)
    model = replace(HEAD, dropout=0.0)
    network = build_network(
        fusion="metadata_only", schema=data.schema, config=model, target_mean=0.8, target_sd=0.2,
        class_shares=(0.4, 0.4, 0.2),
    )  # fmt: skip
    training = replace(TINY.training, loss="smooth_l1", class_weight=3.0)
    module = DensityModule(network, config=training, reference=NECK).train()
    module._trainer = SimpleNamespace(is_last_batch=False, world_size=1)
    batch = data.batch(torch.arange(12))
    total = float(module.training_step(batch, 0).detach())
    said = network(batch.image, batch.variables)
    error = np.abs(said.density.detach().numpy() - batch.target.numpy())
    density = np.where(error < 0.05, error**2 / 0.1, error - 0.025).mean()
    places = [NAMES.index(name) for name in classes_of(batch.target.double().numpy())]
    chances = said.class_log_probabilities.exp().detach().numpy()[np.arange(12), places]
    assert len(set(places)) == 3
    assert total == pytest.approx(density + 3.0 * 0.1 * -np.log(chances).mean(), rel=1e-5)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(80):
        optimiser.zero_grad()
        module.training_step(batch, 0).backward()
        optimiser.step()
    after = network(batch.image, batch.variables)
    assert after.class_log_probabilities.argmax(dim=1).tolist() == places
    assert (after.density.detach() - batch.target).abs().mean().item() < 0.3 * error.mean()


def test_masks_seeds_and_learned_weights_go_with_it(tmp_path):
    table = spread(write_cohort(tmp_path / "small", n=32))
    cohort = Cohort.from_csv(table, masks=draw_masks(table, tmp_path / "masks"))
    model = replace(HEAD, class_head="ordinal", mask_head="unet", mask_width=4)
    training = replace(ONCE, seeds=2, task_weights="uncertainty", test_views=2)
    config = tiny(models=("image_only",), folds=2, model=model, training=training, protocol="paper")
    run = compare(cohort, out=tmp_path / "RUN", config=config, progress=False)
    history = pd.read_csv(run.folder / "image_only" / "repeat_00" / "fold_00" / "history.csv")
    assert {"train_mask_loss", "train_class_loss"} < set(history)
    assert run.masks is not None and len(run.class_predictions) == 32
    predictor = Predictor.from_run(run, "image_only")
    found, each = predictor.predict(cohort), predictor.estimate_folds(cohort).classes
    said, place = run.class_predictions.iloc[0], cohort.radiograph_ids.index(run.class_predictions["radiograph_id"][0])
    np.testing.assert_allclose(each[said["fold"], place], said[CHANCES].astype(float), atol=1e-5)
    assert len(found) == 32 and set(run.class_heads()["classes_from"]) >= {"density", "class head"}


def test_volumes_have_the_classes_of_qct(tmp_path):
    cohort = Cohort.from_csv(write_volumes(tmp_path / "ct", n=24))
    model = replace(HEAD, backbone="densenet_small_3d", layers=1, class_head="ordinal")
    training = replace(ONCE, beta=15.0, augment=AugmentConfig(contrast=0.0, gamma=0.0))
    image = ImageConfig(size=32, slices=8)
    config = tiny(models=("image_only",), folds=2, model=model, training=training, image=image)
    run = compare(cohort, out=tmp_path / "RUN", config=config, progress=False)
    said = run.class_predictions
    assert said["target"].tolist() == qct_class(run.predictions["target"]).tolist()
    found = Predictor.from_run(run, "image_only").predict(cohort)
    assert {"qct_class", "probability_low", "joint_class", "joint_probability_low"} < set(found)
    assert found["joint_probability_low"].between(0, 1).all()


def test_a_run_without_a_class_head_says_so(cohort, tmp_path):
    config = tiny(models=("metadata_only",), folds=2, training=ONCE)
    run = compare(cohort, out=tmp_path / "RUN", config=config, progress=False)
    assert run.class_predictions is None and not list(run.folder.rglob("class_*"))
    with pytest.raises(RunError, match=r"model.class_head='classes' or 'ordinal'"):
        run.class_heads()


def refused(cohort, config, error, words, out):
    with pytest.raises(error, match=words):
        compare(cohort, out=out, config=config, progress=False)
    assert not out.exists()


def test_what_cannot_have_a_class_head_is_refused_before_anything_is_written(table, cohort, tmp_path):
    out = tmp_path / "RUN"
    vertebrae = Cohort.from_csv(write_class_cohort(tmp_path / "classes", n=16))
    refused(vertebrae, tiny(model=HEAD), ConfigError, "is a class already .* set class_head to 'none'", out)
    narrow = Cohort.from_csv(write_cohort(tmp_path / "narrow", n=16))
    healthy = replace(narrow, table=narrow.table.assign(fn_bmd=np.linspace(1.0, 1.3, 16)))
    refused(healthy, SETTINGS, FoldPlanError, "has none that is 'osteopenia'; use fewer folds, or set model.class", out)
    missing = replace(cohort, table=cohort.table.assign(fn_bmd=[np.nan, *cohort.targets[1:]]))
    refused(missing, SETTINGS, CohortError, "density", out)


def test_settings_are_read_and_refused_by_name(cohort):
    for group, values, words in (
        ("model", {"class_head": "softmax"}, "model.class_head is one of none, classes, ordinal, but 'softmax'"),
        ("training", {"class_weight": 0.0}, r"training.class_weight must lie between 0.0 and 100.0, but 0.0"),
    ):
        with pytest.raises(ConfigError, match=words):
            from_dict({group: values})
    assert from_dict(to_dict(SETTINGS)) == SETTINGS
    data = CohortDataModule(cohort, plan=FoldPlan.make(cohort, folds=2), image=TINY.image, use_images=False)
    network = build_network(fusion="metadata_only", schema=data.schema, config=HEAD)
    with pytest.raises(ConfigError, match="cut-offs of a reference, but none was given"):
        DensityModule(network, config=TINY.training)
