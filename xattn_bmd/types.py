"""The values that travel along the road: read -> encode -> fuse -> predict.

Axis legend, used in every annotation and tensor name of this library:

========  ==========================================================================
``B``     patients (radiographs) in the batch
``H, W``  rows and columns of an image
``P``     image patches (tokens of the image encoder)
``V``     clinical variables: the ``N`` numeric ones first, then the ``C`` categorical
``D``     width of a token
========  ==========================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

PREDICTION_COLUMNS = (
    "radiograph_id",
    "patient_id",
    "site",
    "model",
    "repeat",
    "fold",
    "target",
    "prediction",
)
"""Columns of ``predictions.csv``, in order; every metric, comparison and report works from this table alone."""

HEAD_COLUMNS = ("sd", "q05", "q50", "q95")
"""Further columns where a head gives them, g/cm²: SD of a Gaussian head; 5, 50, 95 % quantile of a quantile head."""

HEAD_QUANTILES = (0.05, 0.50, 0.95)
"""Shares of the density's distribution below the columns ``q05``, ``q50`` and ``q95`` of a quantile head."""

BOX_COLUMNS = ("radiograph_id", "label", "x0", "y0", "x1", "y1")
"""Columns of a table of boxes, and ``score`` where a detector made it: pixels of the radiograph as displayed.

``x`` runs right and ``y`` down from the outer corner of the top left pixel, so the whole picture is the box
``(0, 0, columns, rows)``; ``x1`` and ``y1`` are the far edges.
"""


@dataclass(frozen=True)
class Radiograph:
    """One grey-scale radiograph as read from its file.

    Attributes:
        pixels: ``(H, W)`` float32, bone bright, in the units left by the last step (not yet windowed to 0-1).
        spacing_mm: ``(row, column)`` distance between pixel centres in mm, or None where the file does not say.
        steps: every step taken from file to pixels, in order, in plain words without patient data.
    """

    pixels: NDArray[np.float32]
    spacing_mm: tuple[float, float] | None
    steps: tuple[str, ...]


@dataclass(frozen=True)
class VariableSchema:
    """Names and categories of the clinical variables, in the order of the tokens.

    Attributes:
        numeric: names of the ``N`` numeric variables.
        categorical: ``(name, categories)`` of the ``C`` categorical variables.
    """

    numeric: tuple[str, ...]
    categorical: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The ``V`` variable names: numeric first, then categorical."""
        return self.numeric + tuple(name for name, _ in self.categorical)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of categories of each categorical variable, ``(C,)``."""
        return tuple(len(categories) for _, categories in self.categorical)


class Variables(NamedTuple):
    """Encoded clinical variables of a batch.

    Attributes:
        numeric: ``(B, N)`` float32, standardised with the training folds' mean and SD; 0 where missing.
        codes: ``(B, C)`` int64 category codes; 0 where missing.
        missing: ``(B, V)`` bool, True where the record has no value; numeric variables first.
    """

    numeric: Tensor
    codes: Tensor
    missing: Tensor


class Batch(NamedTuple):
    """What a data loader yields and the Lightning module takes.

    Attributes:
        image: ``(B, 1, H, W)`` float32 in 0-1, bone bright, every hip turned to look like a left hip.
        variables: the encoded clinical record.
        target: ``(B,)`` float32 density in g/cm², NaN where unknown.
        row: ``(B,)`` int64 row of each radiograph in its cohort.
        features: ``(B, C, h, w)`` float32 feature map of a frozen trunk, in place of the image; None where the image is
            looked at.
        no_image: ``(B,)`` bool, True for a radiograph whose picture is missing or withheld; None where each has one.
    """

    image: Tensor
    variables: Variables
    target: Tensor
    row: Tensor
    features: Tensor | None = None
    no_image: Tensor | None = None
