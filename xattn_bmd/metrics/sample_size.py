"""How many patients a regression model needs: the criteria of Riley et al. for a continuous outcome.

Riley et al. 2019 (Stat Med 38:1262) and 2020 (BMJ 368:m441), as in the R package ``pmsampsize`` 1.1.3.  They speak of a
linear model with ``p`` candidate parameters; for a network they are a lower bound.
"""

from __future__ import annotations

import math

from xattn_bmd.errors import MetricError

SHRINKAGE = 0.9
OPTIMISM = 0.05
MARGIN = 1.1
_RESIDUAL_FREEDOM = 233
"""Smallest ``n - p - 1`` at which the 95 % interval of the residual SD lies within 10 % of it."""


def apparent_r2(r2: float, *, n: int, parameters: int) -> float:
    """Return the R² that a linear model shows on its own training patients.

    Args:
        r2: R² in new patients (adjusted R²).
        n: number of training patients, more than ``parameters + 1``.
        parameters: number of candidate parameters ``p``.

    Example:
        >>> round(apparent_r2(0.35, n=233, parameters=12), 3)
        0.384
    """
    return (r2 * (n - parameters - 1) + parameters) / (n - 1)


def shrinkage(r2: float, *, n: int, parameters: int) -> float:
    """Return by how much the effects of a linear model must shrink in new patients (1 = not at all).

    ``1 + (p - 2) / (n ln(1 - apparent R²))``; arguments as :func:`apparent_r2`.

    Example:
        >>> round(shrinkage(0.35, n=204, parameters=12), 3)
        0.9
    """
    return 1.0 + (parameters - 2) / (n * math.log1p(-apparent_r2(r2, n=n, parameters=parameters)))


def needed_patients(parameters: int, *, r2: float, mean: float, sd: float) -> dict[str, int]:
    """Return the smallest number of patients by each criterion.

    Args:
        parameters: number of candidate parameters ``p``, at least 1.
        r2: the R² that is expected in new patients, 0.01-0.99.
        mean: mean density, g/cm².
        sd: its SD, g/cm².

    Returns:
        ``shrinkage`` (at least 0.9), ``optimism`` (R² in training at most 0.05 too high), ``residual_sd`` and ``mean``
        (each known within 10 %).

    Raises:
        MetricError: if an argument is out of range.

    Example:
        >>> needed_patients(12, r2=0.35, mean=0.88, sd=0.147)
        {'shrinkage': 204, 'optimism': 157, 'residual_sd': 246, 'mean': 17}
    """
    if parameters < 1 or not 0.01 <= r2 <= 0.99 or not (0 < sd < math.inf and 0 < mean < math.inf):
        raise MetricError(
            "Sample-size criteria take at least 1 parameter, an R² of 0.01-0.99 and positive mean and SD, but "
            f"{parameters}, {r2}, {mean} and {sd} were given; mend them."
        )
    sizes = range(parameters + 2, 10**9)
    return {
        "shrinkage": next(n for n in sizes if shrinkage(r2, n=n, parameters=parameters) >= SHRINKAGE),
        "optimism": max(parameters + 2, math.ceil(1 + parameters * (1.0 - r2) / OPTIMISM - 1e-9)),
        "residual_sd": _RESIDUAL_FREEDOM + 1 + parameters,
        "mean": next(n for n in sizes if _mean_margin(n, parameters, r2, sd / mean) <= MARGIN),
    }


def _mean_margin(n: int, parameters: int, r2: float, relative_sd: float) -> float:
    from scipy import stats

    quantile = float(stats.t.ppf(0.975, n - parameters - 1))
    return 1.0 + quantile * relative_sd * math.sqrt((1.0 - r2) / n)
