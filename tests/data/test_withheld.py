"""Inputs withheld in training: each radiograph for itself, never both inputs, whatever the batch."""

import pytest
import torch

from xattn_bmd.data.draws import uniform_draws
from xattn_bmd.data.withheld import InputDropout, drop_inputs, withhold
from xattn_bmd.types import Batch, Variables

N, V = 4000, 5


def _batch(rows=None):
    rows = torch.arange(N) if rows is None else torch.tensor(rows)
    count = len(rows)
    missing = torch.zeros(count, V, dtype=torch.bool)
    missing[:, 0] = rows % 2 == 0
    record = Variables(torch.randn(count, 3), torch.ones(count, 2, dtype=torch.int64), missing)
    return Batch(torch.rand(count, 1, 2, 2), record, torch.ones(count), rows)


def _dropped(rows=None, *, seed=0, epoch=0, **shares):
    return drop_inputs(_batch(rows), dropout=InputDropout(**shares), seed=seed, epoch=epoch)


def test_nothing_is_withheld_where_all_shares_are_zero():
    batch = _batch()
    assert drop_inputs(batch, dropout=InputDropout(), seed=0, epoch=0) is batch


def test_shares_are_kept_and_no_radiograph_loses_both():
    found = _dropped(image=0.3, record=0.2)
    no_record = found.variables.missing.all(dim=1)
    assert found.no_image.float().mean() == pytest.approx(0.3, abs=0.03)
    assert no_record.float().mean() == pytest.approx(0.2, abs=0.03)
    assert not (found.no_image & no_record).any()
    whole = ~found.no_image & ~no_record
    assert torch.equal(found.variables.missing[whole], _batch().variables.missing[whole])


def test_variables_are_withheld_each_for_itself_and_missing_ones_stay_missing():
    missing = _dropped(variable=0.25).variables.missing
    assert missing[_batch().variables.missing].all()
    assert missing[:, 1:].float().mean(dim=0) == pytest.approx([0.25] * 4, abs=0.03)
    assert (missing[:, 1] & missing[:, 2]).float().mean() == pytest.approx(0.0625, abs=0.02)


def test_values_and_pictures_are_left_as_they_are():
    batch = _batch()
    found = drop_inputs(batch, dropout=InputDropout(0.3, 0.3, 0.3), seed=0, epoch=0)
    assert found.image is batch.image and found.target is batch.target
    assert torch.equal(found.variables.numeric, batch.variables.numeric)


def test_a_radiograph_loses_the_same_alone_and_in_any_batch_and_something_else_in_another_epoch():
    shares = {"image": 0.4, "record": 0.3, "variable": 0.2}
    together = _dropped([7, 3, 12, 99], **shares)
    for position, row in enumerate([7, 3, 12, 99]):
        alone = _dropped([row], **shares)
        assert alone.no_image[0] == together.no_image[position]
        assert torch.equal(alone.variables.missing[0], together.variables.missing[position])
    first = _dropped(**shares).no_image
    assert torch.equal(first, _dropped(**shares).no_image)
    for other in (_dropped(epoch=1, **shares), _dropped(seed=1, **shares)):
        assert (first & other.no_image).float().mean() == pytest.approx(0.16, abs=0.03)


def test_what_is_withheld_does_not_follow_how_the_picture_is_turned():
    turned = uniform_draws(torch.arange(N), 1, seed=0, epoch=0)[:, 0] * 2 - 1
    lost = _dropped(image=0.5).no_image.float()
    assert abs(torch.corrcoef(torch.stack([turned, lost]))[0, 1]) < 0.06


def test_one_input_is_withheld_of_everybody():
    assert withhold(_batch(), "image").no_image.all()
    found = withhold(_batch(), "record")
    assert found.variables.missing.all() and found.no_image is None
