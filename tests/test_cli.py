"""The command line: the whole job on simulated DICOM files, and bad input as one sentence and exit code 2."""

import io
import shutil
import time
from contextlib import redirect_stdout

import pandas as pd
import pydicom
import pytest
import yaml

from tests.cohorts import ROLES, write_cohort
from tests.processes import started
from xattn_bmd import cli
from xattn_bmd.cli import main

QUICK = ["--backbone", "test_resnet", "--image_size", "64", "--epochs", "1", "--folds", "2"]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    from xattn_bmd import simulate_cohort

    return simulate_cohort(tmp_path_factory.mktemp("sim") / "c", n=24, seed=3, size=128, workers=1)


def _compare(table, out, *more):
    return main(["compare", str(table), "--images", str(table.parent / "images"), "--out", str(out), *QUICK, *more])


@pytest.fixture(scope="module")
def whole(simulated, tmp_path_factory):
    """What compares three models in a folder that is still to be named, a finished run of it, and what it printed."""
    root = tmp_path_factory.mktemp("whole")
    words = ["compare", str(simulated), "--images", str(simulated.parent / "images"), *QUICK]
    words += ["--models", "xattn", "concat", "ridge", "--cache", str(root / "cache"), "--out"]
    printed = io.StringIO()
    with redirect_stdout(printed):
        assert main([*words, str(root / "RUN")]) == 0
    return words, root / "RUN", printed.getvalue()


def test_the_whole_job_on_dicom_files(simulated, whole, tmp_path):
    assert main(["check", str(simulated), "--images", str(simulated.parent / "images")]) == 0
    _, out, printed = whole
    assert "xattn" in printed and "SIMULATED" in printed and str(out) in printed
    assert "parameters of the fusion part: xattn" in printed
    table = tmp_path / "table.csv"
    images = str(simulated.parent / "images")
    assert main(["predict", str(out / "xattn"), str(simulated), "--images", images, "--out", str(table)]) == 0
    written = pd.read_csv(table)
    assert len(written) == 24 and {"prediction", "t_score", "who_class"} <= set(written.columns)


def test_demo_writes_a_run(tmp_path, capsys, monkeypatch, undrawn):
    from dataclasses import replace

    from tests.training.settings import TINY
    from xattn_bmd.config import CompareConfig

    monkeypatch.setattr(CompareConfig, "from_preset", classmethod(lambda cls, preset: replace(TINY)))
    out = tmp_path / "RUN"
    assert (
        main(["demo", "--n", "12", "--folds", "2", "--out", str(out), "--workers", "1", "--models", "concat", "ridge"])
        == 0
    )
    assert (out / "predictions.csv").is_file() and (out / "report.html").is_file()
    assert len(list((out / "simulated" / "images").glob("*.dcm"))) == 12
    assert "SIMULATED" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["compare", "c.csv", "--models", "a", "b", "--out", "R"],
            ["compare", "c.csv", '--models=["a", "b"]', "--out", "R"],
        ),
        (["demo", "--models", "a"], ["demo", '--models=["a"]']),
        (["demo", "--models"], ["demo", "--models=[]"]),
        (["agreement", "r.csv", "--classes", "0", "no"], ["agreement", "r.csv", '--classes=["0", "no"]']),
        (
            ["compare", "my-table", "--image-size=64", "--out", "a-b"],
            ["compare", "my-table", "--image_size=64", "--out", "a-b"],
        ),
        (["demo", "--seed", "1"], ["demo", "--seed", "1"]),
    ],
)
def test_names_after_models_become_one_list(words, expected):
    assert cli._listed(words) == expected


CELLS = {
    "duplicate_id": (1, "radiograph_id", "hip_000"),
    "text_target": (2, "fn_bmd", "high"),
    "negative_target": (2, "fn_bmd", -0.9),
    "no_target": (2, "fn_bmd", None),
    "unknown_category": (2, "smoking", "sometimes"),
}
TABLES = {
    "missing_column": lambda frame: frame.drop(columns="weight"),
    "milligrams": lambda frame: frame.assign(fn_bmd=frame["fn_bmd"] * 1000),
    "constant": lambda frame: frame.assign(age=70.0),
}
FILES = {
    "image_without_row": lambda images: shutil.copyfile(images / "hip_000.png", images / "stranger.png"),
    "row_without_image": lambda images: (images / "hip_004.png").unlink(),
    "zero_byte": lambda images: (images / "hip_004.png").write_bytes(b""),
    "truncated": lambda images: (images / "hip_004.png").write_bytes((images / "hip_004.png").read_bytes()[:900]),
}


def _spoil(frame, images, fault):
    """Plant one fault in a table or its images and return the table."""
    if fault in FILES:
        FILES[fault](images)
    elif fault in TABLES:
        return TABLES[fault](frame)
    else:
        row, column, value = CELLS[fault]
        frame[column] = frame[column].astype(object)
        frame.loc[row, column] = value
    return frame


