"""The difference of one metric between two independent samples, from nothing but their two intervals."""

from __future__ import annotations

import math

from xattn_bmd.metrics.intervals import Interval


def independent_difference(value_a: float, interval_a: Interval, value_b: float, interval_b: Interval) -> Interval:
    """Return the interval of ``a - b`` where the two samples share nobody.

    The method of variance estimates recovery (Zou and Donner 2008, Stat Med 27:1693-1702), with ``d = a - b``::

        low  = d - sqrt((a - low_a)^2  + (high_b - b)^2)
        high = d + sqrt((high_a - a)^2 + (b - low_b)^2)

    It keeps the skewness of both intervals, which matters for R² and AUROC; with symmetric intervals it is the usual
    ``d ± sqrt(SE_a² + SE_b²) z``.  The level is that of the two intervals.

    Args:
        value_a: the metric in sample a.
        interval_a: its interval.
        value_b: the metric in sample b.
        interval_b: its interval.

    Returns:
        Ends of the difference; one that needs a NaN is NaN.

    Example:
        >>> ends = independent_difference(0.08, Interval(0.05, 0.12), 0.06, Interval(0.03, 0.09))
        >>> [round(end, 4) for end in ends]
        [-0.0224, 0.07]
    """
    difference = value_a - value_b
    below = math.hypot(value_a - interval_a.low, interval_b.high - value_b)
    above = math.hypot(interval_a.high - value_a, value_b - interval_b.low)
    return Interval(difference - below, difference + above)
