"""What the README says is run: its commands, its Python, its YAML."""

import re
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.cohorts import draw_masks, write_cohort
from tests.data.jsrt_tree import write_tree
from tests.explanation.runs import write_masks
from tests.metrics.readers import made_up_readings
from tests.report.pages import leave_out_drawing
from tests.training.settings import TINY
from xattn_bmd import Cohort, compare
from xattn_bmd.cli import main
from xattn_bmd.config import CompareConfig, to_dict
from xattn_bmd.data.roles import CohortRoles
from xattn_bmd.explanation import write as explanation_write
from xattn_bmd.report import write
from xattn_bmd.search.space import SearchSpace
from xattn_bmd.search.study_file import read_study
from xattn_bmd.training.workers import jobs

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
SMALL = replace(
    TINY, folds=2, models=("xattn", "concat", "ridge"), training=replace(TINY.training, epochs=1, patience=1)
)
YAML = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture
def own_data(tmp_path, monkeypatch):
    """A working folder as a reader of the README has it, with settings that train in a second."""
    for table, folder in (("cohort", "radiographs"), ("new", "new")):
        made = write_cohort(tmp_path / "made", n=24, seed=len(table))
        elsewhere = pd.read_csv(made, dtype=str)
        elsewhere.assign(patient_id=table + elsewhere["patient_id"]).to_csv(tmp_path / f"{table}.csv", index=False)
        made.unlink()
        shutil.move(made.parent / "images", tmp_path / folder)
        shutil.move(made.parent / "cohort.yaml", tmp_path / "cohort.yaml")
        made.parent.rmdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(CompareConfig, "from_preset", classmethod(lambda cls, preset: SMALL))
    return tmp_path


def test_the_two_commands_stand_at_the_top_and_are_those_of_ci():
    first, second = re.search(r"```\n(.*?)\n(.*?)\n```", README, flags=re.DOTALL).groups()
    assert first.startswith("pip install -e . && xattn-bmd demo")
    install, test = second.split("#")[0].strip().split(" && ")
    ci = (ROOT / ".ci" / "run").read_text()
    assert install.replace("install", "install --quiet") in ci and f"\n{test}\n" in ci


def test_own_data_from_the_command_line(own_data, capsys, undrawn):
    block = re.search(r"## Your own data in five lines\n\n```\n(.*?)```", README, flags=re.DOTALL).group(1)
    for line in block.splitlines():
        words = line.split("#")[0].split()
        assert words[0] == "xattn-bmd"
        assert main(words[1:]) == 0, capsys.readouterr().err
    made = ("estimates.csv", "RUN/report.html", "EXTERNAL/drop.csv", "EXTERNAL/report.html")
    assert all((own_data / name).is_file() for name in made)


def test_simulated_hips_from_the_command_line(tmp_path, monkeypatch, capsys):
    """With two radiographs of 64 pixels in place of hundreds."""
    monkeypatch.chdir(tmp_path)
    person = {"sex": "female", "age": 70, "height": 160, "weight": 65, "fn_bmd": 0.7}
    pd.DataFrame([person]).to_csv("people.csv", index=False)
    block = re.search(r"## Simulated hips\n\n```\n(.*?)```", README, flags=re.DOTALL).group(1)
    found = {}
    for line in block.splitlines():
        words = re.sub(r"--n \d+", "--n 2", line.split("#")[0]).split()
        assert words[:2] == ["xattn-bmd", "simulate"]
        assert main([*words[1:], "--size", "64", "--workers", "1"]) == 0, capsys.readouterr().err
        found[words[2]] = len(pd.read_csv(Path(words[2]) / "cohort.csv"))
    assert found == {
        "HIPS": 2,
        "HIPS_C": 2,
        "REPEATED": 8,
        "REAL": 1,
        "CHESTS": 2,
        "CHESTS_X": 2,
        "SPINES": 2,
        "SPINES_X": 2,
    }


def test_masks_and_readers_from_the_command_line(tmp_path, monkeypatch, capsys, undrawn):
    """With made-up pictures in place of chests, and a tiny network."""
    monkeypatch.chdir(tmp_path)
    for folder, seed in (("CHESTS", 0), ("NEW", 5)):
        table = write_cohort(tmp_path / folder, n=24 if seed == 0 else 8, seed=seed)
        draw_masks(table, tmp_path / folder / "masks")
        roles = yaml.safe_load((tmp_path / folder / "cohort.yaml").read_text()) | {"masks": "masks"}
        (tmp_path / folder / "cohort.yaml").write_text(yaml.safe_dump(roles))
    small = replace(SMALL, models=("image_only",), model=replace(TINY.model, mask_head="unet", mask_width=4))
    Path("both.yaml").write_text(yaml.safe_dump(to_dict(small)))
    for made, name in zip(write_tree(tmp_path), ("JSRT", "SCR"), strict=True):
        made.rename(tmp_path / name)
    made_up_readings().to_csv("READERS.csv", index=False)
    block = re.search(r"## Masks, chests, vertebrae, volumes\n.*?```\n(.*?)```", README, flags=re.DOTALL).group(1)
    for line in block.splitlines():
        words = re.sub(r"\[.*?\]", "", line.split("#")[0]).replace("SCR CHESTS", "SCR CONVERTED").split()
        assert words[0] == "xattn-bmd"
        assert main(words[1:]) == 0, capsys.readouterr().err
    assert len(list(Path("FOUND").glob("*.png"))) == 8
    assert Path("CONVERTED/cohort.yaml").is_file()


