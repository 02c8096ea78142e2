import subprocess
import sys

import pytest

from tests.metrics.tables import made_up_table
from tests.report.pages import LUNAR, made_up_run
from xattn_bmd import cli
from xattn_bmd.report import write


@pytest.fixture
def asked(monkeypatch):
    """Replace the writing by a note of what was asked for."""
    calls = []

    def note(path, **options):
        calls.append((path, options))
        return "PAGE"

    monkeypatch.setattr(write, "write_report", note)
    return calls


def test_options_reach_the_report(asked, capsys):
    words = ["report", "t.csv", "--out", "DIR", "--reference", LUNAR, "--record", "r.csv", "--replicates", "50"]
    assert cli.main(words) == 0
    assert asked == [("t.csv", {"out": "DIR", "reference": LUNAR, "record": "r.csv", "seed": 0, "replicates": 50})]
    assert capsys.readouterr().out == "report: PAGE\n"


def test_a_table_without_a_reference_is_one_sentence_and_exit_code_2(tmp_path, capsys):
    made_up_table().to_csv(tmp_path / "t.csv", index=False)
    assert cli.main(["report", str(tmp_path / "t.csv")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: T-scores need a named reference population") and LUNAR in error


def test_the_command_writes_a_page(tmp_path, capsys):
    folder = made_up_run(tmp_path / "RUN", models=("concat",), patients=12)
    assert cli.main(["report", str(folder), "--replicates", "5", "--out", str(tmp_path / "OUT")]) == 0
    page = tmp_path / "OUT" / "report.html"
    assert page.is_file() and str(page) in capsys.readouterr().out
    assert not (folder / "report.html").exists()


def test_nothing_heavy_is_imported_with_the_report():
    heavy = "{'torch', 'pandas', 'matplotlib', 'jinja2', 'scipy', 'sklearn'}"
    code = f"import sys, xattn_bmd.report.write; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
