from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.segment.planted import TINY, planted
from xattn_bmd.errors import ConfigError, VolumeError
from xattn_bmd.segment.classes import as_classes, group_labels
from xattn_bmd.segment.config import SegmenterConfig
from xattn_bmd.segment.loss import dice_cross_entropy
from xattn_bmd.segment.network import VBNet
from xattn_bmd.segment.patches import PatchDraws, change
from xattn_bmd.segment.pieces import drop_pieces
from xattn_bmd.segment.samples import see_pairs
from xattn_bmd.types import LabelMap

STILL = replace(TINY, rotation=0.0, scale=0.0, mirror=0.0, shift_hu=0.0, contrast=0.0, noise_hu=0.0)


def test_loss_equals_monais_where_every_label_is_present():
    losses = pytest.importorskip("monai.losses")
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(2, 4, 3, 5, 6)))
    truth = torch.from_numpy(rng.integers(0, 4, (2, 3, 5, 6)))
    theirs = losses.DiceCELoss(
        include_background=False, to_onehot_y=True, softmax=True, batch=True, smooth_nr=1.0, smooth_dr=1.0
    )(logits, truth[:, None])
    assert float(dice_cross_entropy(logits, truth)) == pytest.approx(float(theirs), rel=1e-9)


def test_loss_leaves_absent_labels_to_the_cross_entropy():
    logits = torch.from_numpy(np.random.default_rng(1).normal(size=(1, 3, 2, 2, 2)))
    background = torch.zeros(1, 2, 2, 2, dtype=torch.int64)
    only = torch.nn.functional.cross_entropy(logits, background)
    assert float(dice_cross_entropy(logits, background)) == pytest.approx(float(only))


@pytest.mark.parametrize(("width", "levels", "bottleneck"), [(4, 2, 1), (8, 3, 4), (8, 4, 2)])
def test_network_of_any_size_keeps_the_shape_and_never_mixes_patches(width, levels, bottleneck):
    torch.manual_seed(0)
    network = VBNet(classes=3, width=width, levels=levels, bottleneck=bottleneck).eval()
    images = torch.randn(2, 1, 16, 16, 32)
    together = network(images)
    assert together.shape == (2, 3, 16, 16, 32)
    torch.testing.assert_close(network(images[1:]), together[1:], atol=1e-4, rtol=1e-4)
    together.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_the_bottleneck_saves_parameters():
    def size(bottleneck):
        network = VBNet(classes=2, width=16, levels=5, bottleneck=bottleneck)
        return sum(parameter.numel() for parameter in network.parameters())

    assert size(4) < 0.3 * size(1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"labels": ()}, "labels"),
        ({"labels": ("L1", "L1")}, "labels"),
        ({"labels": ("left femur",)}, "mirror"),
        ({"patch": (10, 16, 16)}, "multiple of 4"),
        ({"patch": (4, 16, 16)}, "at least 8"),
        ({"spacing_mm": (0.0, 1.0, 1.0)}, "spacing_mm"),
        ({"window_hu": (500.0, 100.0)}, "window_hu"),
        ({"levels": 1}, "levels"),
        ({"overlap": 0.95}, "overlap"),
        ({"validation_fraction": 0.7}, "validation_fraction"),
        ({"noise_hu": -1.0}, "noise_hu"),
        ({"keep": "some"}, "keep"),
        ({"foreground": 1.5}, "foreground"),
    ],
)
def test_impossible_settings(settings, message):
    with pytest.raises(ConfigError, match=message):
        SegmenterConfig(**settings)


def test_settings_come_back_from_plain_values():
    config = SegmenterConfig(labels=("left femur", "L1"), mirror=0.0, patch=(16, 32, 32), keep="largest")
    assert SegmenterConfig.from_dict(config.to_dict()) == config
    with pytest.raises(ConfigError, match="colour"):
        SegmenterConfig.from_dict({"colour": 1})


def test_patches_are_centred_on_labels_as_often_as_asked():
    pairs = [planted(seed) for seed in range(2)]
    samples = see_pairs([a for a, _ in pairs], [b for _, b in pairs], config=STILL)
    centred = {}
    for foreground in (0.0, 0.5, 1.0):
        config = replace(STILL, foreground=foreground, batch_size=200)
        _, classes = PatchDraws(samples, config=config, rng=np.random.default_rng(0)).batch()
        centred[foreground] = float((classes[:, 4, 8, 8] == 1).float().mean())
    assert centred[1.0] > 0.97 and centred[0.0] < 0.7
    assert centred[0.5] == pytest.approx((centred[0.0] + centred[1.0]) / 2, abs=0.1)
    images, classes = PatchDraws(samples, config=STILL, rng=np.random.default_rng(0)).batch()
    assert images.shape == (2, 1, 8, 16, 16) and classes.shape == (2, 8, 16, 16)
    assert images[classes[:, None] == 1].mean() > images[classes[:, None] == 0].mean()


def test_patches_depend_on_the_seed_alone():
    volume, drawn = planted(0)
    samples = see_pairs([volume], [drawn], config=TINY)
    first, again, other = (PatchDraws(samples, config=TINY, rng=np.random.default_rng(s)).batch()[0] for s in (1, 1, 2))
    assert first.equal(again) and not first.equal(other)


