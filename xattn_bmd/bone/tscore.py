"""T-scores and the WHO classes of bone density."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.bone.reference import Reference
from xattn_bmd.errors import ConfigError

NORMAL_EDGE = -1.0
OSTEOPOROSIS_EDGE = -2.5
WHO_THRESHOLDS = (NORMAL_EDGE, OSTEOPOROSIS_EDGE)

EDGE_TOLERANCE = 1e-6
"""A T-score this close to an edge counts as lying on it.

It is about 1e-7 g/cm², the rounding of a float32 density and four orders below what a DXA device reports.
"""


def t_score(density: ArrayLike, *, reference: Reference) -> NDArray[np.float64]:
    """Return how many reference SDs a density lies above the young-adult mean.

    Args:
        density: (N,) or scalar, g/cm², on the device scale of ``reference``.
        reference: the young-adult population.

    Returns:
        T-score with the shape of ``density``, no unit.

    Example:
        >>> from xattn_bmd.bone.reference import get_reference
        >>> round(float(t_score(0.899, reference=get_reference("lunar_femoral_neck_white_female"))), 2)
        -1.0
    """
    return (np.asarray(density, dtype=np.float64) - reference.mean) / reference.sd


def density_at(t: ArrayLike, *, reference: Reference) -> NDArray[np.float64]:
    """Return the density that has a given T-score; the inverse of :func:`t_score`.

    Args:
        t: (N,) or scalar T-score.
        reference: the young-adult population.

    Returns:
        Density with the shape of ``t``, g/cm².

    Example:
        >>> from xattn_bmd.bone.reference import get_reference
        >>> round(float(density_at(-2.5, reference=get_reference("lunar_femoral_neck_white_female"))), 3)
        0.691
    """
    return reference.mean + np.asarray(t, dtype=np.float64) * reference.sd


def who_class(t: ArrayLike) -> NDArray[np.str_]:
    """Return the WHO class of each T-score.

    ``normal`` for T >= -1, ``osteoporosis`` for T <= -2.5, ``osteopenia`` between; a T-score within
    :data:`EDGE_TOLERANCE` of an edge lies on it, so T = -1 is normal and T = -2.5 is osteoporosis.  A missing
    T-score is ``unknown``.

    Args:
        t: (N,) or scalar T-score.

    Returns:
        Class names with the shape of ``t``.

    Example:
        >>> who_class([-0.5, -1.0, -1.1, -2.5]).tolist()
        ['normal', 'normal', 'osteopenia', 'osteoporosis']
    """
    scores = np.asarray(t, dtype=np.float64)
    not_normal = is_low(scores, threshold=NORMAL_EDGE)
    osteoporosis = is_low(scores, threshold=OSTEOPOROSIS_EDGE)
    classes = np.where(osteoporosis, "osteoporosis", np.where(not_normal, "osteopenia", "normal"))
    return np.where(np.isnan(scores), "unknown", classes)[()]


def is_low(t: ArrayLike, *, threshold: float) -> NDArray[np.bool_]:
    """Return whether each T-score is low at a threshold.

    At -1 low means *not normal* (T < -1), at every other threshold it includes the edge (T <= -2.5 is *osteoporosis*),
    with the tolerance of :func:`who_class`.  A missing T-score is not low.

    Args:
        t: (N,) or scalar T-score.
        threshold: a finite T-score.

    Returns:
        Booleans with the shape of ``t``.

    Raises:
        ConfigError: if the threshold is not a finite number.

    Example:
        >>> is_low([-1.0, -1.1, -2.5], threshold=-1.0).tolist()
        [False, True, True]
        >>> is_low([-1.9, -2.0], threshold=-2.0).tolist()
        [False, True]
    """
    scores = np.asarray(t, dtype=np.float64)
    if not np.isfinite(threshold):
        raise ConfigError(f"A screening threshold is a T-score such as -1 or -2.5, but {threshold} was given; mend it.")
    if threshold == NORMAL_EDGE:
        return np.asarray(scores < NORMAL_EDGE - EDGE_TOLERANCE)
    return np.asarray(scores <= threshold + EDGE_TOLERANCE)


def is_low_density(density: ArrayLike, *, reference: Reference, threshold: float) -> NDArray[np.bool_]:
    """Return whether each density is low at a threshold of a reference.

    Of areal density as :func:`is_low` has it; of volumetric density at the edges of
    :func:`~xattn_bmd.bone.qct.qct_class`: at -1 low is 120 mg/cm³ and below, at -2.5 it is below 80 mg/cm³.

    Args:
        density: (N,) or scalar, in the unit of the reference.
        reference: the young-adult population, or the scale of QCT.
        threshold: a finite T-score, or the step of that scale.

    Returns:
        Booleans with the shape of ``density``; a missing density is not low.

    Raises:
        ConfigError: if the threshold is not a finite number.

    Example:
        >>> from xattn_bmd.bone.reference import QCT_SPINE
        >>> [is_low_density([79.9, 80, 120, 120.1], reference=QCT_SPINE, threshold=t).tolist() for t in (-1, -2.5)]
        [[True, True, True, False], [True, False, False, False]]
    """
    scores = t_score(density, reference=reference)
    if reference.unit == "g/cm2" or not np.isfinite(threshold):
        return is_low(scores, threshold=threshold)
    if threshold == NORMAL_EDGE:
        return np.asarray(scores <= threshold + EDGE_TOLERANCE)
    return np.asarray(scores < threshold - EDGE_TOLERANCE)
