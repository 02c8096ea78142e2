"""Rule-in and rule-out triage: who needs no DXA because the predicted density already decides.

Two cut-offs are fitted: predictions at or below the rule-in cut-off are called low with the wanted positive predictive
value (PPV), those at or above the rule-out cut-off are called not low with the wanted negative predictive value (NPV);
everyone between is undecided.  The idea and the wanted 95 % follow Hsieh 2021 (Nat Commun, PMC8446034), where 84.8 %
were classifiable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.bone.reference import Reference
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.crossfit import FittingRows
from xattn_bmd.metrics.intervals import Draws, Resampled, split_draws
from xattn_bmd.metrics.pooled import drawn_sums
from xattn_bmd.metrics.predictions import PredictionGrid
from xattn_bmd.metrics.screening import low_density

TRIAGE_METRICS = ("decided", "rule_in", "rule_out", "ppv", "npv")

WANTED = 0.95
"""PPV of the rule-in and NPV of the rule-out that the fitting rows must show."""

SUPPORT = 5
"""Fewest fitting radiographs that a cut-off must decide, so that no cut-off rests on 1 of 1 or 2 of 2."""

_ROUNDING = 1e-9


@dataclass(frozen=True)
class TriageCuts:
    """Cut-offs of predicted density, g/cm²; None where the wanted value was never reached and nobody is decided.

    Attributes:
        rule_in: predictions at or below it are ruled in.
        rule_out: predictions at or above it are ruled out; it lies above ``rule_in``.

    Raises:
        MetricError: if a cut-off is not finite, or the two overlap.
    """

    rule_in: float | None
    rule_out: float | None

    def __post_init__(self) -> None:
        given = [cut for cut in (self.rule_in, self.rule_out) if cut is not None]
        if not np.isfinite(np.array(given, dtype=np.float64)).all() or given != sorted(set(given)):
            raise MetricError(
                "Triage cut-offs are finite densities, rule-out above rule-in, or None, but rule_in "
                f"{self.rule_in} and rule_out {self.rule_out} were given; fit them again."
            )

    def to_dict(self) -> dict[str, float | None]:
        """Return the cut-offs for JSON; the inverse of :meth:`from_dict`.

        Example:
            >>> TriageCuts(0.8, None).to_dict()
            {'rule_in': 0.8, 'rule_out': None}
        """
        return asdict(self)

    @classmethod
    def from_dict(cls, given: Mapping[str, float | None]) -> TriageCuts:
        """Return the cut-offs that :meth:`to_dict` wrote.

        Raises:
            MetricError: if a key is missing or unknown, or the cut-offs are not valid.
        """
        if set(given) != {"rule_in", "rule_out"}:
            raise MetricError(
                f"Triage cut-offs have the keys rule_in and rule_out, but {', '.join(given) or 'none'} was found; "
                "write them with to_dict."
            )
        return cls(given["rule_in"], given["rule_out"])


class Triage(NamedTuple):
    """Who is decided.

    Attributes:
        ruled_in: (...) bool, called low.
        ruled_out: (...) bool, called not low; never together with ``ruled_in``.
    """

    ruled_in: NDArray[np.bool_]
    ruled_out: NDArray[np.bool_]


def fit_triage(rows: FittingRows, *, reference: Reference, threshold: float, wanted: float = WANTED) -> TriageCuts:
    """Return the cut-offs that decide most radiographs with the wanted predictive values.

    The rule-in cut-off is the highest predicted density at or below which the PPV is at least ``wanted``.  The rule-out
    cut-off is the lowest one above it from which on the NPV is at least ``wanted``, so nobody is ruled in and out.
    Radiographs with equal predictions are decided together, and a cut-off decides at least :data:`SUPPORT` of them.

    Choosing the widest cut-off flatters the fitting rows: what it achieves is measured on others.

    Args:
        rows: targets and predictions, g/cm², that will not be scored.
        reference: the young-adult population of the T-scores.
        threshold: a T-score; low at it is the positive class.
        wanted: predictive value in 0-1, without 0.

    Raises:
        MetricError: if ``wanted`` is not such a share, or the rows do not pair finite densities.

    Example:
        >>> from xattn_bmd.bone.reference import get_reference
        >>> neck, density = get_reference("lunar_femoral_neck_white_female"), np.arange(80, 100) / 100
        >>> fit_triage(FittingRows(density, density), reference=neck, threshold=-1.0)
        TriageCuts(rule_in=0.89, rule_out=0.9)
    """
    if not 0 < wanted <= 1:
        raise MetricError(f"A wanted predictive value lies in 0-1, without 0, but {wanted} was given; 0.95 is usual.")
    target, prediction = (np.asarray(side, dtype=np.float64) for side in (rows.target, rows.prediction))
    if target.shape != prediction.shape or target.ndim != 1 or not np.isfinite([target, prediction]).all():
        raise MetricError(
            "Triage is fitted to pairs of finite densities, shape (M,) each, but shapes "
            f"{target.shape} and {prediction.shape}, or values that are not finite, were given; leave those out."
        )
    low = low_density(target, reference=reference, threshold=threshold)
    rule_in = _highest(prediction, low, wanted)
    left = np.full(low.shape, True) if rule_in is None else prediction > rule_in
    mirrored = _highest(-prediction[left], ~low[left], wanted)
    return TriageCuts(rule_in, None if mirrored is None else -mirrored)


def apply_triage(prediction: ArrayLike, cuts: TriageCuts) -> Triage:
    """Return who is ruled in and who is ruled out.

    Args:
        prediction: (...) predicted density, g/cm²; a missing one decides nothing.
        cuts: fitted elsewhere.

    Example:
        >>> apply_triage([0.7, 0.8, 0.9, 1.0], TriageCuts(0.7, 0.9)).ruled_out.tolist()
        [False, False, True, True]
    """
    densities = np.asarray(prediction, dtype=np.float64)
    nobody = np.full(densities.shape, False)
    return Triage(
        nobody if cuts.rule_in is None else np.asarray(densities <= cuts.rule_in),
        nobody if cuts.rule_out is None else np.asarray(densities >= cuts.rule_out),
    )


def pooled_triage(
    grid: PredictionGrid, *, triage: Triage, draws: Draws, reference: Reference, threshold: float
) -> dict[str, Resampled]:
    """Return how many are decided and how rightly; the cut-offs stay as they are in every draw.

    Args:
        grid: the predictions.
        triage: (repeats, N) each, from cut-offs that were not fitted to the rows they decide.
        draws: from :func:`xattn_bmd.metrics.intervals.patient_draws`.
        reference: the young-adult population of the T-scores.
        threshold: a T-score.

    Returns:
        Each of :data:`TRIAGE_METRICS`: the shares of radiographs decided, ruled in and ruled out, the share of those
        ruled in that are low, and of those ruled out that are not.  What a radiograph adds is its mean over repeats.
    """
    low = low_density(grid.target, reference=reference, threshold=threshold)
    into, out = triage
    terms = np.stack([np.ones(into.shape), into, out, into & low, out & ~low], axis=-1).mean(axis=0)
    count, ruled_in, ruled_out, low_in, not_low_out = drawn_sums(grid, terms, draws).T
    with np.errstate(divide="ignore", invalid="ignore"):
        values = (
            *((ruled_in + ruled_out) / count, ruled_in / count, ruled_out / count),
            *(low_in / ruled_in, not_low_out / ruled_out),
        )
    return {metric: split_draws(value, draws) for metric, value in zip(TRIAGE_METRICS, values, strict=True)}


def _highest(value: NDArray[np.float64], right: NDArray[np.bool_], wanted: float) -> float | None:
    """Return the highest value up to which the share of ``right`` is at least ``wanted``; None where none is."""
    order = np.argsort(value, kind="stable")
    ascending = value[order]
    last = np.flatnonzero(np.append(ascending[1:] > ascending[:-1], True)) if len(value) else np.empty(0, dtype=int)
    decided, hits = last + 1, np.cumsum(right[order])[last]
    enough = (decided >= SUPPORT) & (hits >= wanted * decided - _ROUNDING)
    return float(ascending[last[enough][-1]]) if enough.any() else None
