"""A stack through the whole road: made of stored fits, never of the scored fold, resumed, saved, keyed."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.cohorts import write_cohort
from tests.training.settings import TINY, tiny
from xattn_bmd import Cohort, FoldPlan, Predictor, compare
from xattn_bmd.errors import CohortError, ConfigError, MetricError, ModelError
from xattn_bmd.metrics.predictions import read_calibration
from xattn_bmd.report.model_words import STACK_WORDS, model_words
from xattn_bmd.training.fits.stacking import stack_weights
from xattn_bmd.training.registry import uses_both, uses_images
from xattn_bmd.training.runs import stacked
from xattn_bmd.training.runs.estimator_file import load_estimator
from xattn_bmd.training.runs.fold_store import fold_folder
from xattn_bmd.training.study import Job, Study
from xattn_bmd.training.workers.job_keys import Inputs, job_key

STACK = "concat+ridge"
SETTINGS = tiny(models=("concat", "ridge", STACK), folds=2)
JOB = Job(STACK, 0, 1)


@pytest.fixture(scope="module")
def run(cohort_table, tmp_path_factory):
    """A run of two models and their stack; read-only."""
    out = tmp_path_factory.mktemp("run") / "RUN"
    return compare(Cohort.from_csv(cohort_table), out=out, config=SETTINGS, progress=False)


def _weights(folder, job=JOB):
    return json.loads((fold_folder(folder, job) / "state.json").read_text())["record"]["weights"]


def _of(table, model, fold=1):
    mine = table[(table["model"] == model) & (table["fold"] == fold)]
    return mine.set_index("radiograph_id")


def test_predictions_are_the_members_weighted_by_what_the_inner_validation_part_says(run):
    validation = [_of(run.calibration, name) for name in ("concat", "ridge")]
    held_out = np.stack([part["prediction"].loc[validation[0].index] for part in validation])
    weights = stack_weights(held_out, validation[0]["target"].to_numpy())
    assert list(_weights(run.folder)) == ["concat", "ridge"]
    np.testing.assert_allclose(list(_weights(run.folder).values()), weights, atol=1e-6)
    scored = [_of(run.predictions, name) for name in ("concat", "ridge", STACK)]
    expected = weights[0] * scored[0]["prediction"] + weights[1] * scored[1]["prediction"]
    np.testing.assert_allclose(scored[2]["prediction"], expected[scored[2].index], atol=1e-12)
    assert (scored[2]["target"] == scored[0]["target"][scored[2].index]).all()


def test_nothing_of_the_scored_fold_reaches_a_weight(run, tmp_path):
    copy = tmp_path / "RUN"
    shutil.copytree(run.folder, copy)
    shutil.rmtree(copy / STACK)
    for name in ("concat", "ridge"):
        path = fold_folder(copy, replace(JOB, model=name)) / "predictions.csv"
        table = pd.read_csv(path)
        table.assign(target=2.0 - table["target"], prediction=table["prediction"][::-1].to_numpy()).to_csv(
            path, index=False
        )
    files = stacked.stack_fold(copy, JOB, key="k")
    assert json.loads(files.fold["state.json"])["record"]["weights"] == _weights(run.folder)


def test_a_leak_of_the_scored_fold_into_the_validation_part_is_refused(run, tmp_path):
    copy = tmp_path / "RUN"
    shutil.copytree(run.folder, copy)
    folder = fold_folder(copy, replace(JOB, model="ridge"))
    leaked = pd.concat([pd.read_csv(folder / "calibration.csv"), pd.read_csv(folder / "predictions.csv").head(2)])
    leaked.to_csv(folder / "calibration.csv", index=False)
    with pytest.raises(MetricError, match="never sees the patients scored in it"):
        stacked.stack_fold(copy, JOB, key="k")


def test_its_own_validation_rows_are_predicted_without_their_patient(run, monkeypatch):
    table = read_calibration(run.folder / "calibration.csv")
    mine, concat, ridge = (_of(table, name) for name in (STACK, "concat", "ridge"))
    for name in mine.index:
        others = concat.index[concat["patient_id"] != concat.loc[name, "patient_id"]]
        held_out = np.stack([part.loc[others, "prediction"] for part in (concat, ridge)])
        weights = stack_weights(held_out, concat.loc[others, "target"].to_numpy())
        expected = weights @ [part.loc[name, "prediction"] for part in (concat, ridge)]
        assert mine.loc[name, "prediction"] == pytest.approx(expected, abs=1e-9)


def test_a_lost_fold_of_the_stack_is_made_again_and_no_member_is_fitted(run, cohort, tmp_path, monkeypatch):
    from xattn_bmd.training.workers import jobs

    copy = tmp_path / "RUN"
    shutil.copytree(run.folder, copy)
    lost = fold_folder(copy, JOB)
    shutil.rmtree(lost)
    monkeypatch.setattr(jobs, "fit_job", lambda *_, **__: pytest.fail("a finished fold was fitted again"))
    compare(cohort, out=copy, config=SETTINGS, progress=False)
    for path in fold_folder(run.folder, JOB).iterdir():
        assert (lost / path.name).read_bytes() == path.read_bytes()
    assert (copy / "predictions.csv").read_bytes() == (run.folder / "predictions.csv").read_bytes()


def test_a_predictor_of_the_stack_is_whole_alone(run, tmp_path):
    cohort = Cohort.from_csv(write_cohort(tmp_path / "new", n=7, seed=5))
    stack, concat, ridge = (Predictor.from_run(run, name) for name in (STACK, "concat", "ridge"))
    expected = np.zeros((2, 7))
    for fold in range(2):
        weights = _weights(run.folder, replace(JOB, fold=fold))
        for name, one in (("concat", concat), ("ridge", ridge)):
            expected[fold] += weights[name] * one.estimate_folds(cohort).each[fold]
    found = stack.predict(cohort)
    np.testing.assert_allclose(found["prediction"], expected.mean(axis=0), atol=1e-6)
    saved = stack.save(tmp_path / "model")
    shutil.copytree(saved, tmp_path / "elsewhere" / "model")
    pd.testing.assert_frame_equal(Predictor.load(tmp_path / "elsewhere" / "model").predict(cohort), found)
    done = stack.predict_archive(tmp_path / "new" / "cohort.csv", out=tmp_path / "list.csv")
    np.testing.assert_allclose(pd.read_csv(done.table)["prediction"], found["prediction"], atol=1e-6)


def test_a_stored_fold_says_what_it_said(run, cohort):
    from xattn_bmd.data.cache import cached_images, default_cache_folder
    from xattn_bmd.data.datamodule import cohort_images

    estimator = load_estimator(fold_folder(run.folder, JOB))
    cache = cached_images(cohort.image_paths, image=run.config.image, folder=default_cache_folder())
    said = estimator.estimate(cohort, images=cohort_images(cohort, cache), accelerator="cpu").table["prediction"]
    everything = dict(zip(cohort.radiograph_ids, said, strict=True))
    scored = _of(run.predictions, STACK)
    np.testing.assert_allclose(scored["prediction"], [everything[name] for name in scored.index], atol=2e-6)


def test_a_stack_takes_no_radiograph_without_all_inputs(run, tmp_path):
    table = write_cohort(tmp_path / "new", n=5, seed=5)
    frame = pd.read_csv(table, dtype=object)
    frame.loc[1, ["age", "weight", "sex", "smoking"]] = None
    frame.to_csv(table, index=False)
    with pytest.raises(CohortError, match=r"hip_001: The stack 'concat\+ridge' needs all that its members read"):
        Predictor.from_run(run, STACK).predict(Cohort.from_csv(table))


def test_its_key_follows_its_members_and_nothing_else(cohort):
    cohort = cohort.in_id_order()
    config = replace(SETTINGS, reference=cohort.roles.reference)
    study = Study(cohort, FoldPlan.make(cohort, folds=2), config, None)
    inputs, other = Inputs("a" * 64), Inputs("c" * 64)
    key = job_key(study, JOB, inputs=inputs)
    assert key != job_key(study, JOB, inputs=other)
    assert key != job_key(study, replace(JOB, model="ridge+concat"), inputs=inputs)
    assert key != job_key(study, replace(JOB, fold=0), inputs=inputs)
    records = replace(JOB, model="ridge+boosted_trees")
    assert job_key(study, records, inputs=inputs) == job_key(study, records, inputs=other)


def test_what_a_stack_reads_is_what_its_members_read():
    assert uses_images(STACK) and not uses_images("ridge+boosted_trees") and not uses_both(STACK)


def test_a_stack_of_baselines_adds_no_column_of_a_head_and_needs_no_picture(tmp_path):
    table = write_cohort(tmp_path / "c", n=24)
    shutil.rmtree(table.parent / "images")
    config = tiny(
        models=("ridge", "boosted_trees", "ridge+boosted_trees"),
        folds=2,
        model=replace(TINY.model, head="gaussian"),
        training=replace(TINY.training, loss="gaussian_nll"),
    )
    run = compare(Cohort.from_csv(table), out=tmp_path / "RUN", config=config, progress=False)
    assert "sd" not in run.predictions.columns and set(run.metrics()["model"]) == set(config.models)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"models": ("concat", STACK)}, ModelError, "without ridge"),
        ({"models": ("concat", "ridge", "concat+ridgee")}, ModelError, "without ridgee"),
        ({"protocol": "paper"}, ConfigError, "fitted on the inner validation part"),
    ],
)
def test_impossible_stacks_write_nothing(cohort, tmp_path, changes, error, words):
    with pytest.raises(error, match=words):
        compare(cohort, out=tmp_path / "RUN", config=replace(SETTINGS, **changes), progress=False)
    assert not (tmp_path / "RUN").exists()


def test_the_report_says_what_a_stack_is():
    class Source:
        is_run = True

    class Of:
        models, source = ("concat", STACK), Source()

    (terms,) = model_words(Of())
    assert dict(terms.items)[STACK] == STACK_WORDS