def test_a_volume_smaller_than_a_patch_is_continued():
    volume, drawn = planted(0)
    samples = see_pairs([volume], [drawn], config=replace(STILL, patch=(32, 48, 16)))
    images, _ = PatchDraws(samples, config=replace(STILL, patch=(32, 48, 16)), rng=np.random.default_rng(0)).batch()
    assert images.shape == (2, 1, 32, 48, 16)
    assert images[:, :, 20:].equal(images[:, :, 19:20].expand(-1, -1, 12, -1, -1))


def test_only_left_and_right_are_mirrored_and_labels_go_along():
    hu = np.random.default_rng(0).uniform(-150, 900, (8, 16, 16)).astype(np.float32)
    classes = (hu > 400).astype(np.uint8)
    image, truth = change(hu, classes, config=replace(STILL, mirror=1.0), rng=np.random.default_rng(0))
    plain, straight = change(hu, classes, config=STILL, rng=np.random.default_rng(0))
    assert image.flip(-1).equal(plain) and truth.flip(-1).equal(straight)
    np.testing.assert_allclose(plain[0].numpy(), (hu + 200) / 1200, atol=1e-6)
    assert straight.numpy().tolist() == classes.tolist()


def test_turns_are_rigid_in_mm_and_labels_go_along():
    """A ball stays a ball of its volume although voxels are three times as deep as wide."""
    config = replace(STILL, spacing_mm=(3.0, 1.0, 1.0), patch=(16, 48, 36), rotation=25.0)
    index = np.stack(np.meshgrid(np.arange(16), np.arange(48), np.arange(36), indexing="ij"), axis=-1)
    mm = (index - np.array([7.5, 23.5, 17.5])) * np.array([3.0, 1.0, 1.0])
    ball = np.linalg.norm(mm, axis=-1) < 15
    rod = (np.hypot(mm[..., 1], mm[..., 2]) < 5) & (np.abs(mm[..., 0]) < 13)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        _, turned = change((ball * 500.0).astype(np.float32), ball.astype(np.uint8), config=config, rng=rng)
        assert 2 * (turned.numpy() & ball).sum() / (turned.numpy().sum() + ball.sum()) > 0.93
        image, moved = change((rod * 900.0).astype(np.float32), rod.astype(np.uint8), config=config, rng=rng)
        bright = (image[0].numpy() * 1200 - 200) > 450
        assert 2 * (bright & (moved.numpy() > 0)).sum() / (bright.sum() + moved.numpy().sum()) > 0.9
        assert moved.numpy().sum() == pytest.approx(rod.sum(), rel=0.15)


def test_intensity_changes_stay_within_their_ranges():
    hu = np.full((8, 16, 16), 400.0, dtype=np.float32)
    config = replace(STILL, shift_hu=50.0, contrast=0.1)
    for seed in range(20):
        image, _ = change(hu, np.zeros((8, 16, 16), np.uint8), config=config, rng=np.random.default_rng(seed))
        assert abs(float(image.mean()) * 1200 - 200 - 400) <= 90.5 and float(image.std()) < 1e-5
    noisy, _ = change(
        hu, np.zeros((8, 16, 16), np.uint8), config=replace(STILL, noise_hu=30.0), rng=np.random.default_rng(0)
    )
    assert 0 < float(noisy.std()) * 1200 <= 32


def drawn_with(labels, names):
    return LabelMap(np.array([[labels]], dtype=np.uint16), names, (1.0, 1.0, 1.0), np.eye(4), ())


def test_classes_of_named_and_unnamed_maps():
    assert as_classes(drawn_with([0, 3, 9], {}), ("bone",)).tolist() == [[[0, 1, 1]]]
    assert as_classes(drawn_with([0, 3, 9], {"b": 9, "a": 3}), ("a", "b")).tolist() == [[[0, 1, 2]]]
    with pytest.raises(VolumeError, match="no names"):
        as_classes(drawn_with([0, 3, 9], {}), ("a", "b"))
    for groups in ({"a": (1, 2), "b": (2,)}, {"a": (0,)}, {}):
        with pytest.raises(VolumeError, match="one group"):
            group_labels(drawn_with([0, 1, 2], {}), groups)


def test_pieces():
    labels = np.zeros((3, 12, 12), dtype=np.uint16)
    labels[0, 0:2, 0:2] = 1  # 4 voxels, and by a corner one more
    labels[1, 2, 2] = 1
    labels[2, 6:8, 6:9] = 1  # 6 voxels
    labels[0, 11, 11] = 1
    labels[2, 0:2, 0:2] = 3
    cleaned = labels.copy()
    assert drop_pieces(cleaned, keep="all", smallest=2) == 1
    assert (cleaned == 1).sum() == 11 and cleaned[0, 11, 11] == 0 and (cleaned == 3).sum() == 4
    cleaned = labels.copy()
    assert drop_pieces(cleaned, keep="largest", smallest=0) == 2
    assert (cleaned == 1).sum() == 6 and (cleaned == 3).sum() == 4
    assert drop_pieces(cleaned, keep="largest", smallest=7) == 2 and not cleaned.any()
