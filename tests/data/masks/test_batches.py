"""A mask stays on what it marks: through cutting, resizing, padding, mirroring and every random change of training."""

import pickle  # noqa: TID251
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.masks.drawn import drawn, drawn_cohort
from xattn_bmd import Cohort, CohortDataModule, FoldPlan
from xattn_bmd.config import AugmentConfig, ImageConfig
from xattn_bmd.data.cache import cached_images, default_cache_folder
from xattn_bmd.data.datamodule import cohort_images
from xattn_bmd.data.masks import stored
from xattn_bmd.data.masks.opened import cohort_masks
from xattn_bmd.data.transforms import augment, augment_mask
from xattn_bmd.data.withheld import InputDropout
from xattn_bmd.errors import ConfigError
from xattn_bmd.search.part_images import PartImages

MOVES = AugmentConfig(rotation=15, translation=0.1, scale=0.15, flip=0.5, gamma=0, contrast=0, noise=0)
N, WITHOUT = 10, 3


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    """Ten radiographs, five of them right hips, one without a mask."""
    return drawn_cohort(tmp_path_factory.mktemp("masked"), n=N, without=(WITHOUT,))


def _data(cohort, **changes):
    settings = {"image": ImageConfig(size=64), "batch_size": 4, "use_masks": True} | changes
    return CohortDataModule(cohort, plan=FoldPlan.make(cohort, folds=2), **settings)


def _images(cohort, image, **options):
    cache = cached_images(cohort.image_paths, image=image, folder=default_cache_folder())
    masks = cohort_masks(cohort, cache, image=image, folder=default_cache_folder())
    return cohort_images(cohort, cache, masks=masks, **options)


def _centres(weights):
    """Row and column of the centre of weight of each picture, ``(B, 2)`` pixels."""
    weights = weights[:, 0].double()
    total = weights.sum(dim=(1, 2))
    rows, columns = (torch.arange(side, dtype=torch.float64) for side in weights.shape[1:])
    return torch.stack(
        [(weights.sum(dim=2) * rows).sum(dim=1) / total, (weights.sum(dim=1) * columns).sum(dim=1) / total], dim=1
    )


def _together(batch, *, tolerance=1.0):
    """Assert that the bright square of each picture and its mask have one centre and one area."""
    known = batch.has_mask
    bright = (batch.image[known] - 0.45).clamp(min=0)
    distance = (_centres(bright) - _centres(batch.mask[known])).norm(dim=1)
    assert distance.max() < tolerance
    white, inside = batch.image[known] > 0.6, batch.mask[known] > 0.5
    overlap = (white & inside).sum(dim=(1, 2, 3)) / (white | inside).sum(dim=(1, 2, 3))
    assert overlap.min() > 0.85


@pytest.mark.parametrize("crop", ["border", "none"])
@pytest.mark.parametrize("size", [48, 201])
def test_picture_and_mask_are_cut_resized_padded_and_turned_alike(masked, size, crop):
    batch = _data(masked, image=ImageConfig(size=size, crop=crop)).batch(torch.arange(N))
    assert batch.mask.shape == (N, 1, size, size) and batch.mask.dtype == torch.float32
    assert batch.mask.unique().tolist() == [0, 1]
    assert batch.has_mask.tolist() == [row != WITHOUT for row in range(N)] and batch.has_mask.dtype == torch.bool
    assert not batch.mask[WITHOUT].any()
    _together(batch)


def test_a_mask_lies_where_a_ruler_says(masked):
    batch = _data(masked, image=ImageConfig(size=150, crop="none")).batch(torch.arange(N))
    for row in (0, 1):
        whole = np.zeros((150, 150), dtype=bool)
        whole[30:120] = drawn(row) > 0  # 90 rows in the middle of 150
        np.testing.assert_array_equal(batch.mask[row, 0].numpy() > 0, whole[:, ::-1] if row == 1 else whole)


def test_training_moves_picture_and_mask_together(masked):
    data = _data(masked, augment=MOVES)
    plain, rows = data.batch(torch.arange(N)), torch.arange(N)
    for epoch in range(6):
        moved = data.batch(rows, epoch=epoch)
        assert moved.mask.unique().tolist() == [0, 1] and torch.equal(moved.has_mask, plain.has_mask)
        assert not moved.mask[WITHOUT].any()
        assert (_centres(moved.mask[moved.has_mask]) - _centres(plain.mask[plain.has_mask])).norm(dim=1).max() > 2
        _together(moved)


@settings(max_examples=25, deadline=None)
@given(
    rotation=st.floats(0, 25),
    translation=st.floats(0, 0.12),
    scale=st.floats(0, 0.2),
    flip=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 99),
)
def test_any_change_of_place_is_that_of_the_picture(rotation, translation, scale, flip, seed):
    mask, row = torch.zeros(3, 1, 48, 48), torch.tensor([4, 0, 9])
    for position in range(3):
        mask[position, 0, 14 + position : 26 + position, 16:30] = 1
    config = replace(MOVES, rotation=rotation, translation=translation, scale=scale, flip=flip)
    image = augment(mask, row, config=config, seed=seed, epoch=1)
    moved = augment_mask(mask, row, config=config, seed=seed, epoch=1)
    assert torch.equal(moved, (image >= 0.5).float())
    assert (_centres(image) - _centres(moved)).norm(dim=1).max() < 1


