import numpy as np
import pytest
import torch
from segmentation_models_pytorch.losses import DiceLoss
from sklearn.metrics import log_loss

from xattn_bmd.losses.mask import SMOOTH, mask_loss

EVERY = torch.ones(3, dtype=torch.bool)


def made(seed=0, n=3, size=12):
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, 1, size, size, generator=draw)
    return logits, (torch.rand(n, 1, size, size, generator=draw) < 0.3).float()


def test_agrees_with_smp_dice_and_scikit_learn_cross_entropy_picture_by_picture():
    logits, mask = made()
    dice = DiceLoss("binary", smooth=SMOOTH / 2)  # which counts it on both sides of a fraction of halves
    for one, inside in zip(logits, mask, strict=True):
        entropy = log_loss(inside.flatten().numpy(), one.sigmoid().flatten().double().numpy())
        expected = float(dice(one[None], inside[None])) + entropy
        assert float(mask_loss(one[None], inside[None], EVERY[:1])) == pytest.approx(expected, abs=1e-5)


def test_mean_over_the_batch_in_which_a_radiograph_without_a_mask_costs_nothing():
    logits, mask = made()
    each = [float(mask_loss(logits[[k]], mask[[k]], EVERY[:1])) for k in range(3)]
    assert float(mask_loss(logits, mask, EVERY)) == pytest.approx(np.mean(each), abs=1e-6)
    known = torch.tensor([True, False, True])
    assert float(mask_loss(logits, mask, known)) == pytest.approx((each[0] + each[2]) / 3, abs=1e-6)


def test_what_lies_in_the_place_of_a_missing_mask_is_never_read():
    logits, mask = made()
    logits.requires_grad_()
    known = torch.tensor([True, False, True])
    other = mask.clone()
    other[1] = float("nan")
    loss = mask_loss(logits, other, known)
    loss.backward()
    assert float(loss.detach()) == float(mask_loss(logits, mask, known).detach())
    assert not logits.grad[1].any()
    assert bool(logits.grad[0].any())


def test_a_batch_without_any_mask_costs_nothing_and_still_has_a_gradient():
    logits, mask = made()
    logits.requires_grad_()
    loss = mask_loss(logits, mask, ~EVERY)
    loss.backward()
    assert float(loss) == 0.0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_right_is_free_and_wrong_is_dear():
    _, mask = made()
    right = float(mask_loss(200 * mask - 100, mask, EVERY))
    assert right == pytest.approx(0.0, abs=1e-6)
    assert float(mask_loss(100 - 200 * mask, mask, EVERY)) > 50
