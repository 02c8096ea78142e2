"""What the guide on classes says is run: its YAML, its commands, its Python."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.cohorts import CLASSES, write_class_cohort
from tests.training.settings import TINY
from xattn_bmd.cli import main
from xattn_bmd.config import CompareConfig

GUIDE = (Path(__file__).parents[1] / "docs" / "guide" / "classes.md").read_text()
[ROLES] = re.findall(r"```yaml\n(.*?)```", GUIDE, flags=re.DOTALL)
[COMMANDS] = re.findall(r"```\n(xattn-bmd.*?)```", GUIDE, flags=re.DOTALL)
[PYTHON] = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder as a reader of the guide has it, with settings that train in a second."""
    for seed, (table, images) in enumerate((("vertebrae", "crops"), ("other", "other"), ("new", "new"))):
        made = write_class_cohort(tmp_path / "made", n=24, seed=seed, prefix=table)
        pd.read_csv(made, dtype=str).rename(columns={"radiograph_id": "crop"}).to_csv(
            tmp_path / f"{table}.csv", index=False
        )
        shutil.move(made.parent / "images", tmp_path / images)
        shutil.rmtree(made.parent)
    (tmp_path / "cohort.yaml").write_text(ROLES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(CompareConfig, "from_preset", classmethod(lambda cls, preset: replace(TINY, folds=2)))
    return tmp_path


def test_the_commands_run_as_they_stand(folder, capsys):
    for line in COMMANDS.splitlines():
        words = line.split()
        assert words[0] == "xattn-bmd" and main(words[1:]) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert "macro AUROC" in said and "nothing was fitted on the external cohort" in said
    assert (folder / "RUN" / "report.html").is_file() and (folder / "EXTERNAL" / "report.html").is_file()
    found = pd.read_csv(folder / "classes.csv")
    assert len(found) == 24 and set(found["prediction"]) <= set(CLASSES)
    assert pd.read_csv(folder / "EXTERNAL" / "drop.csv")["class"].isin([*CLASSES, "macro", "all"]).all()


def test_the_vote_runs_as_it_stands(folder, capsys):
    exec(PYTHON.replace("tf_efficientnet_lite1", "test_efficientnet"), {})
    said = capsys.readouterr().out
    assert "soft vote" in said and "act_on_none" in said


def test_the_yaml_is_a_cohort_of_classes():
    assert yaml.safe_load(ROLES)["target"]["classes"] == list(CLASSES)
