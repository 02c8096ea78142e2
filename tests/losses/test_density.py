import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, mean_squared_error

from xattn_bmd.config import HEAD_LOSSES, TrainingConfig
from xattn_bmd.errors import ConfigError
from xattn_bmd.losses.build import build_loss
from xattn_bmd.losses.density import (
    BALANCED_NOISE,
    MOST_WEIGHT,
    DensityWeights,
    balanced_mse,
    fit_weights,
    weighted_smooth_l1,
)
from xattn_bmd.models.heads import HEADS, Estimate

LUNAR = (0.6907, 0.8990)
SCHEMES = ("t_score_bands", "label_density", "none")
densities = st.lists(st.floats(0.3, 1.8), min_size=2, max_size=60)


def made_densities(n=300, seed=0):
    return np.random.default_rng(seed).normal(0.88, 0.147, n)


def test_losses_agree_with_scikit_learn():
    target, prediction, weight = (made_densities(40, seed) for seed in (0, 1, 2))
    tensors = [torch.from_numpy(x) for x in (prediction, target, weight)]
    tensors[0] = Estimate(tensors[0])
    assert float(build_loss(TrainingConfig(loss="mse"))(*tensors)) == pytest.approx(
        mean_squared_error(target, prediction)
    )
    assert float(build_loss(TrainingConfig(loss="mae"))(*tensors)) == pytest.approx(
        mean_absolute_error(target, prediction)
    )


def test_smooth_l1_is_quadratic_below_beta_and_linear_above():
    target, error, one = torch.zeros(1), 0.03, torch.ones(1)
    assert float(weighted_smooth_l1(torch.tensor([error]), target, one, beta=0.05)) == pytest.approx(error**2 / 0.1)
    assert float(weighted_smooth_l1(torch.tensor([0.2]), target, one, beta=0.05)) == pytest.approx(0.2 - 0.025)


def test_torchs_default_beta_is_half_the_squared_error_for_densities():
    target, prediction = (torch.from_numpy(made_densities(40, seed)) for seed in (0, 1))
    smooth = build_loss(TrainingConfig(loss="smooth_l1", beta=1.0))(Estimate(prediction), target, torch.ones(40))
    assert float(smooth) == pytest.approx(float((prediction - target).pow(2).mean()) / 2)


def made_estimate(n=40):
    median, sd = torch.from_numpy(made_densities(n, 1)), torch.linspace(0.05, 0.2, n, dtype=torch.float64)
    return Estimate(median, sd=sd, quantiles=torch.stack([median - sd, median, median + 2 * sd], dim=1))


def test_only_the_weighted_loss_uses_weights():
    target, estimate = torch.from_numpy(made_densities(40)), made_estimate()
    one, other = torch.ones(40), torch.linspace(0.1, 3, 40)
    moved = {
        name: not torch.equal(build_loss(config)(estimate, target, one), build_loss(config)(estimate, target, other))
        for head in HEADS
        for name in HEAD_LOSSES[head]
        for config in [TrainingConfig(loss=name)]
    }
    assert moved.pop("weighted_smooth_l1")
    assert moved == dict.fromkeys(("smooth_l1", "mse", "mae", "balanced_mse", "gaussian_nll", "pinball"), False)


def test_gaussian_likelihood_agrees_with_scipy():
    target, estimate = made_densities(40), made_estimate()
    loss = build_loss(TrainingConfig(loss="gaussian_nll"))(estimate, torch.from_numpy(target), torch.ones(40))
    assert float(loss) == pytest.approx(-norm(estimate.density, estimate.sd).logpdf(target).mean())


def test_pinball_agrees_with_scikit_learn():
    target, estimate = made_densities(40), made_estimate()
    loss = build_loss(TrainingConfig(loss="pinball"))(estimate, torch.from_numpy(target), torch.ones(40))
    shares = zip((0.05, 0.5, 0.95), estimate.quantiles.T.numpy(), strict=True)
    assert float(loss) == pytest.approx(np.mean([mean_pinball_loss(target, q, alpha=share) for share, q in shares]))


def test_balanced_mse_is_its_formula():
    target, prediction = made_densities(40, 0), made_densities(40, 1)
    loss = build_loss(TrainingConfig(loss="balanced_mse"))
    found = loss(Estimate(torch.from_numpy(prediction)), torch.from_numpy(target), torch.ones(40))
    double = 2 * BALANCED_NOISE**2
    others = double * logsumexp(-((prediction[:, None] - target[None, :]) ** 2) / double, axis=1)
    assert float(found) == pytest.approx(float(((prediction - target) ** 2 + others).mean()))


def best_slope(loss, reading, target):
    """Return the factor on the readings, in SD from the mean density, with which a loss is smallest."""
    return minimize_scalar(lambda slope: float(loss(0.88 + slope * reading, target)), bounds=(0.1, 2)).x


