"""Fixtures shared by all tests."""

import gc
import itertools
import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.cohorts import write_cohort

settings.register_profile("suite", deadline=None)  # speed is measured in a benchmark, not asserted
settings.load_profile("suite")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded: as many test processes as cores share them

_CACHES = itertools.count()  # a folder for each test, made when it is first written to

LONGEST = (
    "tests/test_notebooks.py",
    "tests/training/workers/test_parallel_runs.py",
    "tests/contracts/test_network_contract.py",
    "tests/test_cli.py",
    "tests/test_readme.py",
    "tests/search/test_tune.py",
    "tests/training/test_crossval.py",
    "tests/report/test_write.py",
    "tests/training/archive/test_estimate.py",
    "tests/training/prediction/test_predictor.py",
    "tests/training/test_mask_road.py",
    "tests/training/test_volume_road.py",
    "tests/explanation/record/test_shapley.py",
    "tests/training/workers/test_scheduler.py",
    "tests/training/fits/test_ddp.py",
)
"""They start first: a long file that starts last leaves a core idle."""


def pytest_configure(config):
    missing = [name for name in LONGEST if not (config.rootpath / name).is_file()]
    if missing:
        raise pytest.UsageError(f"LONGEST in tests/conftest.py names files of the suite, but {missing} are none.")
    config.option.loadscopereorder = False  # else xdist starts the files of most tests first, however short


def pytest_collection_finish():
    """Leave what is loaded by now, torch among it, out of every later search for garbage."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items):
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.nodeid.split("::")[0], len(LONGEST)))


@pytest.fixture(autouse=True)
def _own_cache_folder(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XATTN_BMD_CACHE", str(tmp_path_factory.getbasetemp() / f"cache_{next(_CACHES)}"))


@pytest.fixture
def undrawn(monkeypatch):
    """Leave out the drawings of reports."""
    from tests.report.pages import leave_out_drawing

    leave_out_drawing(monkeypatch)


@pytest.fixture(scope="session")
def cohort_table(tmp_path_factory) -> Path:
    """The table of a made-up cohort of 40 radiographs; read-only."""
    return write_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture
def cohort(cohort_table):
    """The opened made-up cohort."""
    from xattn_bmd import Cohort

    return Cohort.from_csv(cohort_table, images=cohort_table.parent / "images")
