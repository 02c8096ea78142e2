"""From pairs of people to contributions: means over the people, their standard errors, means over fold models.

Axes: ``N`` radiographs, ``M`` people, ``V`` clinical variables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.explanation.record.pairs import Corners, Pairs, Played, Values


class Parts(NamedTuple):
    """The columns of :class:`~xattn_bmd.explanation.record.contributions.Contributions`, for some rows."""

    prediction: Values
    mean: Values
    image: Values
    record: Values
    given_mean: Values
    given: Values
    image_error: Values
    record_error: Values
    given_error: Values


def parts_of(pairs: Pairs, found: Corners, played: Played, counts: NDArray[np.bool_]) -> Parts:
    """Return the contributions of a block of radiographs to what one fold model says.

    Args:
        pairs: the radiographs and people.
        found: the game of picture and record.
        played: the values of the variables.
        counts: ``(N, M)`` which people count for each radiograph.
    """
    record, record_error = over_people(pairs.shaped(0.5 * (played.own + played.others)), counts)
    given, given_error = over_people(pairs.shaped(played.own), counts)
    image, image_error = over_people(pairs.shaped(found.picture_part), counts)
    return Parts(
        prediction=pairs.reader.predictions(pairs.rows),
        mean=over_people(pairs.shaped(found.neither), counts)[0],
        image=image,
        record=record,
        given_mean=over_people(pairs.shaped(found.picture), counts)[0],
        given=given,
        image_error=image_error,
        record_error=record_error,
        given_error=given_error,
    )


def over_people(values: Values, counts: NDArray[np.bool_]) -> tuple[Values, Values]:
    """Return mean and standard error of ``(N, M, …)`` over the people who count."""
    shape = counts.shape + (1,) * (values.ndim - 2)
    weight = counts.reshape(shape).astype(np.float64)
    number = weight.sum(axis=1)
    mean = (weight * values).sum(axis=1) / number
    squared = (weight * (values - mean[:, None]) ** 2).sum(axis=1)
    return mean, np.sqrt(squared / (number - 1.0) / number)


@dataclass(frozen=True, eq=False)
class Collected:
    """Sums over the fold models that explain each radiograph."""

    sums: Parts
    models: Values

    @classmethod
    def empty(cls, radiographs: int, variables: int) -> Collected:
        """Return sums of nothing."""
        wide = {"record", "given", "record_error", "given_error"}
        shapes = {name: (radiographs, variables) if name in wide else (radiographs,) for name in Parts._fields}
        return cls(Parts(**{name: np.zeros(shape) for name, shape in shapes.items()}), np.zeros(radiographs))

    def add(self, rows: NDArray[np.int64], part: Parts) -> None:
        """Add what one fold model says of some rows."""
        for total, values in zip(self.sums, part, strict=True):
            total[rows] += values
        self.models[rows] += 1.0

    def means(self) -> Parts:
        """Return the mean over the fold models that explain each radiograph."""
        return Parts(*((total.T / self.models).T for total in self.sums))
