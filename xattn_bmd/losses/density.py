"""Training losses on density, and the weights that make rare low densities count more.

Densities are in g/cm².  Errors are about 0.1 g/cm², so Smooth L1 with torch's default β = 1 is plain MSE / 2 for every
patient; β ≈ 0.03-0.1 g/cm² makes it quadratic for small errors and linear for large ones.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import gaussian_kde
from torch import Tensor

from xattn_bmd.config import Weighting
from xattn_bmd.errors import ConfigError
from xattn_bmd.types import HEAD_QUANTILES

BAND_WEIGHTS = (2.0, 1.5, 1.0)
"""Osteoporosis, osteopenia, normal: our choice, mild because n is small; the source states no numbers."""

MOST_WEIGHT = 3.0
"""Largest weight of ``label_density`` relative to the commonest density; our choice."""

BALANCED_NOISE = 0.1
"""SD that ``balanced_mse`` ascribes to a prediction, g/cm²: about the error of the networks here; our choice."""

KNOTS = 64

SAME = 1e-6
"""Densities closer than this, in g/cm², count as one."""

WEIGHTINGS = tuple(name for name in get_args(Weighting) if name != "class_frequency")


def weighted_smooth_l1(prediction: Tensor, target: Tensor, weight: Tensor, *, beta: float) -> Tensor:
    """Return the mean of ``weight · smooth_l1(error)``.

    ``smooth_l1(e) = e² / (2β)`` where ``|e| < β`` and ``|e| - β/2`` elsewhere (Girshick 2015).  The mean is over the
    batch, not over the sum of its weights, so that every patient keeps the same weight in every batch.

    Args:
        prediction: ``(B,)`` g/cm².
        target: ``(B,)`` g/cm².
        weight: ``(B,)``, mean 1 over the training folds.
        beta: width of the quadratic part, g/cm².

    Example:
        >>> one = torch.ones(2)
        >>> round(float(weighted_smooth_l1(torch.tensor([0.80, 1.0]), torch.tensor([0.80, 0.8]), one, beta=0.1)), 4)
        0.075
    """
    return (weight * torch.nn.functional.smooth_l1_loss(prediction, target, beta=beta, reduction="none")).mean()


def balanced_mse(prediction: Tensor, target: Tensor, *, noise: float) -> Tensor:
    """Return Balanced MSE, estimated from the batch (Ren et al. 2022, arXiv 2203.16427: batch-based Monte Carlo).

    ``mean over i of (p_i - y_i)² + 2s² log Σ_j exp(-(p_i - y_j)² / 2s²)``: which of the batch's own densities is this
    patient's?  The second term takes the training density of the labels out of the prediction, which would otherwise
    lean towards the commonest one.  So low and high densities are predicted with less bias, and common ones with larger
    errors; as an estimate for the training population the predictions are too far apart.

    The noise ``s`` is fixed, where the source may also learn it: learned, it would follow the training error, which in
    a few hundred patients falls far below that of new ones, and the balance would go with it.  With less noise than the
    true error predictions lean as with MSE, with more they lie too far apart.  The other patients of a batch are part
    of the loss: a batch of one costs nothing, and devices that share a batch, or the parts of one that does not fit in
    memory, each compare their own patients.

    Args:
        prediction: ``(B,)`` g/cm².
        target: ``(B,)`` g/cm².
        noise: SD ``s`` of the density around its prediction, g/cm², positive.

    Example:
        >>> round(float(balanced_mse(torch.tensor([0.7, 0.9]), torch.tensor([0.7, 0.9]), noise=0.1)), 5)
        0.00254
    """
    likeness_BB = (prediction[:, None] - target).square() / (-2.0 * noise**2)
    own = torch.arange(len(target), device=target.device)
    return 2.0 * noise**2 * torch.nn.functional.cross_entropy(likeness_BB, own)


def gaussian_nll(mean: Tensor, sd: Tensor, target: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of normal distributions, ``log(s √(2π)) + (y - m)² / (2 s²)``.

    Args:
        mean: ``(B,)`` g/cm².
        sd: ``(B,)`` g/cm², positive.
        target: ``(B,)`` g/cm².

    Example:
        >>> round(float(gaussian_nll(torch.zeros(1), torch.ones(1), torch.ones(1))), 4)
        1.4189
    """
    z = (target - mean) / sd
    return (0.5 * z.square() + sd.log()).mean() + 0.5 * math.log(2.0 * math.pi)


def pinball(quantiles: Tensor, target: Tensor) -> Tensor:
    """Return the mean quantile loss ``max(q e, (q - 1) e)``, ``e = y - quantile`` (Koenker and Bassett 1978).

    Args:
        quantiles: ``(B, 3)`` g/cm², at :data:`~xattn_bmd.types.HEAD_QUANTILES`.
        target: ``(B,)`` g/cm².

    Example:
        >>> round(float(pinball(torch.tensor([[0.7, 0.8, 0.9]]), torch.tensor([1.0]))), 4)
        0.07
    """
    share = torch.tensor(HEAD_QUANTILES, device=quantiles.device)
    error = target[:, None] - quantiles
    return torch.maximum(share * error, (share - 1.0) * error).mean()


