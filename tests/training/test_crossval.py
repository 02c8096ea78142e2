"""The comparison on a made-up cohort: complete, leak-free, resumable, repeatable to the last byte."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cohorts import ROLES, write_cohort
from tests.processes import started
from tests.training.settings import tiny
from xattn_bmd import Cohort, FoldPlan, compare, load_run
from xattn_bmd.config import ImageConfig, TrainingConfig
from xattn_bmd.errors import CohortError, ConfigError, FoldPlanError, ModelError, RunError
from xattn_bmd.training.workers import jobs


@pytest.fixture(scope="module")
def finished(cohort_table, tmp_path_factory):
    """A run of all six models; read-only."""
    cohort = Cohort.from_csv(cohort_table, images=cohort_table.parent / "images")
    root = tmp_path_factory.mktemp("run")
    return compare(cohort, out=root / "RUN", config=tiny(), cache=root / "cache", progress=False)


def test_every_radiograph_is_predicted_once_per_model(finished, cohort):
    counts = finished.predictions.groupby("model")["radiograph_id"].agg(["count", "nunique"])
    assert set(counts.index) == set(tiny().models)
    assert (counts == len(cohort)).all(axis=None)


def test_no_patient_is_on_two_sides(finished, cohort):
    patient_of = dict(zip(cohort.radiograph_ids, cohort.patient_ids, strict=True))
    for fold in range(3):
        split = finished.plan.split(0, fold, "nested")
        train, validation, test = (
            {patient_of[name] for name in part} for part in (split.train, split.validation, split.test)
        )
        assert not train & test and not train & validation and not validation & test
        assert train and validation and test


def test_all_models_carry_the_same_plan_hash_and_folds(finished):
    records = [json.loads(path.read_text())["record"] for path in finished.folder.rglob("state.json")]
    assert len(records) == 18
    assert {record["plan_hash"] for record in records} == {finished.plan.hash}
    folds = finished.predictions.pivot(index="radiograph_id", columns="model", values="fold")
    assert (folds.nunique(axis=1) == 1).all()


def test_run_folder_holds_what_the_design_names(finished):
    names = {path.name for path in finished.folder.iterdir() if not path.name.startswith(".")}
    files = {"config.yaml", "fold_plan.json", "cohort.json", "environment.json", "record.csv", "attention.csv"}
    tables = {"predictions.csv", "calibration.csv", "metrics.csv", "screening.csv", "comparisons.csv"}
    assert names == files | tables | set(tiny().models)
    fold = finished.folder / "xattn" / "repeat_00" / "fold_02"
    assert {path.name for path in fold.iterdir()} == {
        "network.safetensors",
        "state.json",
        "history.csv",
        "predictions.csv",
        "calibration.csv",
        "attention.csv",
    }


def test_attention_is_kept_for_the_models_that_have_it(finished):
    table = finished.attention
    assert set(table["model"]) == {"xattn"}
    shares = table.groupby("fold")["attention"].sum()
    assert shares.to_numpy() == pytest.approx(1.0)
    assert len(shares) == 3
    counted = table.drop_duplicates("fold")["n"].sum()
    assert counted == finished.predictions["radiograph_id"].nunique()


def test_a_run_writes_its_own_report(finished, undrawn):
    page = finished.report()
    assert page == finished.folder / "report.html"
    assert "on each variable, mean over scored folds" in page.read_text()
    page.unlink()
    shutil.rmtree(finished.folder / "report")


def test_results_are_read_back(finished):
    again = load_run(finished.folder)
    assert again.config == finished.config
    assert again.plan.hash == finished.plan.hash
    assert not again.optimistic
    assert {"model", "metric", "value", "low", "high", "n", "method"} <= set(again.metrics().columns)
    assert set(again.screening()["threshold"]) == {-1.0, -2.5}
    stored, other = again.screening(), again.screening(thresholds=(-1.0, -2.0))
    assert set(other["threshold"]) == {-1.0, -2.0}
    both = [table[table["threshold"] == -1.0]["value"].to_numpy() for table in (stored, other)]
    np.testing.assert_allclose(*both)
    with pytest.raises(ConfigError, match="nan"):
        again.screening(thresholds=[float("nan")])
    assert set(again.comparison("xattn", "image_only")["model_a"]) == {"xattn"}
    with pytest.raises(RunError, match="did you mean 'concat'"):
        again.comparison("xattn", "conact")


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(finished, cohort, tmp_path):
    models = ("xattn", "boosted_trees")
    same = compare(cohort, out=tmp_path / "a", config=tiny(models=models), progress=False)
    other = compare(cohort, out=tmp_path / "b", config=tiny(models=("image_only",), seed=1), progress=False)
    first = finished.predictions[finished.predictions["model"].isin(models)]
    pd.testing.assert_frame_equal(same.predictions.reset_index(drop=True), first.reset_index(drop=True))
    network = finished.predictions[finished.predictions["model"] == "image_only"].reset_index(drop=True)
    assert not other.predictions["prediction"].equals(network["prediction"])


def test_a_finished_run_is_not_fitted_again(finished, cohort, monkeypatch):
    before = (finished.folder / "predictions.csv").read_bytes()
    monkeypatch.setattr(jobs, "fit_job", lambda *_, **__: pytest.fail("a finished fold was fitted again"))
    compare(cohort, out=finished.folder, config=tiny(), progress=False)
    assert (finished.folder / "predictions.csv").read_bytes() == before


def test_a_lost_fold_alone_is_repeated_and_the_bytes_are_the_same(finished, cohort, tmp_path, monkeypatch):
    copy = tmp_path / "RUN"
    shutil.copytree(finished.folder, copy)
    shutil.rmtree(copy / "concat" / "repeat_00" / "fold_01")
    (copy / "predictions.csv").unlink()
    (copy / "concat" / "repeat_00" / ".partial-fold_01-killed").mkdir()
    fitted = []
    original = jobs.fit_job
    monkeypatch.setattr(jobs, "fit_job", lambda job, study, **rest: fitted.append(job) or original(job, study, **rest))
    compare(cohort, out=copy, config=tiny(), progress=False)
    assert [(job.model, job.fold) for job in fitted] == [("concat", 1)]
    assert not list(copy.rglob(".partial-*"))
    for name in ("predictions.csv", "calibration.csv", "record.csv", "cohort.json"):
        assert (copy / name).read_bytes() == (finished.folder / name).read_bytes()


THREE = tiny(models=("metadata_only", "image_only", "concat"))


def _compared(table, out, cache):
    cohort = Cohort.from_csv(table, images=table.parent / "images")
    compare(cohort, out=out, config=THREE, cache=cache, progress=False)


def _predicted_by(models, run):
    """Return the header of the table of predictions and the lines of some models, in the order of the models."""
    header, *lines = (run / "predictions.csv").read_bytes().splitlines(keepends=True)
    place = header.decode().split(",").index("model")
    return [header, *(line for name in models for line in lines if line.decode().split(",")[place] == name)]


def test_sigkill_in_mid_run_costs_at_most_one_fold(finished, cohort, cohort_table, tmp_path):
    out = tmp_path / "RUN"
    process = started(_compared, cohort_table, out, tmp_path / "cache")
    while len(list(out.glob("*/repeat_00/fold_*"))) < 4:
        assert process.is_alive(), "the run ended before it could be killed"
        time.sleep(0.02)
    process.kill()
    process.join()
    stored = {path: path.stat().st_mtime_ns for path in out.glob("*/repeat_00/fold_*/network.safetensors")}
    assert stored and not (out / "predictions.csv").exists()
    compare(cohort, out=out, config=THREE, cache=tmp_path / "cache", progress=False)
    assert all(path.stat().st_mtime_ns == when for path, when in stored.items())
    expected = _predicted_by(THREE.models, finished.folder)
    assert len(expected) == 1 + 3 * len(cohort)
    assert (out / "predictions.csv").read_bytes() == b"".join(expected)
    assert not list(out.rglob(".partial-*"))


def test_another_configuration_is_refused_and_nothing_changes(finished, cohort):
    before = {path: path.read_bytes() for path in finished.folder.rglob("*") if path.is_file()}
    with pytest.raises(RunError, match=r"config\.yaml"):
        compare(cohort, out=finished.folder, config=tiny(protocol="paper"), progress=False)
    assert {path: path.read_bytes() for path in finished.folder.rglob("*") if path.is_file()} == before


def test_another_cohort_is_refused(finished, tmp_path):
    table = write_cohort(tmp_path / "other", seed=9)
    other = Cohort.from_csv(table, images=table.parent / "images")
    with pytest.raises(RunError, match="same settings"):
        compare(other, out=finished.folder, config=tiny(), progress=False)


def test_paper_protocol_is_labelled_optimistic(cohort, tmp_path):
    run = compare(
        cohort, out=tmp_path / "RUN", config=tiny(models=("metadata_only",), protocol="paper"), progress=False
    )
    assert run.optimistic
    split = run.plan.split(0, 0, "paper")
    assert set(split.validation) == set(split.test)


def test_your_own_plan_is_used_as_it_is(cohort, tmp_path):
    plan = FoldPlan.make(cohort, folds=4, seed=77)
    run = compare(cohort, out=tmp_path / "RUN", config=tiny(models=("ridge",)), plan=plan, progress=False)
    assert (run.plan.hash, run.config.folds) == (plan.hash, 4)


def test_a_plan_of_another_cohort_is_refused(cohort, tmp_path):
    table = write_cohort(tmp_path / "other", n=24)
    plan = FoldPlan.make(Cohort.from_csv(table, images=table.parent / "images"), folds=3)
    with pytest.raises(FoldPlanError):
        compare(cohort, out=tmp_path / "RUN", config=tiny(), plan=plan, progress=False)
    assert not (tmp_path / "RUN").exists()


def test_the_same_picture_under_two_patients_is_refused(tmp_path):
    table = write_cohort(tmp_path / "c")
    images = table.parent / "images"
    shutil.copyfile(images / "hip_000.png", images / "hip_021.png")
    with pytest.raises((CohortError, FoldPlanError), match="hip_0"):
        compare(Cohort.from_csv(table, images=images), out=tmp_path / "RUN", config=tiny(), progress=False)
    assert not (tmp_path / "RUN").exists()


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"models": ("xattn", "xatn")}, ModelError, "did you mean 'xattn'"),
        ({"models": ("xattn", "xattn")}, ModelError, "twice"),
        ({"models": ()}, ModelError, "at least one model"),
        ({"folds": 500}, FoldPlanError, "500"),
        ({"folds": 1}, ConfigError, "folds must be at least 2"),
        ({"folds": 0}, ConfigError, "folds must be at least 2"),
        ({"repeats": 0}, ConfigError, "repeats must be at least 1"),
        ({"seed": -1}, ConfigError, "seed must be at least 0"),
        ({"config": tiny(reference="mars_femoral_neck")}, ConfigError, "mars_femoral_neck"),
        ({"config": tiny(image=ImageConfig(size=32))}, ModelError, "at least 2 patches"),
        ({"config": tiny(training=TrainingConfig(accelerator="tpu9"))}, ConfigError, "accelerator"),
        ({"plan": "of 4 folds", "folds": 3}, FoldPlanError, "3 was asked for and the plan has 4"),
    ],
)
def test_impossible_requests_write_nothing(cohort, tmp_path, changes, error, words):
    if "plan" in changes:
        changes = changes | {"plan": FoldPlan.make(cohort, folds=4)}
    with pytest.raises(error, match=words):
        compare(cohort, out=tmp_path / "RUN", progress=False, **({"config": tiny()} | changes))
    assert not (tmp_path / "RUN").exists()


def test_two_processes_in_one_folder_are_refused(cohort, tmp_path):
    from xattn_bmd.training.runs.begin import locked

    with locked(tmp_path / "RUN"), pytest.raises(RunError, match="another one is working"):
        compare(cohort, out=tmp_path / "RUN", config=tiny(models=("ridge",)), progress=False)


def test_full_disk_while_writing_a_fold_is_one_error_and_the_run_goes_on_later(cohort, tmp_path, monkeypatch):
    out = tmp_path / "RUN"
    settings = tiny(models=("ridge", "metadata_only"))
    original = Path.write_bytes

    def fills_up(path, content):
        if path.name == "state.json" and "metadata_only" in path.parts:
            raise OSError(28, "No space left on device")
        return original(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fills_up)
        with pytest.raises(RunError, match="full"):
            compare(cohort, out=out, config=settings, progress=False)
    assert len(list(out.glob("*/repeat_00/fold_*"))) == 3
    assert not list(out.rglob(".partial-*"))
    run = compare(cohort, out=out, config=settings, progress=False)
    assert len(run.predictions) == 2 * len(cohort)


def test_a_diverging_fit_is_named(cohort, tmp_path, monkeypatch):
    import numpy as np

    from xattn_bmd.training.fits.estimator import Estimates, Estimator

    def diverged(self, cohort, *, rows, **given):
        return Estimates(pd.DataFrame({"prediction": np.full(len(rows), np.nan)}))

    monkeypatch.setattr(Estimator, "estimate", diverged)
    with pytest.raises(RunError, match="ridge diverged on repeat 0, fold 0"):
        compare(cohort, out=tmp_path / "RUN", config=tiny(models=("ridge",)), progress=False)


def test_scored_tables_name_protocol_simulation_and_plan(finished, cohort, tmp_path):
    settings = tiny(models=("ridge", "concat"), protocol="paper")
    optimistic = compare(cohort, out=tmp_path / "RUN", config=settings, progress=False)
    for run, label in ((finished, "nested"), (optimistic, "paper (optimistic)")):
        for table in (run.metrics(), run.screening(), run.comparisons()):
            assert set(table["protocol"]) == {label}
            assert set(table["plan_hash"]) == {run.plan.hash}
            assert set(table["simulated"]) == {False}


def test_the_reference_that_the_cohort_declares_is_used(tmp_path):
    roles = {**ROLES, "reference": "hologic_femoral_neck_white_female"}
    table = write_cohort(tmp_path / "c", roles=roles)
    cohort = Cohort.from_csv(table, images=table.parent / "images")
    run = compare(cohort, out=tmp_path / "RUN", config=tiny(models=("ridge",)), progress=False)
    assert run.config.reference == "hologic_femoral_neck_white_female"
    assert set(run.screening()["reference"]) == {"hologic_femoral_neck_white_female"}


def test_volumetric_density_is_refused(tmp_path):
    target = {"column": "fn_bmd", "unit": "mg/cm3", "range": [0.1, 500]}
    table = write_cohort(tmp_path / "c", roles={**ROLES, "target": target})
    with pytest.raises(CohortError, match="mg/cm3"):
        compare(Cohort.from_csv(table, images=table.parent / "images"), out=tmp_path / "RUN", config=tiny())
    assert not (tmp_path / "RUN").exists()


def test_a_re_sorted_table_continues_to_the_same_bytes(finished, cohort_table, tmp_path):
    copy, folder = tmp_path / "RUN", tmp_path / "c"
    shutil.copytree(finished.folder, copy)
    shutil.copytree(cohort_table.parent, folder)
    shutil.rmtree(copy / "xattn" / "repeat_00" / "fold_02")
    pd.read_csv(folder / "cohort.csv", dtype=str).iloc[::-1].to_csv(folder / "cohort.csv", index=False)
    turned = Cohort.from_csv(folder / "cohort.csv", images=folder / "images")
    compare(turned, out=copy, config=tiny(), progress=False)
    assert (copy / "predictions.csv").read_bytes() == (finished.folder / "predictions.csv").read_bytes()


@pytest.mark.parametrize("name", ["metrics.csv", "calibration.csv", "record.csv"])
def test_a_lost_table_is_written_again(finished, cohort, tmp_path, name):
    copy = tmp_path / "RUN"
    shutil.copytree(finished.folder, copy)
    (copy / name).unlink()
    compare(cohort, out=copy, config=tiny(), progress=False)
    assert (copy / name).read_bytes() == (finished.folder / name).read_bytes()


def test_a_record_without_variables_has_no_record_model(tmp_path):
    table = write_cohort(tmp_path / "c", roles={**ROLES, "numeric": {}, "categorical": {}, "stratify": []})
    cohort = Cohort.from_csv(table, images=table.parent / "images")
    with pytest.raises(ModelError, match="declares no variable"):
        compare(cohort, out=tmp_path / "RUN", config=tiny(models=("ridge",)), progress=False)


def test_an_output_that_is_a_file_is_refused(cohort, tmp_path):
    (tmp_path / "RUN").write_text("mine")
    with pytest.raises(RunError, match="writable folder"):
        compare(cohort, out=tmp_path / "RUN", config=tiny(models=("ridge",)), progress=False)
    assert (tmp_path / "RUN").read_text() == "mine"
