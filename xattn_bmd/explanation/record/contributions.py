"""Contributions of the picture and of each clinical variable to every estimate, and the tables made of them.

Axes: ``N`` radiographs, ``V`` clinical variables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import RunError
from xattn_bmd.report.words import RADIOGRAPHS, Words
from xattn_bmd.types import VariableSchema

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

IMAGE = "image"
"""Name of the picture's part in the tables."""

TOLERANCE = 1e-5
"""Within which mean, picture and variables add up to what the model predicts, of the largest prediction and no less
than 1 (g/cm² or mg/cm³); single precision leaves less."""

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Contributions:
    """What each part adds to an estimate, against other people, in the unit of the density.

    ``prediction = mean + image + sum of record`` within :data:`TOLERANCE`, and ``prediction = given_mean + sum of
    given``.  Both are Shapley values.  For ``image`` and ``record`` the picture and the record first play for the
    prediction, then the variables for the record's share (Owen 1977), beside the own picture and beside the other
    person's in equal parts.  For ``given`` the picture stays and only the record is taken from others: what the
    variables add once the picture is known.

    Attributes:
        model: name of the model.
        radiograph_ids: ``N`` ids.
        patient_ids: ``N`` patients.
        schema: names and categories of the ``V`` variables.
        record_table: ``N`` rows of the clinical record, as the cohort holds it.
        prediction: ``(N,)`` mean over the fold models that explain a radiograph.
        mean: ``(N,)`` mean prediction of the people it is compared with.
        image: ``(N,)`` of the picture.
        record: ``(N, V)`` of each variable.
        given_mean: ``(N,)`` mean prediction of its picture with the records of these people.
        given: ``(N, V)`` of each variable, given the picture.
        image_error: ``(N,)`` standard error of ``image`` from the choice of people; of the mean over several fold
            models at most this.
        record_error: ``(N, V)`` the same of ``record``, from the choice of people and orders.
        given_error: ``(N, V)`` the same of ``given``.
        people: number of people that each radiograph is compared with, at most.
        method: how coalitions were played: ``"exact"``, ``"orders"`` or ``"shap"``.
        words: unit of the density, and what an image is called.
    """

    model: str
    radiograph_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    schema: VariableSchema
    record_table: pd.DataFrame
    prediction: Values
    mean: Values
    image: Values
    record: Values
    given_mean: Values
    given: Values
    image_error: Values
    record_error: Values
    given_error: Values
    people: int
    method: str
    words: Words = RADIOGRAPHS

    def __post_init__(self) -> None:
        """Refuse parts that do not add up to the prediction."""
        joint = self.mean + self.image + self.record.sum(axis=1)
        apart = [joint - self.prediction, self.given_mean + self.given.sum(axis=1) - self.prediction]
        worst = float(np.max(np.abs(apart), initial=0.0))
        most = TOLERANCE * max(1.0, float(np.max(np.abs(self.prediction), initial=0.0)))
        if not worst <= most:
            unit = self.words.scale.unit
            raise RunError(
                f"Contributions add up to the prediction within {most:.2g} {unit}, but {worst:.2g} is left over; "
                "the model is not the same each time it is asked, and cannot be explained."
            )

    @property
    def variables(self) -> tuple[str, ...]:
        """The ``V`` names."""
        return self.schema.names

    def table(self) -> pd.DataFrame:
        """Return one row for each radiograph and part: the picture first, then the variables.

        Returns:
            radiograph_id, model, part (:data:`IMAGE` or a variable), value (as in the record; empty for the picture and
            where missing), contribution and error (of the joint table), given_image and given_image_error (of the
            variables given the picture; NaN for the picture), mean, prediction.
        """
        import pandas as pd

        parts, rows = (IMAGE, *self.variables), len(self.radiograph_ids)
        nothing = np.full((rows, 1), np.nan)
        columns = {
            "contribution": np.column_stack([self.image, self.record]),
            "error": np.column_stack([self.image_error, self.record_error]),
            "given_image": np.column_stack([nothing, self.given]),
            "given_image_error": np.column_stack([nothing, self.given_error]),
        }
        values = [["", *row] for row in self.record_table[list(self.variables)].astype(object).to_numpy()]
        return pd.DataFrame(
            {
                "radiograph_id": np.repeat(self.radiograph_ids, len(parts)),
                "model": self.model,
                "part": np.tile(parts, rows),
                "value": ["" if pd.isna(value) else str(value) for row in values for value in row],
                **{name: block.ravel() for name, block in columns.items()},
                "mean": np.repeat(self.mean, len(parts)),
                "prediction": np.repeat(self.prediction, len(parts)),
            }
        )

    def position(self, radiograph_id: str) -> int:
        """Return the row of a radiograph.

        Raises:
            RunError: if it was not explained.
        """
        if radiograph_id not in self.radiograph_ids:
            raise RunError(
                f"A figure of one radiograph needs its contributions, but {radiograph_id!r} was not explained; name "
                f"one of the {len(self.radiograph_ids)} that were."
            )
        return self.radiograph_ids.index(radiograph_id)

    def shares(self, *, seed: int = 0) -> pd.DataFrame:
        """Return how much of the estimates is owed to the picture and how much to the record.

        The table of :func:`~xattn_bmd.explanation.record.modality_shares.modality_shares`, with 95 % intervals.

        Args:
            seed: of the bootstrap.
        """
        from xattn_bmd.explanation.record.modality_shares import modality_shares

        return modality_shares(self, seed=seed)

    def beeswarm(self) -> Figure:
        """Draw the contributions of picture and variables of all radiographs, a row each, the largest above."""
        from xattn_bmd.explanation.record.figures.beeswarm import beeswarm

        return beeswarm(self)

    def waterfall(self, radiograph_id: str) -> Figure:
        """Draw how one estimate comes about, from the mean to the prediction.

        Raises:
            RunError: if the radiograph was not explained.
        """
        from xattn_bmd.explanation.record.figures.waterfall import waterfall

        return waterfall(self, radiograph_id)

    def dependence(self, variable: str, *, unit: str = "") -> Figure:
        """Draw a variable's contribution against its value.

        Args:
            variable: its name.
            unit: of the values, for the axis; empty for none.

        Raises:
            RunError: if the model reads no such variable.
        """
        from xattn_bmd.explanation.record.figures.dependence import dependence

        return dependence(self, variable, unit=unit)
