from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.data.radiograph_files import picture, real_file
from xattn_bmd.config import ImageConfig
from xattn_bmd.data.pictures.border import exposed_field
from xattn_bmd.data.pictures.content_hash import content_hash
from xattn_bmd.data.preprocess import WHITE, frame_of, picture_spacing, preprocess
from xattn_bmd.data.radiograph import read_radiograph
from xattn_bmd.errors import ConfigError
from xattn_bmd.types import Radiograph


def _radiograph(pixels, spacing=None):
    return Radiograph(np.asarray(pixels, dtype=np.float32), spacing, ())


@settings(max_examples=30, deadline=None)
@given(
    top=st.integers(0, 20), bottom=st.integers(0, 20), left=st.integers(0, 20), right=st.integers(0, 20),
    level=st.sampled_from([0.0, 1.0]), noise=st.sampled_from([0.0, 0.003]),
)  # fmt: skip
def test_border_of_any_widths_is_found_dark_or_bright(top, bottom, left, right, level, noise):
    rng = np.random.default_rng(0)
    pixels = np.full((96, 80), level, dtype=np.float32)
    pixels[top : 96 - bottom, left : 80 - right] = rng.uniform(0.2, 0.8, (96 - top - bottom, 80 - left - right))
    pixels += noise * rng.standard_normal(pixels.shape).astype(np.float32)
    assert exposed_field(pixels) == (top, 96 - bottom, left, 80 - right)


def test_gradient_of_soft_tissue_at_the_edge_is_kept():
    pixels = np.linspace(0, 1, 100, dtype=np.float32)[None, :] * np.linspace(0.2, 1, 120, dtype=np.float32)[:, None]
    for turned in (pixels, pixels.T, pixels[:, ::-1], pixels.T[::-1]):
        assert min(kept / side for kept, side in zip(exposed_field(turned).shape, turned.shape, strict=True)) >= 0.97


def test_borders_of_two_kinds_that_hide_each_other_are_cut():
    pixels = np.random.default_rng(0).uniform(0.2, 0.8, (100, 100)).astype(np.float32)
    pixels[:10] = 1
    pixels[:, :12] = 0
    assert exposed_field(pixels) == (10, 100, 12, 100)


def test_small_object_in_a_flat_picture_is_not_cropped_to():
    pixels = np.zeros((100, 100), dtype=np.float32)
    pixels[45:55, 45:55] = 1
    assert exposed_field(pixels).shape == (100, 100)


@pytest.mark.parametrize(("rows", "columns"), [(80, 40), (40, 80), (64, 64), (33, 200)])
def test_aspect_is_kept_and_the_rest_is_black(rows, columns):
    pixels = np.random.default_rng(0).uniform(1, 2, (rows, columns))
    config = ImageConfig(size=48, crop="none")
    square, steps = preprocess(_radiograph(pixels), config)
    frame = frame_of(_radiograph(pixels), config)
    inside = square[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width]
    assert square.shape == (48, 48)
    assert square.dtype == np.uint16
    assert square.sum() == inside.sum()
    assert frame.width / frame.height == pytest.approx(columns / rows, rel=0.1)
    assert len(steps) == 4


def test_oblong_pixels_are_made_square():
    frame = frame_of(_radiograph(np.random.default_rng(0).random((64, 64)), (0.2, 0.1)), ImageConfig(size=32))
    assert (frame.height, frame.width) == (32, 16)
    spacing = picture_spacing(_radiograph(np.zeros((64, 64)), (0.2, 0.1)), frame)
    assert spacing == pytest.approx((0.4, 0.4))


def test_percentiles_become_black_and_white():
    pixels = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    square, _ = preprocess(_radiograph(pixels), ImageConfig(size=64, window=(10, 90)))
    low, high = np.percentile(pixels, (10, 90))
    expected = np.rint(np.clip((pixels - low) / (high - low), 0, 1) * WHITE)
    np.testing.assert_allclose(square, expected, atol=1)


@settings(max_examples=25, deadline=None)
@given(slope=st.floats(0.01, 100), offset=st.floats(-10, 10))
def test_linear_display_windows_cancel_out(slope, offset):
    pixels = picture().astype(np.float64)
    plain, _ = preprocess(_radiograph(pixels), ImageConfig(size=32))
    windowed, _ = preprocess(_radiograph(pixels * slope + offset), ImageConfig(size=32))
    assert np.abs(plain.astype(int) - windowed).max() <= 2


