"""What the guide on classes says is run: its YAML, its commands, its Python."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.cohorts import CLASSES, write_class_cohort, write_cohort
from tests.training.settings import TINY
from xattn_bmd.cli import main
from xattn_bmd.config import CompareConfig, to_dict

GUIDE = (Path(__file__).parents[1] / "docs" / "guide" / "classes.md").read_text()
ROLES, JOINT = re.findall(r"```yaml\n(.*?)```", GUIDE, flags=re.DOTALL)
[COMMANDS] = re.findall(r"```\n(xattn-bmd.*?)```", GUIDE, flags=re.DOTALL)
PYTHON, BOTH = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL)


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


def test_the_commands_run_as_they_stand(folder, capsys, undrawn):
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


def test_density_and_class_from_one_network_as_it_stands(tmp_path, monkeypatch, capsys):
    for seed, place in enumerate((tmp_path, tmp_path / "away")):
        table = write_cohort(place, n=40, seed=seed)
        (place / "images").rename(place / "radiographs")
        rows = pd.read_csv(table, dtype=str)
        rows["fn_bmd"] = (0.80 + 1.6 * (rows["fn_bmd"].astype(float) - 0.88)).clip(0.45, 1.4).round(4)  # all classes
        for name in ("radiograph_id", "patient_id"):
            rows[name] = f"{seed}_" + rows[name]
        rows.to_csv(table, index=False)
    said = yaml.safe_load(JOINT)
    quick = to_dict(replace(TINY, folds=2))
    quick["model"] |= {"class_head": said["model"]["class_head"]}
    quick["training"] |= said["training"]
    (tmp_path / "joint.yaml").write_text(yaml.safe_dump(quick))
    monkeypatch.chdir(tmp_path)
    exec(BOTH, {})
    said = capsys.readouterr().out
    assert "class head - density" in said and "xattn" in said and "ridge" not in said
