"""One small run whose models the tests explain; read-only."""

from dataclasses import replace

import pytest

from tests.cohorts import write_cohort
from tests.training.settings import tiny
from xattn_bmd import Cohort, compare
from xattn_bmd.explanation.fold_models import Explained
from xattn_bmd.training.prediction.predictor import Predictor

STACK = "xattn+ridge"
MODELS = ("xattn", "image_only", "metadata_only", "ridge", "boosted_trees", STACK)


@pytest.fixture(scope="package")
def cohort_table(tmp_path_factory):
    """More people than elsewhere, so that trees find something to split."""
    return write_cohort(tmp_path_factory.mktemp("cohort"), n=60, size=32)


@pytest.fixture(scope="package")
def run_and_cache(cohort_table, tmp_path_factory):
    root = tmp_path_factory.mktemp("explained")
    cohort = Cohort.from_csv(cohort_table)
    config = tiny(models=MODELS, folds=2)
    config = replace(config, training=replace(config.training, epochs=1))
    return compare(cohort, out=root / "RUN", config=config, cache=root / "cache", progress=False), root / "cache"


@pytest.fixture(scope="package")
def explained(run_and_cache):
    """Return a model of the run with its plan."""
    run, _ = run_and_cache
    known = {name: Explained(Predictor.from_run(run, name), run.plan) for name in MODELS}
    return known.__getitem__


@pytest.fixture
def cache(run_and_cache):
    return run_and_cache[1]