def test_many_machines_from_the_command_line(own_data, capsys, monkeypatch, undrawn):
    """With one process in place of two, and an address of this machine where nothing listens, asked for a second."""
    monkeypatch.setattr(jobs, "open_workers", partial(jobs.open_workers, connect=1.0))
    shutil.copy("new.csv", "archive.csv")
    Path("new").rename("archive")
    block = re.search(r"## Fast, and on many machines\n\n```\n(.*?)```", README, flags=re.DOTALL).group(1)
    for line in block.splitlines():
        words = line.split("#")[0].replace("--workers 2", "--workers 1").split()
        if "--scheduler" in words:  # a finished run would need no scheduler
            words = [{"tcp://10.0.0.5:8786": "tcp://127.0.0.1:9", "RUN": "ANOTHER"}.get(word, word) for word in words]
        reached = main(words[1:])
        assert reached == (2 if "--scheduler" in words else 0), capsys.readouterr().err
    assert (own_data / "all.csv").is_file()


def test_own_data_from_python(own_data, capsys, undrawn):
    exec(compile(PYTHON[0], "README.md", "exec"), {})
    assert "mae" in capsys.readouterr().out


def test_a_search_from_the_command_line(own_data, capsys, monkeypatch, undrawn):
    """With one trial of each study on few folds; the second command compares with what the first one chose."""
    small = replace(SMALL, model=replace(TINY.model, width=32))  # the narrowest of the space
    monkeypatch.setattr(CompareConfig, "from_preset", classmethod(lambda cls, preset: small))
    block = re.search(r"## Search for settings\n\n```\n(.*?)```", README, flags=re.DOTALL).group(1)
    for line in block.splitlines():
        words = (
            line.split("#")[0].replace("--trials 50", "--trials 1 --inner-folds 2").replace("--folds 10", "").split()
        )
        assert main(words[1:]) == 0, capsys.readouterr().err
    assert (own_data / "study.journal").is_file() and (own_data / "RUN" / "report.html").is_file()


def test_a_search_from_python(own_data, capsys):
    exec(compile(PYTHON[1], "README.md", "exec"), {})
    assert "nested search" in capsys.readouterr().out


def test_explanations_from_the_command_line_and_from_python(own_data, capsys, monkeypatch):
    """Of the files of figures one is drawn."""
    leave_out_drawing(monkeypatch, of=(write, explanation_write), but=["heat"])
    write_masks(own_data / "masks", pd.read_csv("cohort.csv")["radiograph_id"])
    compare(Cohort.from_csv("cohort.csv", images="radiographs"), out="RUN", config=replace(SMALL, models=("xattn",)))
    block = re.search(r"## Where does it look.*?\n\n```\n(.*?)```", README, flags=re.DOTALL).group(1)
    for line in block.splitlines():
        assert main(line.split("#")[0].split()[1:]) == 0, capsys.readouterr().err
    assert 'id="explanations' in (own_data / "RUN" / "report.html").read_text()
    [code] = [code for code in PYTHON if "record_contributions" in code]
    exec(compile(code, "README.md", "exec"), {})
    assert (own_data / "EXPLAINED" / "sheets").is_dir()


def test_a_space_and_a_study_are_such_that_the_library_reads(tmp_path):
    roles, space, study = (yaml.safe_load(block) for block in YAML)
    assert "id" in roles
    SearchSpace.from_dict(space).check(CompareConfig.from_preset("quick"))
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    assert [arm.name for arm in read_study(tmp_path / "study.yaml").arms] == ["primary", "mse"]


def test_own_trainer(own_data):
    [code] = [code for code in PYTHON if "max_epochs=60" in code]
    code = code.replace("max_epochs=60", "max_epochs=1, accelerator='cpu'")
    exec(compile(code, "README.md", "exec"), {})


def test_the_yaml_is_one_that_the_library_reads():
    assert CohortRoles.from_dict(yaml.safe_load(YAML[0])).target.column == "fn_bmd"


def test_every_linked_file_exists():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_citation_names_the_four_sources():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert len(citation["references"]) == 4


def test_no_figure_is_missing():
    pages = [ROOT / "README.md", *(ROOT / "experiments").rglob("README.md")]
    assert not [page for page in pages if re.search(r"\b(DEMO_TABLE|STARTUP|MEASURED)\b", page.read_text())]
