"""``xattn-bmd agreement``: a table of readings in, a table of kappas out."""

import pandas as pd
import pytest

from tests.metrics.readers import made_up_readings
from xattn_bmd import reader_agreement
from xattn_bmd.cli import main
from xattn_bmd.commands.agreement import agreement_text

TABLE = made_up_readings(patients=12)
FAST = ["--replicates", "50"]


@pytest.fixture
def readers(tmp_path):
    path = tmp_path / "readers.csv"
    TABLE.to_csv(path, index=False)
    return path


def test_prints_and_writes_the_table(readers, tmp_path, capsys):
    out = tmp_path / "made" / "agreement.csv"
    words = ["agreement", str(readers), "--classes", "normal", "old", "fresh", "--ordered", "true", "--out", str(out)]
    assert main([*words, *FAST, "--seed", "4"]) == 0
    printed = capsys.readouterr().out
    expected = reader_agreement(TABLE, classes=["normal", "old", "fresh"], ordered=True, seed=4, replicates=50)
    assert printed.startswith(agreement_text(expected)) and str(out) in printed
    assert "inter-observer, Aoki (reading 1) and Baba (reading 1): 48 items of 12 patients\n" in printed
    kappa = expected.iloc[1]
    assert f"kappa            {kappa['value']:.3f} [{kappa['low']:.3f}, {kappa['high']:.3f}]\n" in printed
    assert "all readers (Aoki, Baba, Chen): 48 items" in printed
    written = pd.read_csv(out, keep_default_na=False)
    assert written["value"].tolist() == pytest.approx(expected["value"].tolist()) and len(written) == len(expected)


def test_what_is_left_out_or_undefined_is_said(tmp_path, capsys):
    table = TABLE[~((TABLE["reader"] == "Chen") & (TABLE["patient_id"] == "P0"))].assign(**{"class": 1})
    table.to_csv(tmp_path / "readers.csv", index=False)
    assert main(["agreement", str(tmp_path / "readers.csv"), "--classes", "0", "1", *FAST]) == 0
    printed = capsys.readouterr().out
    assert "44 items of 11 patients, 4 left out that not all of them read" in printed
    assert "  kappa            -  every reading is of one class" in printed


def test_bad_input_is_a_sentence_and_nothing_is_written(readers, tmp_path, capsys):
    out = tmp_path / "agreement.csv"
    assert main(["agreement", str(readers), "--classes", "normal", "old", "--out", str(out), *FAST]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: Every class is one of normal, old, but ") and "fresh" in error
    assert not out.exists()
    assert main(["agreement", str(tmp_path / "gone.csv")]) == 2
    assert "there is no" in capsys.readouterr().err
