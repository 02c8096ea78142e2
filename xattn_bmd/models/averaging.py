"""The mean of two estimates of the same patients, for a fusion that predicts twice.

Axes: ``B`` patients, ``K`` classes.
"""

from __future__ import annotations

import math

import torch

from xattn_bmd.models.fusion import Fused
from xattn_bmd.models.heads import Estimate, Head


def read_fused(head: Head, fused: Fused) -> Estimate:
    """Return what a head says of the fused vector, or the mean of what it says of the two of a fusion with two.

    Args:
        head: of density, or of classes.
        fused: of ``B`` patients.
    """
    estimate: Estimate = head(fused.vector)
    return estimate if fused.second is None else mean_estimate(estimate, head(fused.second))


def mean_estimate(one: Estimate, other: Estimate) -> Estimate:
    """Return the mean of two estimates that the same head made of two vectors of each patient.

    - density: the mean of the two densities, g/cm².
    - sd: that of the even mixture of the two normal distributions, ``√((s₁² + s₂²)/2 + ((m₁ - m₂)/2)²)``: where the two
      disagree, the SD says so (Lakshminarayanan et al. 2017, arXiv 1612.01474, for ensembles).
    - quantiles: the mean of each quantile, which keeps them ascending and the density at their median.
    - classes: the mean of the two probabilities of each class.

    Args:
        one: the first estimate, of ``B`` patients.
        other: the second, with the same parts.

    Example:
        >>> one, other = (Estimate(torch.tensor([mean]), sd=torch.tensor([0.03])) for mean in (0.8, 0.88))
        >>> [round(part.item(), 3) for part in mean_estimate(one, other)[:2]]
        [0.84, 0.05]
    """
    density_B = (one.density + other.density) / 2
    sd_B = quantiles_B3 = None
    if one.sd is not None and other.sd is not None:
        apart_B = (one.density - other.density) / 2
        sd_B = ((one.sd.square() + other.sd.square()) / 2 + apart_B.square()).sqrt()
    if one.quantiles is not None and other.quantiles is not None:
        quantiles_B3 = (one.quantiles + other.quantiles) / 2
    log_BK = None
    if one.log_probabilities is not None and other.log_probabilities is not None:
        log_BK = torch.logaddexp(one.log_probabilities, other.log_probabilities) - math.log(2.0)
    return Estimate(density_B, sd=sd_B, quantiles=quantiles_B3, log_probabilities=log_BK)
