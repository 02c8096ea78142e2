"""A tiny finished run, shared by the tests of this folder; read-only."""

import pytest

from tests.explanation.runs import made_run, write_masks


@pytest.fixture(scope="session")
def explained_run(tmp_path_factory):
    """The run, its cohort, and a folder of masks."""
    root = tmp_path_factory.mktemp("explained")
    run, cohort = made_run(root)
    return run, cohort, write_masks(root / "masks", cohort.radiograph_ids)
