"""The values that travel along the road: read -> encode -> fuse -> predict.

Axis legend, used in every annotation and tensor name of this library:

========  ==========================================================================
``B``     patients (radiographs) in the batch
``H, W``  rows and columns of an image
``D``     slices of a CT volume, in ``(D, H, W)``; elsewhere the width of a token
``P``     image patches (tokens of the image encoder)
``V``     clinical variables: the ``N`` numeric ones first, then the ``C`` categorical
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

UNIT_COLUMN = "unit"
"""Last column of a predictions table in another unit than g/cm²: ``mg/cm3`` in every row (QCT)."""

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
class Volume:
    """One CT volume in the order in which every volume of this library lies.

    Slices run from head to feet, rows from anterior to posterior, columns from the patient's right to the left: shown
    as they are, ``voxels[d]`` is the usual axial picture (the patient's right at the picture's left) and
    ``voxels[:, h]`` the coronal one, head up.  An oblique volume lies in the nearest such order; ``affine`` is exact.

    Attributes:
        voxels: ``(D, H, W)`` Hounsfield units, at least -1024: float32 in memory; int16 where it is a read-only memory
            map of the cache.
        spacing_mm: ``(slice, row, column)`` distance between voxel centres in mm.
        affine: ``(4, 4)`` float64 from the index ``(d, h, w, 1)`` to patient coordinates in mm as DICOM has them: x to
            the patient's left, y to posterior, z to the head.
        steps: every step taken from files to voxels, in order, in plain words without patient data.
    """

    voxels: NDArray[np.float32] | NDArray[np.int16]
    spacing_mm: tuple[float, float, float]
    affine: NDArray[np.float64]
    steps: tuple[str, ...]

    @property
    def orientation(self) -> tuple[str, str, str]:
        """Where each axis points, by the affine: ``("I", "P", "L")`` (inferior, posterior, left), always."""
        return _axis_codes(self.affine)


@dataclass(frozen=True)
class LabelMap:
    """A segmentation on the voxels of a :class:`Volume`.

    Attributes:
        labels: ``(D, H, W)`` uint16, 0 for background.
        names: label of each named structure; empty where nobody named them.
        spacing_mm: ``(slice, row, column)`` distance between voxel centres in mm.
        affine: ``(4, 4)`` float64 from the index ``(d, h, w, 1)`` to patient coordinates in mm, as in the volume.
        steps: every step taken from file to labels.
    """

    labels: NDArray[np.uint16]
    names: dict[str, int]
    spacing_mm: tuple[float, float, float]
    affine: NDArray[np.float64]
    steps: tuple[str, ...]


def _axis_codes(affine: NDArray[np.float64]) -> tuple[str, str, str]:
    directions = (("R", "L"), ("A", "P"), ("I", "S"))
    columns = ([float(affine[row, column]) for row in range(3)] for column in range(3))
    main = ((max(range(3), key=lambda row: abs(parts[row])), parts) for parts in columns)
    slice_, row, column = (directions[axis][parts[axis] > 0] for axis, parts in main)
    return slice_, row, column


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
        image: ``(B, 1, H, W)`` float32 in 0-1, bone bright, every hip turned to look like a left hip; of CT volumes
            ``(B, slices, H, W)``.
        variables: the encoded clinical record.
        target: ``(B,)`` float32 density in g/cm², NaN where unknown.
        row: ``(B,)`` int64 row of each radiograph in its cohort.
        features: ``(B, C, h, w)`` float32 feature map of a frozen trunk, of CT volumes ``(B, C, d, h, w)``, in place of
            the image; None where the image is looked at.
        no_image: ``(B,)`` bool, True for a radiograph whose picture is missing or withheld; None where each has one.
        mask: ``(B, 1, H, W)`` float32, 1 inside the anatomical mask and 0 outside, placed, mirrored and moved exactly
            as the image; 0 everywhere where a radiograph has no mask.  None where masks are not asked for.
        has_mask: ``(B,)`` bool, True for a radiograph with a mask; None where ``mask`` is None.
    """

    image: Tensor
    variables: Variables
    target: Tensor
    row: Tensor
    features: Tensor | None = None
    no_image: Tensor | None = None
    mask: Tensor | None = None
    has_mask: Tensor | None = None
