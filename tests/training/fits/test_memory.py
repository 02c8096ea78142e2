"""A device out of memory: smaller parts, said once, the same sums."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.training.settings import TINY, tiny
from xattn_bmd import FoldPlan
from xattn_bmd.errors import RunError
from xattn_bmd.training.fits.fit import fit_job
from xattn_bmd.training.fits.memory import BatchParts
from xattn_bmd.training.fits.module import DensityModule
from xattn_bmd.training.study import Job, Study


def _too_large(limit, error):
    def attempt(parts):
        if 16 // parts > limit:
            raise error
        return 16 // parts

    return attempt


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("MPS out of memory")])
def test_parts_double_until_a_batch_fits_and_stay(error, caplog):
    found = BatchParts()
    with caplog.at_level(logging.WARNING):
        assert found.fit(_too_large(4, error), batch_size=16) == 4
        assert found.fit(_too_large(4, error), batch_size=16) == 4
    assert found.parts == 4
    assert [record.getMessage().split(";")[0] for record in caplog.records] == [
        "The device is out of memory with batches of 16"
    ] * 2  # one line each time the parts change, none for the second fit


def test_other_errors_pass_through():
    with pytest.raises(RuntimeError, match="shape mismatch"):
        BatchParts().fit(_too_large(0, RuntimeError("shape mismatch")), batch_size=16)


def test_a_device_that_takes_no_two_radiographs_is_refused():
    with pytest.raises(RunError, match="at least 2 radiographs"):
        BatchParts().fit(_too_large(1, torch.OutOfMemoryError("out of memory")), batch_size=16)


@pytest.fixture
def small_device(monkeypatch):
    """A device that holds four radiographs at a time."""
    step = DensityModule.training_step

    def limited(self, batch, batch_idx):
        if len(batch.row) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return step(self, batch, batch_idx)

    monkeypatch.setattr(DensityModule, "training_step", limited)


def test_a_fit_in_parts_is_the_fit_in_one(cohort, tmp_path, small_device, monkeypatch):
    """Without batch norm, dropout and weights, gradients of equal parts add up to those of the whole batch."""
    model = replace(TINY.model, dropout=0.0)
    training = replace(TINY.training, weighting="none", epochs=3, precision="32-true")
    config = tiny(model=model, training=training, reference=cohort.roles.reference)
    plans = (
        FoldPlan.make(cohort, folds=folds, inner_fraction=part) for folds in (3, 4, 5) for part in (0.1, 0.15, 0.2)
    )
    plan = next(plan for plan in plans if len(plan.split(0, 0).train) % 8 == 0)
    study = Study(cohort, plan, config, tmp_path)
    in_parts = fit_job(Job("metadata_only", 0, 0), study)
    assert in_parts.estimator.record["batch_parts"] == 2
    assert study.batch_parts.parts == 2
    monkeypatch.undo()
    whole = fit_job(Job("metadata_only", 0, 0), Study(cohort, plan, config, tmp_path))
    assert whole.estimator.record["batch_parts"] == 1
    np.testing.assert_allclose(in_parts.predictions["prediction"], whole.predictions["prediction"], atol=1e-4)