FAULTS = {
    "missing_column": "weight",
    "duplicate_id": "hip_000",
    "image_without_row": "stranger",
    "row_without_image": "hip_004",
    "zero_byte": "hip_004",
    "truncated": "hip_004",
    "text_target": "high",
    "negative_target": "-0.9",
    "milligrams": "mg/cm",
    "no_target": "hip_002",
    "unknown_category": "sometimes",
    "constant": "age",
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
@pytest.mark.parametrize("command", ["check", "compare"])
def test_bad_input_is_one_clear_error_and_nothing_is_written(tmp_path, capsys, fault, command):
    table = write_cohort(tmp_path / "c", n=24)
    images = table.parent / "images"
    _spoil(pd.read_csv(table), images, fault).to_csv(table, index=False)
    out = tmp_path / "RUN"
    code = main(["check", str(table), "--images", str(images)]) if command == "check" else _compare(table, out)
    captured = capsys.readouterr()
    assert code == 2
    assert captured.err.startswith("error: ") and "Traceback" not in captured.err
    assert FAULTS[fault] in captured.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--models", "xatn"], "did you mean 'xattn'"),
        (["--backbone", "resnet_34x"], "resnet34"),
        (["--weights", "/nowhere/weights.safetensors"], "weights.safetensors"),
        (["--folds", "50"], "patients"),
        (["--models"], "at least one model"),
        (["--seed", "-1"], "seed must be at least 0"),
        (["--weights", "none", "--freeze", "trunk"], "trained before"),
        (["--plan", "/nowhere/plan.json"], "plan.json"),
        (["--settings", "/nowhere/config.yaml"], "config.yaml"),
    ],
)
def test_impossible_requests_are_one_clear_error(tmp_path, cohort_table, capsys, more, words):
    assert _compare(cohort_table, tmp_path / "RUN", *more) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "RUN").exists()


def test_a_missing_table_and_a_missing_yaml(tmp_path, capsys):
    assert main(["check", str(tmp_path / "none.csv")]) == 2
    assert "none.csv" in capsys.readouterr().err
    table = write_cohort(tmp_path / "c", n=8)
    (table.parent / "cohort.yaml").unlink()
    assert main(["check", str(table)]) == 2
    assert "yaml" in capsys.readouterr().err.lower()


def test_all_problems_come_in_one_list(tmp_path, capsys):
    table = write_cohort(tmp_path / "c", n=24)
    images = table.parent / "images"
    frame = pd.read_csv(table)
    for fault in ("negative_target", "unknown_category", "row_without_image", "image_without_row"):
        frame = _spoil(frame, images, fault)
    frame.to_csv(table, index=False)
    assert main(["check", str(table), "--images", str(images)]) == 2
    error = capsys.readouterr().err
    assert all(FAULTS[f] in error for f in ("negative_target", "unknown_category", "row_without_image"))
    assert "stranger" in error


def test_existing_run_with_another_configuration(tmp_path, cohort_table, capsys, undrawn):
    out = tmp_path / "RUN"
    assert _compare(cohort_table, out, "--models", "ridge") == 0
    capsys.readouterr()
    assert _compare(cohort_table, out, "--models", "ridge", "--seed", "5") == 2
    assert "another" in capsys.readouterr().err


def test_one_class_only_at_a_threshold_is_a_reason_not_a_crash(tmp_path, capsys, undrawn):
    table = write_cohort(tmp_path / "c", n=24)
    frame = pd.read_csv(table)
    frame["fn_bmd"] = frame["fn_bmd"] + 0.6
    frame.to_csv(table, index=False)
    out = tmp_path / "RUN"
    assert _compare(table, out, "--models", "ridge") == 0
    screening = pd.read_csv(out / "screening.csv")
    auroc = screening[(screening["metric"] == "auroc") & (screening["threshold"] == -2.5)]
    assert auroc["value"].isna().all() and auroc["reason"].str.len().gt(0).all()


def test_patient_header_text_never_reaches_output_or_results(simulated, tmp_path, capsys, undrawn):
    copy = tmp_path / "c"
    shutil.copytree(simulated.parent, copy)
    secret = "Confidential^Person"
    for path in sorted((copy / "images").glob("*.dcm")):
        data = pydicom.dcmread(path)
        data.PatientName, data.PatientBirthDate = secret, "19310203"
        data.save_as(path)
    out = tmp_path / "RUN"
    assert _compare(copy / "cohort.csv", out, "--models", "ridge", "image_only") == 0
    broken = copy / "images" / sorted(p.name for p in (copy / "images").glob("*.dcm"))[0]
    broken.write_bytes(broken.read_bytes()[:4000])
    assert main(["check", str(copy / "cohort.csv"), "--images", str(copy / "images")]) == 2
    captured = capsys.readouterr()
    text = captured.out + captured.err
    text += "".join(p.read_text(errors="ignore") for p in out.rglob("*") if p.is_file())
    assert "Confidential" not in text and "19310203" not in text


def test_interrupt_says_how_to_go_on(monkeypatch, capsys):
    def interrupted(cohort: str) -> None:
        """Stop at once."""
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.COMMANDS, "check", interrupted)
    assert main(["check", "c.csv"]) == 130
    assert "continues" in capsys.readouterr().err


def test_roles_under_another_name(tmp_path, cohort_table):
    other = tmp_path / "roles.yaml"
    other.write_text(yaml.safe_dump({**ROLES, "stratify": []}))
    images = str(cohort_table.parent / "images")
    assert main(["check", str(cohort_table), "--images", images, "--config", str(other)]) == 0


def _wait_for_folds(process, out, count):
    while len(list(out.glob("*/repeat_00/fold_*"))) < count:
        assert process.is_alive(), "the run ended before it could be killed"
        time.sleep(0.02)


def test_killed_on_dicom_files_and_started_again_gives_the_same_bytes(whole, tmp_path, undrawn):
    words, whole, _ = whole
    killed = tmp_path / "killed"
    process = started(main, [*words, str(killed)])
    _wait_for_folds(process, killed, 2)
    process.kill()
    process.join()
    before = {path: path.stat().st_mtime_ns for path in killed.glob("*/repeat_00/fold_*/state.json")}
    assert before and not (killed / "predictions.csv").exists()
    assert main([*words, str(killed)]) == 0
    assert all(path.stat().st_mtime_ns == when for path, when in before.items())
    tables = ("predictions.csv", "metrics.csv", "screening.csv", "comparisons.csv")
    for name in (*tables, "fold_plan.json", "config.yaml", "xattn/predictor.json", "ridge/predictor.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
