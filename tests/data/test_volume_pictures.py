"""CT volumes in the image cache and on their way to a network."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.data.volumes.made_scans import write_series
from tests.volume_cohorts import tissue, write_volume
from xattn_bmd.config import AugmentConfig, CompareConfig, ImageConfig
from xattn_bmd.data.cache import cached_images
from xattn_bmd.data.dataset import Pictures
from xattn_bmd.data.pictures.picture_map import preprocessing_key
from xattn_bmd.data.transforms import augment
from xattn_bmd.data.views import View
from xattn_bmd.data.volume import read_volume
from xattn_bmd.data.volumes.picture import volume_hash, volume_picture
from xattn_bmd.data.volumes.resample import resample
from xattn_bmd.errors import ConfigError, RadiographError, VolumeError
from xattn_bmd.types import Volume

SMALL = ImageConfig(size=16, slices=4, spacing_mm=(3.0, 1.0, 1.0), hu_window=(0.0, 1000.0))


def volume_of(voxels, spacing=(3.0, 1.0, 1.0)):
    return Volume(np.asarray(voxels, dtype=np.float32), spacing, np.diag([*spacing, 1.0]), ())


def ramp(shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape) % 1000


def test_the_middle_is_cut_out_and_the_window_mapped_to_the_levels():
    voxels = ramp((8, 20, 18))
    found, _ = volume_picture(volume_of(voxels), SMALL)
    expected = np.rint(voxels[2:6, 2:18, 1:17].astype(np.float64) / 1000 * 65535)
    assert np.abs(found - expected).max() <= 1  # rounded in single precision
    outside, _ = volume_picture(volume_of(np.full((4, 16, 16), -50.0)), SMALL)
    beyond, _ = volume_picture(volume_of(np.full((4, 16, 16), 3000.0)), SMALL)
    assert (outside == 0).all() and (beyond == 65535).all()


def test_a_smaller_volume_is_padded_with_the_lower_end_and_a_far_smaller_one_refused():
    found, steps = volume_picture(volume_of(np.full((2, 10, 16), 500.0)), SMALL)
    assert (found[1:3, 3:13] == 32768).all()
    found[1:3, 3:13] = 0
    assert not found.any()
    assert "2 x 10 x 16 voxels about the middle kept" in steps[1]
    with pytest.raises(VolumeError, match=r"at least half of the field of 12 x 16 x 16 mm .* is 12 x 7 x 16 mm"):
        volume_picture(volume_of(np.zeros((4, 7, 16))), SMALL)


def test_another_spacing_is_resampled_first():
    volume = volume_of(ramp((8, 20, 18)), spacing=(1.5, 2.0, 2.0))
    found, steps = volume_picture(volume, SMALL)
    once = resample(volume, SMALL.spacing_mm).voxels
    assert once.shape == (4, 40, 36)
    expected = np.rint(np.clip(once[:, 12:28, 10:26].astype(np.float64) / 1000, 0, 1) * 65535)
    assert np.abs(found - expected).max() <= 1
    assert steps[0] == "resampled linearly to 3 x 1 x 1 mm"


def test_the_cache_holds_volumes_and_decodes_them_once(tmp_path):
    paths = {
        "a": write_volume(tmp_path / "a.nii.gz", tissue((6, 20, 20))),
        "b": write_series(tmp_path / "b", shape=(16, 16)),
    }
    first = cached_images(paths, image=SMALL, folder=tmp_path / "cache")
    again = cached_images(paths, image=SMALL, folder=tmp_path / "cache")
    assert (first.decoded, again.decoded) == (2, 0)
    assert again.pixels.shape == (2, 4, 16, 16)
    np.testing.assert_array_equal(again.pixels[0], volume_picture(read_volume(paths["a"]), SMALL)[0])
    np.testing.assert_array_equal(again.pixels[1], volume_picture(read_volume(paths["b"]), SMALL)[0])
    assert again.spacing_mm == {"a": (1.0, 1.0), "b": (1.0, 1.0)}
    other = {"b": paths["b"], "c": write_volume(tmp_path / "c.nii.gz", tissue((6, 20, 20), hu=50))}
    assert cached_images(other, image=SMALL, folder=tmp_path / "cache").decoded == 1


def test_a_changed_slice_of_a_series_is_another_volume(tmp_path):
    folder = write_series(tmp_path / "b", shape=(16, 16))
    before = cached_images({"b": folder}, image=SMALL, folder=tmp_path / "cache")
    (folder / "s04.dcm").unlink()  # the middle one
    with pytest.raises(RadiographError, match=r"b: .*slice"):
        cached_images({"b": folder}, image=SMALL, folder=tmp_path / "cache")
    write_series(folder, shape=(16, 16), centre=(2.0, 2.0, 0.0))
    after = cached_images({"b": folder}, image=SMALL, folder=tmp_path / "cache")
    assert after.decoded == 1 and after.content_hashes != before.content_hashes


@pytest.mark.parametrize(
    "other", [{"slices": 5}, {"size": 20}, {"spacing_mm": (2.0, 1.0, 1.0)}, {"hu_window": (0.0, 900.0)}]
)
def test_every_setting_of_a_volume_changes_the_key_and_those_of_radiographs_do_not(other):
    assert preprocessing_key(replace(SMALL, **other)) != preprocessing_key(SMALL)
    assert preprocessing_key(replace(SMALL, crop="none", window=(1.0, 99.0))) == preprocessing_key(SMALL)
    flat = ImageConfig(size=16)
    assert preprocessing_key(replace(flat, hu_window=(0.0, 1.0))) == preprocessing_key(flat)


def test_one_scan_has_one_fingerprint_as_series_and_as_nifti(tmp_path):
    series = read_volume(write_series(tmp_path / "series"))
    copy = read_volume(write_volume(tmp_path / "copy.nii.gz", series.voxels, spacing=series.spacing_mm))
    changed = np.array(series.voxels)
    changed[0, 0, 0] += 1
    assert volume_hash(copy) == volume_hash(series) != volume_hash(volume_of(changed))


def test_unreadable_volumes_are_listed_together(tmp_path):
    (tmp_path / "a.nii").write_bytes(b"nothing")
    paths = {"a": tmp_path / "a.nii", "b": write_volume(tmp_path / "b.nii", tissue((4, 4, 4)))}
    with pytest.raises(RadiographError, match=r"2 of 2 are not; [\s\S]*- a: [\s\S]*- b: A volume fills at least half"):
        cached_images(paths, image=SMALL, folder=tmp_path / "cache")


def test_rows_come_as_images_of_many_slices_and_right_sides_are_mirrored():
    pixels = np.random.default_rng(0).integers(0, 65536, size=(3, 4, 5, 6), dtype=np.uint16)
    taken = Pictures(pixels, np.array([False, True, False])).take(np.array([2, 1]))
    expected = torch.from_numpy(pixels[[2, 1]].astype(np.float32) / 65535)
    expected[1] = expected[1].flip(-1)
    torch.testing.assert_close(taken, expected, rtol=0, atol=1e-7)


EACH = [
    *({"rotation": 8.0}, {"translation": 0.1}, {"scale": 0.1}, {"contrast": 0.3}),
    *({"gamma": 0.5}, {"flip": 0.5}, {"cutout": 0.4}),
]
NOTHING = dict.fromkeys(("rotation", "translation", "scale", "contrast", "gamma", "noise", "flip", "cutout"), 0.0)


@pytest.mark.parametrize("change", [*EACH, {name: value for one in EACH for name, value in one.items()}])
def test_all_slices_of_a_volume_are_changed_alike(change):
    one, row = torch.rand(5, 1, 24, 24), torch.arange(5)
    config = AugmentConfig(**NOTHING | change)
    changed = augment(one.repeat(1, 3, 1, 1), row, config=config, seed=1, epoch=2)
    alone = augment(one, row, config=config, seed=1, epoch=2)
    assert not torch.equal(alone, one)
    torch.testing.assert_close(changed, alone.repeat(1, 3, 1, 1), rtol=0, atol=1e-6)


def test_contrast_turns_about_the_mean_of_the_volume_and_not_of_each_slice():
    volume = torch.stack([torch.full((8, 8), level) for level in (0.4, 0.5, 0.6)])[None]
    changed = augment(volume, torch.tensor([3]), config=AugmentConfig(**NOTHING | {"contrast": 0.5}), seed=0, epoch=0)
    means = changed.mean(dim=(0, 2, 3))
    assert abs(float(means[2] - means[0]) - 0.2) > 0.01
    assert float(changed.mean()) == pytest.approx(0.5, abs=1e-6)


def test_noise_is_drawn_for_every_voxel_and_nothing_is_mirrored_unless_asked_for():
    volume = torch.full((4, 3, 16, 16), 0.5)
    noisy = augment(volume, torch.arange(4), config=AugmentConfig(**NOTHING | {"noise": 0.05}), seed=0, epoch=0)
    slices = noisy.flatten(2) - 0.5
    shared = torch.corrcoef(slices.flatten(0, 1)) - torch.eye(12)
    assert shared.abs().max() < 0.3
    assert float(slices.std()) == pytest.approx(0.05, rel=0.1)
    sided = torch.linspace(0, 1, 16).expand(4, 3, 16, 16)
    kept = augment(sided, torch.arange(4), config=AugmentConfig(), seed=0, epoch=0)
    assert (kept[..., -4:].mean(dim=(1, 2, 3)) > kept[..., :4].mean(dim=(1, 2, 3))).all()


def test_views_of_a_prediction_move_all_slices_alike():
    one = torch.rand(2, 1, 16, 16)
    view = View(degrees=4.0, right=0.05, mirrored=True)
    torch.testing.assert_close(view.of(one.repeat(1, 3, 1, 1)), view.of(one).repeat(1, 3, 1, 1), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ({"slices": 0}, "image.slices must be at least 1"),
        ({"spacing_mm": (3.0, 0.0, 1.0)}, "image.spacing_mm is three positive lengths"),
        ({"hu_window": (100.0, 100.0)}, "image.hu_window is two rising Hounsfield units"),
    ],
)
def test_impossible_settings_are_refused(setting, rule):
    with pytest.raises(ConfigError, match=rule):
        CompareConfig(image=ImageConfig(**setting))
