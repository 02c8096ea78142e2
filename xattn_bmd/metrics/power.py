"""Which difference a paired comparison can detect, from the standard error of the difference."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from xattn_bmd.metrics.intervals import NO_INTERVAL, Resampled, percentile_interval

POWER = 0.8
ALPHA = 0.05


def standard_error(difference: Resampled) -> float:
    """Return the SD of a statistic's bootstrap replicates; NaN where it has no interval either."""
    defined = difference.replicates[~np.isnan(difference.replicates)]
    if percentile_interval(difference.replicates) is NO_INTERVAL or np.isnan(difference.value):
        return float("nan")
    return float(defined.std(ddof=1))


def detectable_difference(error: float, *, power: float = POWER, alpha: float = ALPHA) -> float:
    """Return the smallest true difference that a two-sided test finds with the wanted power.

    It is ``(z(1 - alpha / 2) + z(power)) * error``: 2.80 standard errors at 80 % power and 5 %.  The estimate is taken
    as normal, with a standard error that does not depend on the difference.

    Args:
        error: standard error of the estimated difference, in the unit of the metric.
        power: wanted power.
        alpha: two-sided level of the test.

    Returns:
        In the unit of ``error``; NaN where that is NaN or 0 (models that never differ show nothing about power).

    Example:
        >>> round(detectable_difference(1.0), 2)
        2.8
    """
    if not error > 0:
        return float("nan")
    normal = NormalDist()
    return (normal.inv_cdf(1.0 - alpha / 2.0) + normal.inv_cdf(power)) * error


def power_at(difference: float, *, error: float, alpha: float = ALPHA) -> float:
    """Return the probability that a two-sided test finds a true difference.

    Args:
        difference: the true difference, of either sign.
        error: standard error of its estimate, in the same unit.
        alpha: two-sided level of the test.

    Returns:
        In 0-1; NaN where ``difference`` or ``error`` is NaN, or ``error`` is 0.

    Example:
        >>> round(power_at(2.8, error=1.0), 2), round(power_at(0.0, error=1.0), 2)
        (0.8, 0.05)
    """
    if not error > 0 or np.isnan(difference):
        return float("nan")
    normal = NormalDist()
    edge, shift = normal.inv_cdf(1.0 - alpha / 2.0), difference / error
    return normal.cdf(shift - edge) + normal.cdf(-shift - edge)
