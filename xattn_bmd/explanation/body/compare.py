"""Zones compared between classes, crops of one patient always together.

Axes: ``N`` crops, ``Z`` zones.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.explanation.body.zones import ZONES
from xattn_bmd.metrics.intervals import Draws, Resampled, patient_draws
from xattn_bmd.metrics.paired.bootstrap import compare_paired
from xattn_bmd.metrics.paired.holm import holm
from xattn_bmd.metrics.tables.layout import INTERVAL_COLUMNS, frame
from xattn_bmd.metrics.tables.means import mean_row, ratio_of_sums

if TYPE_CHECKING:
    import pandas as pd

ZONE_COLUMNS = ("heat_of", "class", "zone", "measure", *INTERVAL_COLUMNS, "chance", "n", "patients", "reason")
TEST_COLUMNS = ("heat_of", "zone", "class_a", "class_b", "difference", "low", "high", "p", "p_holm")
MEASURE = "over_chance"


class Labelled(NamedTuple):
    """Zone values of some heat, and the classes that its crops are said to have.

    Attributes:
        values: ``(N, Z)`` from :func:`~xattn_bmd.explanation.body.zones.zone_means`.
        classes: ``(N,)`` class of each crop.
    """

    values: NDArray[np.float64]
    classes: NDArray[np.str_]


class Zoned:
    """The mean of every class and zone, in every draw of the patients.

    Args:
        labelled: zone values and classes.
        patients: ``(N,)`` patient of each crop.
        names: classes, in order.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.
    """

    def __init__(
        self, labelled: Labelled, *, patients: Sequence[str], names: Sequence[str], seed: int, replicates: int
    ) -> None:
        people, codes = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
        self.labelled, self.names, self.codes = labelled, tuple(names), codes
        draws = patient_draws(len(people), seed=seed, replicates=replicates)
        self.means = {
            (name, place): self._mean(name, place, draws) for name in self.names for place in range(len(ZONES))
        }

    def _column(self, name: str, place: int) -> NDArray[np.float64]:
        return np.where(self.labelled.classes == name, self.labelled.values[:, place], np.nan)

    def _mean(self, name: str, place: int, draws: Draws) -> Resampled:
        return ratio_of_sums(self._column(name, place), np.ones(len(self.codes)), self.codes, draws)

    def table(self, heat_of: str) -> pd.DataFrame:
        """Return the mean of every class and zone with its interval: :data:`ZONE_COLUMNS`."""
        rows: list[dict[str, Any]] = [
            {
                "heat_of": heat_of,
                "class": name,
                "zone": ZONES[place],
                "measure": MEASURE,
                "chance": 1.0,
                **mean_row(mean, self._column(name, place), self.codes),
            }
            for (name, place), mean in self.means.items()
        ]
        return frame(rows, ZONE_COLUMNS)

    def tests(self, heat_of: str) -> pd.DataFrame:
        """Return every two classes compared in every zone: :data:`TEST_COLUMNS`.

        Both classes are drawn with the same patients, many of whom have crops of both.  Holm's adjustment is over all
        pairs and zones of one heat.
        """
        rows: list[dict[str, Any]] = []
        for place, zone in enumerate(ZONES):
            for a, b in combinations(self.names, 2):
                found = compare_paired(self.means[a, place], self.means[b, place], relative=False)
                ends = {"difference": found.difference, "low": found.low, "high": found.high, "p": found.p}
                rows.append({"heat_of": heat_of, "zone": zone, "class_a": a, "class_b": b, **ends})
        adjusted = holm([row["p"] for row in rows])
        return frame([{**row, "p_holm": p} for row, p in zip(rows, adjusted.tolist(), strict=True)], TEST_COLUMNS)


def dealt_classes(
    classes: Sequence[str], patients: Sequence[str], *, generator: np.random.Generator
) -> NDArray[np.str_]:
    """Return the classes dealt out to the wrong patients, ``(N,)``: what a comparison finds where there is nothing.

    The patients' lists of classes are put in a random order and laid over the crops, patient by patient.  Each class
    keeps its number, and classes that go together in one patient mostly stay together in another; with as many crops
    of everybody, entirely.

    Args:
        classes: ``(N,)`` class of each crop.
        patients: ``(N,)`` patient of each crop.
        generator: random numbers.

    Example:
        >>> dealt = dealt_classes(["old", "fresh"], ["a", "b"], generator=np.random.default_rng(1))
        >>> sorted(dealt.tolist())
        ['fresh', 'old']
    """
    given = np.asarray(classes, dtype=str)
    _, codes = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    order = generator.permutation(int(codes.max()) + 1)
    dealt = np.empty_like(given)
    dealt[np.argsort(codes, kind="stable")] = given[np.argsort(order[codes], kind="stable")]
    return dealt