@dataclass(frozen=True, kw_only=True)
class DensityWeights:
    """Loss weight as a function of density, fitted on training folds only; mean 1 over them.

    Attributes:
        scheme: how it was fitted.
        density: ``(K,)`` ascending densities, g/cm²: edges of the bands or knots of the curve; empty for ``none``.
        weight: ``(K + 1,)`` weights of the bands (``t_score_bands``), ``(K,)`` weights at the knots
            (``label_density``), or one.

    Example:
        >>> weights = fit_weights(np.array([0.6, 0.8, 1.0]), scheme="t_score_bands", thresholds=(0.69, 0.90))
        >>> weights(torch.tensor([0.60, 0.80, 1.10])).tolist()
        [1.3333333730697632, 1.0, 0.6666666865348816]
    """

    scheme: Weighting
    density: tuple[float, ...]
    weight: tuple[float, ...]

    def __call__(self, target: Tensor) -> Tensor:
        """Return the ``(N,)`` float32 weights of densities ``(N,)`` in g/cm², on the same device."""
        target = target.detach().float()
        weight = torch.tensor(self.weight, device=target.device)
        if self.scheme == "none":
            return weight.expand(len(target))
        density = torch.tensor(self.density, device=target.device)
        if self.scheme == "t_score_bands":
            # T <= -2.5 is osteoporosis, T >= -1 is normal.
            band = (target > density[0]).long() + (target >= density[1]).long()
            return weight[band]
        return _interpolate(target, density, weight)

    def weights(self, target: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return the ``(N,)`` weights of densities ``(N,)`` in g/cm²."""
        result: NDArray[np.float32] = self(torch.from_numpy(np.asarray(target, dtype=np.float64))).numpy()
        return result

    def to_dict(self) -> dict[str, Any]:
        """Return the state as plain lists and numbers, ready for JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> DensityWeights:
        """Return the weights that :meth:`to_dict` wrote."""
        return cls(scheme=state["scheme"], density=tuple(state["density"]), weight=tuple(state["weight"]))


def fit_weights(
    target_train: NDArray[np.floating[Any]], *, scheme: Weighting, thresholds: tuple[float, float]
) -> DensityWeights:
    """Fit loss weights on the densities of the training folds.

    - ``t_score_bands``: 2 for osteoporosis, 1.5 for osteopenia, 1 for normal density.
    - ``label_density``: the inverse of the smoothed density of the labels (label distribution smoothing, Yang et al.
      2021; Gaussian kernel with Scott's bandwidth), at most 3 times the weight of the commonest density; constant
      beyond the training range.
    - ``none``: 1.

    Each is divided by its mean over the training folds.

    Args:
        target_train: ``(N,)`` densities of the training folds, g/cm².
        scheme: one of the three.
        thresholds: densities at T = -2.5 and T = -1 in the reference population, g/cm², in any order.

    Raises:
        ConfigError: if the scheme is unknown, or the densities are not finite or too few.

    Example:
        >>> fitted = fit_weights(np.linspace(0.5, 1.3, 50), scheme="label_density", thresholds=(0.69, 0.90))
        >>> round(float(fitted.weights(np.linspace(0.5, 1.3, 50)).mean()), 5)
        1.0
    """
    target = np.asarray(target_train, dtype=np.float64)
    if scheme not in WEIGHTINGS:
        raise ConfigError(f"A weighting is one of {', '.join(WEIGHTINGS)}, but {scheme!r} was given; choose one.")
    if target.ndim != 1 or len(target) < 2 or not np.isfinite(target).all():
        raise ConfigError(
            f"Weights are fitted on at least 2 finite densities, but {np.isfinite(target).sum()} of {target.size} are "
            "finite; drop radiographs without density from training."
        )
    if scheme == "none":
        return DensityWeights(scheme=scheme, density=(), weight=(1.0,))
    if scheme == "t_score_bands":
        raw = DensityWeights(scheme=scheme, density=tuple(sorted(map(float, thresholds))), weight=BAND_WEIGHTS)
    else:
        raw = _inverse_label_density(target)
    mean = float(raw.weights(target).mean(dtype=np.float64))
    return DensityWeights(scheme=scheme, density=raw.density, weight=tuple(weight / mean for weight in raw.weight))


def _inverse_label_density(target: NDArray[np.float64]) -> DensityWeights:
    knots = np.linspace(target.min(), target.max(), KNOTS)
    if np.ptp(target) < SAME:
        return DensityWeights(scheme="label_density", density=tuple(knots.tolist()), weight=(1.0,) * KNOTS)
    smoothed = gaussian_kde(target)(knots)
    weight = smoothed.max() / np.maximum(smoothed, smoothed.max() / MOST_WEIGHT)
    return DensityWeights(scheme="label_density", density=tuple(knots.tolist()), weight=tuple(weight.tolist()))


def _interpolate(x: Tensor, knots: Tensor, values: Tensor) -> Tensor:
    right = torch.bucketize(x, knots).clamp(1, len(knots) - 1)
    gap = (knots[right] - knots[right - 1]).clamp_min(1e-12)
    share = ((x - knots[right - 1]) / gap).clamp(0, 1)
    return values[right - 1] + share * (values[right] - values[right - 1])