def test_many_levels_survive():
    square, _ = preprocess(_radiograph(picture(rows=224, columns=224)), ImageConfig(size=224))
    assert len(np.unique(square)) > 500


def test_shrinking_averages_instead_of_picking():
    board = np.indices((256, 256)).sum(axis=0) % 2
    square, _ = preprocess(_radiograph(board), ImageConfig(size=32, crop="none"))
    assert np.abs(square[2:-2, 2:-2] / WHITE - 0.5).max() < 0.05


@pytest.mark.parametrize(
    "config",
    [ImageConfig(size=0), ImageConfig(window=(50, 50)), ImageConfig(window=(-1, 99)), ImageConfig(crop="auto")],  # type: ignore[arg-type]
    ids=["size", "empty window", "negative percentile", "crop"],
)
def test_impossible_settings_are_refused(config):
    with pytest.raises(ConfigError):
        preprocess(_radiograph(picture()), config)


def test_content_hash_of_a_large_picture_sees_its_noise_and_its_shape():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 4096, (1100, 1600)).astype(np.float32)
    again = rng.integers(0, 4096, (1100, 1600)).astype(np.float32)
    assert content_hash(pixels) == content_hash((pixels * np.float32(0.1) - 3).astype(np.float32))
    assert len({content_hash(one) for one in (pixels, again, pixels[:-1], pixels[:, ::-1])}) == 4


def test_grey_window_of_a_large_picture_is_that_of_all_its_pixels():
    pixels = np.random.default_rng(0).normal(size=(1300, 1100)).astype(np.float32)
    square, _ = preprocess(_radiograph(pixels), ImageConfig(size=64, crop="none"))
    low, high = np.percentile(pixels, (0.5, 99.5))
    clipped = Image.fromarray(((pixels - low) / (high - low)).clip(0, 1).astype(np.float32))
    frame = frame_of(_radiograph(pixels), ImageConfig(size=64, crop="none"))
    wanted = np.asarray(clipped.resize((frame.width, frame.height), Image.Resampling.BILINEAR)) * WHITE
    inside = square[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width]
    np.testing.assert_allclose(inside, wanted, atol=0.005 * WHITE)


def test_content_hash_ignores_units_and_sees_one_changed_pixel():
    pixels = picture().astype(np.float32)
    changed = pixels.copy()
    changed[7, 7] += 500
    assert content_hash(pixels) == content_hash((pixels * np.float32(0.1) - 3).astype(np.float32))
    assert content_hash(pixels) == content_hash(np.tanh(pixels / 4096).astype(np.float32))
    assert content_hash(pixels) != content_hash(changed)
    assert content_hash(pixels) != content_hash(pixels[::-1].copy())
    assert content_hash(pixels) != content_hash(pixels.reshape(pixels.shape[::-1]))


def test_content_hash_of_levels_that_are_unevenly_spaced():
    pixels = np.array([[0, 1e-7, 1], [1e7, 5, 1e-7]], dtype=np.float32)
    ranks = np.array([[0, 1, 2], [4, 3, 1]], dtype=np.float32)
    assert content_hash(pixels) == content_hash(ranks)


@pytest.mark.parametrize("name", ["xray_hip_infant/331_DDH_1.dcm", "xray_hip_infant/331_DDH_139.dcm"])
def test_crop_keeps_the_anatomy_of_real_pelves(name):
    radiograph = read_radiograph(real_file(name))
    box = exposed_field(radiograph.pixels)
    assert min(box.shape) > 0.9 * 331


def test_crop_removes_only_the_unexposed_sides_of_a_real_leg():
    radiograph = read_radiograph(real_file("dicom_nema/RG3_J2KR.dcm"))
    box = exposed_field(radiograph.pixels)
    assert (box.top, box.bottom) == (0, 1760)
    assert 300 < box.left < 480
    assert box.right > 1250


def test_settings_change_the_picture():
    radiograph = _radiograph(picture(rows=64, columns=64))
    config = ImageConfig(size=32)
    plain, _ = preprocess(radiograph, config)
    other, _ = preprocess(radiograph, replace(config, window=(5, 95)))
    assert not np.array_equal(plain, other)
