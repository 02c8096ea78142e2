import platform
import subprocess

import pytest
import torch

from xattn_bmd.training.environment import commit, machine


def _git(folder, *words):
    author = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
    done = subprocess.run(["git", *author, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    _git(tmp_path, "init", "-q")
    (tmp_path / "code.py").write_text("1")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_machine_says_processor_cores_and_versions_and_names_no_host():
    said = machine()
    assert f"torch {torch.__version__}" in said and " cores" in said and platform.python_version() in said
    assert platform.node() not in said.split(", ")


def test_commit_is_that_of_the_folder_and_says_where_files_had_changed(repository):
    clean = commit(repository)
    assert clean == _git(repository, "rev-parse", "HEAD")[:12]
    (repository / "code.py").write_text("2")
    assert commit(repository) == f"{clean}-dirty"


def test_outside_of_a_repository_there_is_no_commit(tmp_path):
    assert commit(tmp_path) == "unknown"
