"""The data module: row numbers on the loader, batches gathered and changed where the network is."""

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from tests.training.settings import TINY
from xattn_bmd import CohortDataModule, FoldPlan
from xattn_bmd.data.cache import cached_images, default_cache_folder
from xattn_bmd.data.datamodule import cohort_images


@pytest.fixture
def images(cohort):
    return cohort_images(cohort, cached_images(cohort.image_paths, image=TINY.image, folder=default_cache_folder()))


def _data(cohort, images, **changes):
    settings = {"fold": 1, "image": TINY.image, "augment": TINY.training.augment, "batch_size": 8} | changes
    return CohortDataModule(cohort, plan=FoldPlan.make(cohort, folds=3), images=images, **settings)


def test_right_hips_are_turned(cohort, images):
    data = _data(cohort, images)
    row = next(iter(data.test_dataloader()))
    batch = data.batch(row)
    raw = images.pictures.pixels[row.numpy()].astype(np.float32) / np.float32(65535)
    sides = [cohort.sides[number] for number in row.tolist()]
    assert {"L", "R"} <= set(sides)
    for position, side in enumerate(sides):
        expected = raw[position, :, ::-1] if side == "R" else raw[position]
        np.testing.assert_array_equal(batch.image[position, 0], expected)


def test_each_part_holds_its_own_rows(cohort, images):
    data = _data(cohort, images)
    parts = {"train": data.train_dataloader(), "validation": data.val_dataloader(), "test": data.test_dataloader()}
    for name, loader in parts.items():
        rows = sorted(int(row) for batch in loader for row in batch)
        assert rows == sorted(data.rows_of(getattr(data.split, name)))


def test_only_training_batches_are_changed(cohort, images):
    data = _data(cohort, images)
    data.trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    row, cpu = torch.tensor([3, 5]), torch.device("cpu")
    plain = data.transfer_batch_to_device(row, cpu, 0).image
    assert torch.equal(plain, data.batch(row).image)
    data.trainer.training = True
    changed = data.transfer_batch_to_device(row, cpu, 0).image
    assert not torch.equal(changed, plain)
    assert torch.equal(changed, data.batch(row, epoch=0).image)
    assert not torch.equal(changed, data.batch(row, epoch=1).image)


def test_a_change_does_not_depend_on_the_batch(cohort, images):
    data = _data(cohort, images)
    alone = data.batch(torch.tensor([5]), epoch=2).image[0]
    together = data.batch(torch.tensor([1, 5, 9]), epoch=2).image[1]
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-6)


def test_training_draws_a_stored_view_and_validation_never_does(cohort, images):
    maps = np.zeros((len(cohort), 8, 3, 2, 2), dtype=np.float32) + np.arange(8)[None, :, None, None, None]
    data = _data(
        cohort,
        cohort_images(
            cohort,
            cached_images(cohort.image_paths, image=TINY.image, folder=default_cache_folder()),
            features=maps.astype(np.float32),
        ),
    )
    row = torch.arange(len(cohort))
    assert set(data.batch(row).features.flatten().tolist()) == {0.0}
    drawn = data.batch(row, epoch=0).features[:, 0, 0, 0]
    assert len(set(drawn.tolist())) > 4
    assert not torch.equal(drawn, data.batch(row, epoch=1).features[:, 0, 0, 0])


def test_shared_images_are_not_opened_again(cohort, images, monkeypatch):
    data = _data(cohort, images)
    monkeypatch.setattr(CohortDataModule, "_open_cache", lambda self: pytest.fail("opened again"))
    data.prepare_data()
    data.setup()
    assert data.batch(torch.tensor([0])).image.shape == (1, 1, 64, 64)


def test_a_record_alone_opens_no_picture(cohort, monkeypatch):
    monkeypatch.setattr(CohortDataModule, "_open_cache", lambda self: pytest.fail("opened"))
    data = _data(cohort, None, use_images=False)
    data.prepare_data()
    batch = data.batch(torch.tensor([0, 1]), epoch=0)
    assert batch.features is None and batch.image.shape == (2, 1, 1, 1)