def test_balanced_mse_undoes_the_pull_of_the_common_densities():
    """A reading with normal error: least squares shrinks it towards the mean, by theory by 1 / (1 + noise² / SD²)."""
    draw, noise, spread = torch.Generator().manual_seed(0), 0.1, 0.147
    apart, error = torch.randn(2, 1500, generator=draw, dtype=torch.float64) * torch.tensor([[spread], [noise]])
    reading, target = apart + error, 0.88 + apart
    shrunk = best_slope(torch.nn.functional.mse_loss, reading, target)
    whole = best_slope(lambda p, t: balanced_mse(p, t, noise=noise), reading, target)
    assert shrunk == pytest.approx(1 / (1 + noise**2 / spread**2), abs=0.03)
    assert whole == pytest.approx(1, abs=0.03)


def test_balanced_mse_at_its_limits():
    target = torch.from_numpy(made_densities(12))
    prediction = torch.from_numpy(made_densities(12, 1)).requires_grad_()
    [pull] = torch.autograd.grad(balanced_mse(prediction, target, noise=100.0), prediction)
    torch.testing.assert_close(pull, 2 * (target.mean() - target) / 12, rtol=1e-3, atol=1e-6)  # any density is likely
    assert balanced_mse(target, target, noise=1e-4).item() == pytest.approx(0)  # no other density can be meant
    assert balanced_mse(prediction[:1], target[:1], noise=0.1).item() == 0  # there is no other


@pytest.mark.parametrize(("loss", "head"), [("gaussian_nll", "gaussian"), ("pinball", "quantile")])
def test_a_loss_without_its_head_is_refused(loss, head):
    with pytest.raises(ConfigError, match=f"head='{head}'"):
        build_loss(TrainingConfig(loss=loss))(Estimate(torch.ones(3)), torch.ones(3), torch.ones(3))


@pytest.mark.parametrize(
    "config", [TrainingConfig(beta=0.0), TrainingConfig(loss="huber"), TrainingConfig(beta=float("nan"))]
)
def test_impossible_loss_is_refused(config):
    with pytest.raises(ConfigError):
        build_loss(config)


@pytest.mark.parametrize("scheme", SCHEMES)
@given(values=densities)
def test_weights_are_positive_with_mean_one_and_survive_json(scheme, values):
    target = np.array(values)
    fitted = fit_weights(target, scheme=scheme, thresholds=LUNAR)
    weight = fitted.weights(target)
    assert weight.dtype == np.float32 and weight.shape == target.shape
    assert weight.min() > 0
    assert weight.mean() == pytest.approx(1, abs=1e-4)
    again = DensityWeights.from_dict(json.loads(json.dumps(fitted.to_dict())))
    assert again == fitted


def test_bands_follow_the_who_classes_and_their_edges():
    fitted = fit_weights(made_densities(), scheme="t_score_bands", thresholds=LUNAR)
    weight = fitted.weights(np.array([0.5, 0.6907, 0.6908, 0.8989, 0.8990, 1.2]))
    np.testing.assert_allclose(weight / weight[-1], [2, 2, 1.5, 1.5, 1, 1], rtol=1e-5)


def test_thresholds_may_come_in_any_order():
    target = made_densities()
    assert fit_weights(target, scheme="t_score_bands", thresholds=LUNAR[::-1]) == fit_weights(
        target, scheme="t_score_bands", thresholds=LUNAR
    )


def test_label_density_weighs_the_rare_more_within_its_limit_and_beyond_the_training_range():
    target = made_densities()
    fitted = fit_weights(target, scheme="label_density", thresholds=LUNAR)
    common, low, far_low, far_high = fitted.weights(np.array([0.88, 0.60, 0.0, 3.0]))
    assert low > 1.8 * common
    assert far_low / common == pytest.approx(MOST_WEIGHT, rel=0.05)
    assert far_high / common == pytest.approx(MOST_WEIGHT, rel=0.05)


def test_label_density_interpolates_as_numpy_does():
    fitted, x = fit_weights(made_densities(), scheme="label_density", thresholds=LUNAR), np.linspace(0.2, 1.6, 500)
    np.testing.assert_allclose(fitted.weights(x), np.interp(x, fitted.density, fitted.weight), rtol=1e-5)


def test_weights_of_a_tensor_are_those_of_the_array():
    target = made_densities()
    for scheme in SCHEMES:
        fitted = fit_weights(target, scheme=scheme, thresholds=LUNAR)
        assert fitted(torch.from_numpy(target)).tolist() == fitted.weights(target).tolist()


def test_weights_know_only_the_training_folds():
    fitted = fit_weights(np.full(10, 0.6), scheme="t_score_bands", thresholds=LUNAR)
    assert fitted.weights(np.array([0.6]))[0] == pytest.approx(1)
    assert fitted.weights(np.array([1.2]))[0] == pytest.approx(0.5)


@pytest.mark.parametrize("target", [[0.8, float("nan")], [0.8], []])
def test_densities_that_cannot_be_fitted_are_refused(target):
    with pytest.raises(ConfigError, match="finite densities"):
        fit_weights(np.array(target), scheme="none", thresholds=LUNAR)


def test_unknown_scheme_is_refused():
    with pytest.raises(ConfigError, match="'inverse' was given"):
        fit_weights(made_densities(), scheme="inverse", thresholds=LUNAR)
