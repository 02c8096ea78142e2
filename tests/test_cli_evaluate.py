"""The command `evaluate`: a side-by-side table for a good cohort, one sentence and exit code 2 for a bad one."""

import shutil

import pandas as pd
import pytest

from tests.cohorts import write_cohort
from tests.report.pages import leave_out_drawing
from xattn_bmd.cli import main


@pytest.fixture(scope="module", autouse=True)
def undrawn():
    with pytest.MonkeyPatch.context() as patch:
        leave_out_drawing(patch)
        yield


@pytest.fixture(scope="module")
def model(cohort_table, tmp_path_factory):
    run = tmp_path_factory.mktemp("cli") / "RUN"
    words = ["--backbone", "test_resnet", "--image-size", "64", "--epochs", "1", "--folds", "2"]
    assert main(["compare", str(cohort_table), "--out", str(run), "--models", "concat", *words]) == 0
    return run / "concat"


def _elsewhere(root):
    table = write_cohort(root, n=16, seed=4)
    pd.read_csv(table).assign(patient_id=lambda frame: "far_" + frame["patient_id"]).to_csv(table, index=False)
    return table


def _evaluate(model, table, out):
    images = str(table.parent / "images")
    return main(["evaluate", str(model), str(table), "--images", images, "--out", str(out)])


def test_internal_and_external_stand_side_by_side(model, tmp_path, capsys):
    table, out = _elsewhere(tmp_path / "c"), tmp_path / "E"
    assert _evaluate(model, table, out) == 0
    lines = capsys.readouterr().out.splitlines()
    drop = pd.read_csv(out / "drop.csv").query("metric == 'mae'").iloc[0]
    shown = next(line for line in lines if " MAE " in line and line.startswith("concat"))
    assert all(f"{drop[side]:.3f} [" in shown for side in ("internal", "external"))
    assert f"{drop['change']:+.3f}" in shown and "40 radiographs" in " ".join(lines)
    assert max(map(len, lines[:-1])) < 110 and str(out) in lines[-1]
    assert not any("SIMULATED" in line for line in lines)
    page = (out / "report.html").read_text()
    assert "Fitted on: development cohort, carried over unchanged" in page
    assert f"{drop['change']:.3f}".replace("-", "−") in page
    assert "CV+ of the fold models" in page and "cv_plus" not in page
    tables = out / "report" / "tables"
    for name in ("triage", "screening", "conformal"):
        pd.testing.assert_frame_equal(pd.read_csv(tables / f"{name}.csv"), pd.read_csv(out / f"{name}.csv"))


def test_a_training_patient_is_one_clear_error_and_nothing_is_written(model, cohort_table, tmp_path, capsys):
    out = tmp_path / "E"
    assert _evaluate(model, cohort_table, out) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and "hip_000" in error
    assert not out.exists()


def test_a_training_picture_is_one_clear_error_and_nothing_is_written(model, cohort_table, tmp_path, capsys):
    table, out = _elsewhere(tmp_path / "c"), tmp_path / "E"
    shutil.copyfile(cohort_table.parent / "images" / "hip_009.png", table.parent / "images" / "hip_002.png")
    assert _evaluate(model, table, out) == 2
    error = capsys.readouterr().err
    assert "hip_002" in error and "hip_009" not in error and not out.exists()


def test_predict_gives_an_interval_and_a_risk(model, tmp_path):
    table, out = _elsewhere(tmp_path / "c"), tmp_path / "new.csv"
    assert main(["predict", str(model), str(table), "--out", str(out)]) == 0
    written = pd.read_csv(out)
    assert ((written["low"] < written["prediction"]) & (written["prediction"] < written["high"])).all()
    assert written["probability_low"].between(0, 1).all() and set(written["level"]) == {0.9}