def test_grey_changes_noise_and_the_cut_out_leave_the_mask_alone(masked):
    still = AugmentConfig(rotation=0, translation=0, scale=0, flip=0, gamma=0.3, contrast=0.2, noise=0.05, cutout=0.5)
    data = _data(masked, augment=still)
    plain, changed = data.batch(torch.arange(N)), data.batch(torch.arange(N), epoch=0)
    assert torch.equal(plain.mask, changed.mask) and not torch.equal(plain.image, changed.image)


def test_masks_do_not_change_a_bit_of_the_pictures(masked):
    rows = torch.arange(N)
    settings = {"augment": AugmentConfig(), "dropout": InputDropout(image=0.3, record=0.2)}
    with_masks, without = (_data(masked, use_masks=use, **settings).batch(rows, epoch=1) for use in (True, False))
    assert torch.equal(with_masks.image, without.image) and torch.equal(with_masks.no_image, without.no_image)
    assert with_masks.mask is not None and torch.equal(with_masks.variables.missing, without.variables.missing)


def test_the_loaders_carry_masks(masked):
    data = _data(masked)
    rows = next(iter(data.train_dataloader()))
    batch = data.transfer_batch_to_device(rows, torch.device("cpu"), 0)
    assert batch.mask.shape == (len(rows), 1, 64, 64)
    assert torch.equal(batch.mask, data.batch(torch.arange(N)).mask[rows])


def test_no_mask_is_read_unless_it_is_asked_for(masked, monkeypatch):
    monkeypatch.setattr(stored, "read_mask", lambda *args, **kwargs: pytest.fail("read"))
    data = _data(masked, use_masks=False)
    data.prepare_data()
    batch = data.batch(torch.arange(2), epoch=0)
    assert batch.mask is None and batch.has_mask is None
    with pytest.raises(pytest.fail.Exception, match="read"):
        _data(masked).prepare_data()


def test_a_cohort_without_masks_gives_none(masked):
    plain = replace(masked, masks=type(masked.masks)())
    batch = _data(plain).batch(torch.arange(2))
    assert batch.mask is None and batch.has_mask is None


def test_a_part_without_any_mask_gives_zeros(masked):
    part = masked.subset([masked.radiograph_ids[WITHOUT]])
    images = _images(part, ImageConfig(size=64))
    mask, known = images.masked(torch.tensor([0]), torch.device("cpu"))
    assert not mask.any() and known.tolist() == [False]


def test_shared_images_open_their_masks_once_and_travel(masked, monkeypatch):
    image = ImageConfig(size=64)
    images = _images(masked, image)
    first = _data(masked, images=images).batch(torch.arange(N))
    opened = images.masks.placed
    monkeypatch.setattr(stored, "stored_masks", lambda *args, **kwargs: pytest.fail("opened again"))
    second = _data(masked, images=images, fold=1)
    second.prepare_data()
    assert torch.equal(second.batch(torch.arange(N)).mask, first.mask) and images.masks.placed is opened
    monkeypatch.undo()
    other = _data(masked, images=pickle.loads(pickle.dumps(images))).batch(torch.arange(N))
    assert torch.equal(other.mask, first.mask) and torch.equal(other.image, first.image)


def test_a_part_of_a_search_sees_the_masks_of_its_own_rows(masked):
    whole = _images(masked, ImageConfig(size=64))
    part = PartImages(whole, [8, WITHOUT, 1])
    cpu = torch.device("cpu")
    mask, known = part.masked(torch.tensor([0, 1, 2]), cpu)
    expected, _ = whole.masked(torch.tensor([8, WITHOUT, 1]), cpu)
    assert torch.equal(mask, expected) and known.tolist() == [True, False, True]
    assert PartImages(_images(replace(masked, masks=type(masked.masks)()), ImageConfig(size=64)), [1]).masks is None


def test_masks_without_pictures_are_refused(masked):
    image = ImageConfig(size=64)
    features = np.zeros((N, 1, 2, 2, 2), dtype=np.float32)
    with pytest.raises(ConfigError, match="use_images=False"):
        _data(masked, use_images=False)
    with pytest.raises(ConfigError, match="stored feature maps"):
        _data(masked, images=_images(masked, image, features=features))
    cache = cached_images(masked.image_paths, image=image, folder=default_cache_folder())
    with pytest.raises(ConfigError, match=r"make them with cohort_images\(\.\.\., masks=cohort_masks"):
        _data(masked, images=cohort_images(masked, cache))


def test_nifti_and_truth_give_the_batches_of_png(tmp_path):
    import nibabel as nib

    cohort = drawn_cohort(tmp_path, n=4, without=(2,))
    (tmp_path / "nifti").mkdir()
    (tmp_path / "truth").mkdir()
    for row in (0, 1, 3):
        nib.save(nib.Nifti1Image(drawn(row).T.copy(), np.eye(4)), tmp_path / "nifti" / f"hip_{row:03d}.nii.gz")
        packed, shape = np.packbits(drawn(row) > 0), np.array(drawn(row).shape)
        np.savez(tmp_path / "truth" / f"hip_{row:03d}.npz", shape=shape, neck=packed)
    expected = _data(cohort).batch(torch.arange(4))
    for masks in ("nifti", "truth/neck"):
        other = Cohort.from_csv(tmp_path / "cohort.csv", masks=tmp_path / masks)
        batch = _data(other).batch(torch.arange(4))
        assert torch.equal(batch.mask, expected.mask) and torch.equal(batch.has_mask, expected.has_mask)
