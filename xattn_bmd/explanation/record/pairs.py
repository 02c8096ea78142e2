"""An explained radiograph beside one person it is compared with: all that can be asked of the two.

Axes: ``N`` radiographs, ``M`` people, ``V`` clinical variables, ``Q = N · M`` pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.explanation.record.readers import Reader

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Every radiograph beside every person.

    Attributes:
        reader: the fold model that is asked.
        rows: ``(N,)`` rows of the panel.
        people: ``(M,)`` rows of the panel.
        differs_QV: whether the model sees two different values; where it does not, the variable can move nothing.
    """

    reader: Reader
    rows: NDArray[np.int64]
    people: NDArray[np.int64]
    differs_QV: NDArray[np.bool_]

    @classmethod
    def of(cls, reader: Reader, rows: NDArray[np.int64], people: NDArray[np.int64]) -> Pairs:
        """Put every row beside every person."""
        one, other = np.repeat(rows, len(people)), np.tile(people, len(rows))
        return cls(reader, rows, people, reader.differs(one, other))

    @property
    def one_Q(self) -> NDArray[np.int64]:
        """Row of the radiograph of each pair."""
        return np.repeat(self.rows, len(self.people))

    @property
    def other_Q(self) -> NDArray[np.int64]:
        """Row of the other person of each pair."""
        return np.tile(self.people, len(self.rows))

    @property
    def variables(self) -> int:
        """Number of clinical variables."""
        return int(self.differs_QV.shape[1])

    def shaped(self, values: Values) -> Values:
        """Return values of the pairs, ``(Q, …)``, as ``(N, M, …)``."""
        return values.reshape(len(self.rows), len(self.people), *values.shape[1:])


@dataclass(frozen=True, eq=False)
class Corners:
    """Density with each of the two inputs taken from the radiograph or from the other person, ``(Q,)`` g/cm².

    Attributes:
        both: the radiograph itself.
        picture: its picture with the other's record.
        record: the other's picture with its record.
        neither: the other person.
    """

    both: Values
    picture: Values
    record: Values
    neither: Values

    @classmethod
    def of(cls, pairs: Pairs) -> Corners:
        """Ask for all four."""
        both = np.repeat(_whole(pairs.reader, pairs.rows, pairs.variables), len(pairs.people))
        neither = np.tile(_whole(pairs.reader, pairs.people, pairs.variables), len(pairs.rows))
        if not pairs.reader.reads_picture:
            return cls(both, neither, both, neither)
        if not pairs.differs_QV.any():
            return cls(both, both, neither, neither)
        one, other = pairs.one_Q, pairs.other_Q
        picture = pairs.reader.densities(one, _record(other, pairs.variables))
        return cls(both, picture, pairs.reader.densities(other, _record(one, pairs.variables)), neither)

    @property
    def picture_part(self) -> Values:
        """Shapley value of the picture in the game of the two inputs, ``(Q,)``."""
        return np.asarray(0.5 * ((self.picture - self.neither) + (self.both - self.record)))


@dataclass(frozen=True, eq=False)
class Played:
    """Shapley values of the variables of each pair, g/cm².

    Attributes:
        own: ``(Q, V)`` beside the radiograph's picture; they add up to ``both - picture`` of the corners.
        others: ``(Q, V)`` beside the other's picture; they add up to ``record - neither``.
    """

    own: Values
    others: Values


def _whole(reader: Reader, rows: NDArray[np.int64], variables: int) -> Values:
    return reader.densities(rows, _record(rows, variables))


def _record(rows: NDArray[np.int64], variables: int) -> NDArray[np.int64]:
    return np.repeat(rows[:, None], variables, axis=1)
