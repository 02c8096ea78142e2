"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.cohorts import write_cohort

settings.register_profile("suite", deadline=None)  # speed is measured in a benchmark, not asserted
settings.load_profile("suite")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded: as many test processes as cores share them


@pytest.fixture(autouse=True)
def _own_cache_folder(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XATTN_BMD_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def cohort_table(tmp_path_factory) -> Path:
    """The table of a made-up cohort of 40 radiographs; read-only."""
    return write_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture
def cohort(cohort_table):
    """The opened made-up cohort."""
    from xattn_bmd import Cohort

    return Cohort.from_csv(cohort_table, images=cohort_table.parent / "images")
