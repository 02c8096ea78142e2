"""What a fitted fold says of anybody's picture with anybody's values: the one question that all contributions ask.

Axes: ``B`` questions, ``V`` clinical variables, ``R`` rows of a panel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.explanation.record.panel import Panel
from xattn_bmd.explanation.record.picture_maps import PictureMaps
from xattn_bmd.explanation.record.token_reader import TokenReader, lenses
from xattn_bmd.training.fits.estimator import Estimator
from xattn_bmd.training.fits.tabular import TABULAR
from xattn_bmd.training.prediction.ensemble import Ensemble


class Reader(Protocol):
    """A fitted fold that reads a mixed patient."""

    @property
    def reads_picture(self) -> bool:
        """Whether the picture changes what it says."""
        ...

    def differs(self, own_B: NDArray[np.int64], other_B: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return ``(B, V)`` whether two people's values differ for the model; False where it reads none."""
        ...

    def densities(self, picture_B: NDArray[np.int64], record_BV: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return ``(B,)`` g/cm²: the picture of one row of the panel, each variable of the row that is named for it."""
        ...

    def predictions(self, row_B: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return ``(B,)`` g/cm²: what the fold predicts of whole people, computed on the road of a prediction."""
        ...


@dataclass(frozen=True, eq=False)
class TabularReader:
    """A scikit-learn baseline.

    Attributes:
        estimator: the fitted fold.
        design_RK: the record as its columns.
        variable_K: variable that each column belongs to.
    """

    estimator: Estimator
    design_RK: NDArray[np.float64]
    variable_K: NDArray[np.int64]
    reads_picture: bool = False

    @classmethod
    def of(cls, estimator: Estimator, panel: Panel) -> TabularReader:
        """Return the reader of one fold."""
        schema = estimator.encoder.schema
        each = np.arange(len(schema.names))
        first = len(schema.numeric)
        variable_K = np.concatenate([each[:first], np.repeat(each[first:], schema.cardinalities), each])
        return cls(estimator, estimator.encoder.design_matrix(panel.table)[0], variable_K.astype(np.int64))

    def differs(self, own_B: NDArray[np.int64], other_B: NDArray[np.int64]) -> NDArray[np.bool_]:
        """See :class:`Reader`."""
        apart_BK = self.design_RK[own_B] != self.design_RK[other_B]
        each = range(len(self.estimator.encoder.schema.names))
        return np.stack([apart_BK[:, self.variable_K == variable].any(axis=1) for variable in each], axis=1)

    def densities(self, picture_B: NDArray[np.int64], record_BV: NDArray[np.int64]) -> NDArray[np.float64]:
        """See :class:`Reader`."""
        mixed_BK = self.design_RK[record_BV[:, self.variable_K], np.arange(self.design_RK.shape[1])]
        return np.asarray(TABULAR[self.estimator.model].predict(self.estimator.tensors, mixed_BK), dtype=np.float64)

    def predictions(self, row_B: NDArray[np.int64]) -> NDArray[np.float64]:
        """See :class:`Reader`."""
        predict = TABULAR[self.estimator.model].predict
        return np.asarray(predict(self.estimator.tensors, self.design_RK[row_B]), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class StackReader:
    """A stack: the weighted sum of what its members say, so its contributions are the weighted sum of theirs.

    Attributes:
        members: reader of each member.
        weights: weight of each.
    """

    members: tuple[Reader, ...]
    weights: NDArray[np.float64]

    @property
    def reads_picture(self) -> bool:
        """See :class:`Reader`."""
        return any(member.reads_picture for member in self.members)

    def differs(self, own_B: NDArray[np.int64], other_B: NDArray[np.int64]) -> NDArray[np.bool_]:
        """See :class:`Reader`."""
        return np.asarray(np.logical_or.reduce([member.differs(own_B, other_B) for member in self.members]))

    def densities(self, picture_B: NDArray[np.int64], record_BV: NDArray[np.int64]) -> NDArray[np.float64]:
        """See :class:`Reader`."""
        return self._weighted([member.densities(picture_B, record_BV) for member in self.members])

    def predictions(self, row_B: NDArray[np.int64]) -> NDArray[np.float64]:
        """See :class:`Reader`."""
        return self._weighted([member.predictions(row_B) for member in self.members])

    def _weighted(self, each: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        return np.asarray(self.weights @ np.stack(each), dtype=np.float64)


class FoldReaders:
    """The readers of all folds of a model; what the folds share is computed once.

    Args:
        ensemble: the fold models.
        panel: the people.
        rows: rows of the panel that will be asked for; the pictures of others are not looked at.
    """

    def __init__(self, ensemble: Ensemble, panel: Panel, *, rows: NDArray[np.int64]) -> None:
        self._ensemble, self._panel = ensemble, panel
        self._members = [FoldReaders(member, panel, rows=rows) for member in ensemble.members]
        self._maps = PictureMaps(panel, rows, shared=ensemble.shares_map, device=ensemble.device)

    def of(self, fold: int, rows: NDArray[np.int64]) -> Reader:
        """Return the reader of one fold.

        Args:
            fold: position of the fold model.
            rows: rows of the panel that it will be asked for.
        """
        estimator = self._ensemble.estimators[fold]
        if self._members:
            return StackReader(tuple(member.of(fold, rows) for member in self._members), estimator.tensors["weights"])
        if not self._ensemble.networks:
            return TabularReader.of(estimator, self._panel)
        seeds = len(self._ensemble.networks) // len(self._ensemble.estimators)
        networks = self._ensemble.networks[fold * seeds : (fold + 1) * seeds]
        place = np.full(len(self._panel.table), -1, dtype=np.int64)
        place[rows] = np.arange(len(rows))
        encoded = estimator.encoder.transform(self._panel.table.iloc[rows])
        views = estimator.views
        return TokenReader(lenses(networks, encoded, self._maps, rows, views=views), encoded, place)
