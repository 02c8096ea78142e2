"""The command `explain`: scores for a good run, one sentence and exit code 2 for a bad one."""

import pandas as pd
import pytest

from tests.explanation.runs import made_run, write_masks
from tests.report.pages import leave_out_drawing
from xattn_bmd.cli import main
from xattn_bmd.explanation import write


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("cli_explain")
    run, cohort = made_run(root)
    return run.folder, root, write_masks(root / "masks", cohort.radiograph_ids)


def _explain(source, root, out, *words):
    images = ("--images", str(root / "images"), "--steps", "0", "--sheets", "1", "--replicates", "30")
    return main(["explain", str(source), str(root / "cohort.csv"), "--out", str(out), *images, *words])


def test_heat_stands_beside_chance_and_controls(made, capsys, monkeypatch):
    leave_out_drawing(monkeypatch, of=(write,), but=["beeswarm"])
    run, root, masks = made
    out = run / "explanations" / "xattn"
    assert _explain(run, root, out, "--masks", str(masks), "--controls", "all", "--record", "true") == 0
    lines = capsys.readouterr().out.splitlines()
    shown = [line for line in lines if line.startswith("bone ")]
    assert {line.split()[2] for line in shown} == {"trained", "random_weights", "random_labels"}
    assert max(map(len, lines[:-1])) < 100 and lines[-1] == f"explanation folder: {out}"
    (sheet,) = (out / "sheets").iterdir()
    assert "Contributions" in sheet.read_text() and (out / "figures" / "beeswarm.png").is_file()
    parts = pd.read_csv(out / "contributions.csv").groupby("radiograph_id")
    total = parts["contribution"].sum() + parts["mean"].first()
    heat = pd.read_csv(out / "heat.csv").set_index("radiograph_id")
    assert (total - heat["density"]).abs().max() < 1e-4
    assert (out / "heat.csv").is_file()


def test_without_masks_it_says_so(made, tmp_path, capsys):
    run, root, _ = made
    assert _explain(run / "image_only", root, tmp_path / "E", "--controls", "none") == 0
    assert "no masks were given" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--model", "image_only", "--method", "attention"), "no such attention"),
        (("--model", "ridge"), "reads the record alone"),
        (("--masks", "nowhere"), "A folder of masks holds"),
    ],
)
def test_bad_input_is_one_clear_error_and_nothing_is_written(made, tmp_path, capsys, words, message):
    run, root, _ = made
    assert _explain(run, root, tmp_path / "E", *words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and message in error
    assert not (tmp_path / "E").exists()
