"""A network that begins with the bone encoder says so wherever its numbers are shown."""

import contextlib
import io
import json

import pandas as pd
import pytest

from tests.cohorts import write_cohort
from tests.report.pages import leave_out_drawing
from xattn_bmd import Predictor
from xattn_bmd.cli import main
from xattn_bmd.models.assets import bone_encoder_facts

NOTE = f"pretrained on {bone_encoder_facts().hips:,} SIMULATED hips"


@pytest.fixture(scope="module", autouse=True)
def undrawn():
    with pytest.MonkeyPatch.context() as patch:
        leave_out_drawing(patch)
        yield


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("bone") / "c", n=24)


@pytest.fixture(scope="module")
def printed_and_run(table, tmp_path_factory):
    out, printed = tmp_path_factory.mktemp("bone") / "RUN", io.StringIO()
    words = ["compare", str(table), "--images", str(table.parent / "images"), "--out", str(out), "--weights", "bone"]
    more = ["--image-size", "64", "--epochs", "1", "--folds", "2", "--models", "image_only", "ridge"]
    with contextlib.redirect_stdout(printed):
        assert main([*words, *more]) == 0
    return printed.getvalue(), out


def test_the_summary_and_every_record_of_the_run_say_it(printed_and_run):
    printed, run = printed_and_run
    assert f"image encoder {NOTE}\n" in printed
    assert NOTE in json.loads((run / "environment.json").read_text())["image_encoder"]
    assert NOTE in json.loads((run / "image_only" / "predictor.json").read_text())["image_encoder"]
    assert "no model looks" in json.loads((run / "ridge" / "predictor.json").read_text())["image_encoder"]


def test_the_report_says_it_above_all_and_in_its_methods(printed_and_run):
    page = (printed_and_run[1] / "report.html").read_text()
    assert page.index(NOTE) < page.index("Key result")
    assert NOTE in page[page.index('id="methods"') : page.index('id="checklists"')]
    assert NOTE in page[page.index('id="claim"') :]


def test_estimates_and_an_evaluation_elsewhere_say_it(printed_and_run, tmp_path, capsys):
    elsewhere = write_cohort(tmp_path / "c", n=16, seed=4)
    pd.read_csv(elsewhere).assign(patient_id=lambda rows: "far_" + rows["patient_id"]).to_csv(elsewhere, index=False)
    run = printed_and_run[1]
    given = [str(elsewhere), "--images", str(elsewhere.parent / "images"), "--out"]
    assert main(["predict", str(run / "image_only"), *given, str(tmp_path / "t.csv")]) == 0
    assert f"\nimage encoder: tf_efficientnet_lite0 {NOTE}" in capsys.readouterr().out
    assert main(["predict", str(run / "ridge"), *given, str(tmp_path / "r.csv")]) == 0
    assert "image encoder" not in capsys.readouterr().out
    assert main(["evaluate", str(run / "image_only"), *given, str(tmp_path / "E")]) == 0
    assert NOTE in capsys.readouterr().out
    assert NOTE in json.loads((tmp_path / "E" / "environment.json").read_text())["image_encoder"]
    assert NOTE in (tmp_path / "E" / "report.html").read_text()


def test_a_predictor_of_an_earlier_version_records_nothing(printed_and_run, tmp_path):
    kept = Predictor.load(printed_and_run[1] / "ridge").save(tmp_path / "kept") / "predictor.json"
    record = json.loads(kept.read_text())
    del record["image_encoder"]
    kept.write_text(json.dumps(record))
    assert Predictor.load(kept.parent).image_encoder == "not recorded"
