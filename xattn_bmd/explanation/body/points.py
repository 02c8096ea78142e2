"""Points of a vertebral body in its picture: four corners, or six as morphometry measures them.

Axes: ``N`` crops, ``K`` points of an endplate (2 or 3), ``S`` side of the network's square picture.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.config import ImageConfig
from xattn_bmd.data.checks.problem import listed
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.preprocess import frame_of
from xattn_bmd.data.radiograph import read_radiograph
from xattn_bmd.errors import MetricError

MARGIN = 0.25
"""Share of the body's width and height that is looked at on each side of it."""

_LEAST = 1e-3  # smallest stretch of a body anywhere, as a share of its mean: below it the outline folds


class PlacedPoints(NamedTuple):
    """Points in the pictures that a network sees.

    Attributes:
        points: ``(N, 4 or 6, 2)`` x and y, pixels of the picture.
        fields: ``(N, 4)`` ``x0, y0, x1, y1`` of what the picture shows of the radiograph, without its black padding.
    """

    points: NDArray[np.float64]
    fields: NDArray[np.float64]


def endplates(points: NDArray[np.float64], *, margin: float = MARGIN) -> NDArray[np.float64]:
    """Return the points of upper and lower endplate from the anterior to the posterior wall, ``(N, 2, K, 2)``.

    Args:
        points: ``(N, 4, 2)`` x and y, pixels: upper anterior, upper posterior, lower anterior, lower posterior; or
            ``(N, 6, 2)``: upper anterior, middle, posterior, lower anterior, middle, posterior.
        margin: share of the body on each side that must not fold either.

    Raises:
        MetricError: if the shape is another one, or points of a crop coincide, cross, or lie on one line.

    Example:
        >>> endplates(np.array([[[0, 0], [4, 0], [0, 2], [4, 2]]]))[0, 1].tolist()
        [[0.0, 2.0], [4.0, 2.0]]
    """
    given = np.asarray(points, dtype=np.float64)
    if given.ndim != 3 or given.shape[1] not in (4, 6) or given.shape[2] != 2 or not len(given):
        raise MetricError(
            f"A vertebral body has 4 corners or 6 points, (N, 4, 2) or (N, 6, 2), but {given.shape} was given; give "
            "upper anterior to posterior, then lower anterior to posterior, x before y."
        )
    plates = given.reshape(len(given), 2, -1, 2)
    stretch = _stretch(plates, margin)
    wide, high = plates[:, :, -1] - plates[:, :, 0], plates[:, 1] - plates[:, 0]
    mean = np.abs(_cross(wide.mean(axis=1), high.mean(axis=1)))
    whole = np.isfinite(given).all(axis=(1, 2)) & (mean > 0)
    one_way = np.abs(np.sign(stretch).sum(axis=1)) == stretch.shape[1]
    bad = np.flatnonzero(~(whole & one_way & (np.abs(stretch).min(axis=1) > _LEAST * mean)))
    if len(bad):
        raise MetricError(
            f"The points of a vertebral body go round it without crossing, but those of {len(bad)} crop(s) coincide, "
            f"cross or are no numbers: rows {listed([str(row) for row in bad])}; mend them, or leave the crops out."
        )
    return plates


def mask_corners(masks: NDArray[np.bool_], *, anterior: Literal["left", "right"] = "left") -> NDArray[np.float64]:
    """Return the four corners of the box around each mask, ``(N, 4, 2)``, for bodies of which no points are known.

    Args:
        masks: ``(N, H, W)`` bool.
        anterior: side of the picture on which the anterior wall lies.

    Raises:
        MetricError: if a mask is empty.

    Example:
        >>> mask = np.zeros((1, 6, 8), dtype=bool)
        >>> mask[0, 1:3, 2:7] = True
        >>> mask_corners(mask)[0].tolist()
        [[2.0, 1.0], [7.0, 1.0], [2.0, 3.0], [7.0, 3.0]]
    """
    empty = np.flatnonzero(~masks.any(axis=(1, 2)))
    if len(empty):
        raise MetricError(
            f"The mask of a vertebral body has a pixel above 0, but {len(empty)} have none: rows "
            f"{listed([str(row) for row in empty])}; draw them, or leave the crops out."
        )
    down, along = np.asarray(masks.any(axis=2)), np.asarray(masks.any(axis=1))
    top, left = down.argmax(axis=1), along.argmax(axis=1)
    bottom, right = down.shape[1] - down[:, ::-1].argmax(axis=1), along.shape[1] - along[:, ::-1].argmax(axis=1)
    front, back = (left, right) if anterior == "left" else (right, left)
    pairs = [(front, top), (back, top), (front, bottom), (back, bottom)]
    return np.stack([np.stack(pair, axis=1) for pair in pairs], axis=1).astype(np.float64)


def placed_points(points: NDArray[np.float64], cohort: Cohort, *, image: ImageConfig) -> PlacedPoints:
    """Bring points from the pixels of the files to those of the pictures that a network sees.

    Args:
        points: ``(N, 4 or 6, 2)`` x and y, pixels of each radiograph's (or crop's) file as displayed.
        cohort: ``N`` radiographs with their files, in the same order.
        image: how a file becomes a picture.

    Raises:
        MetricError: if there are not as many points as radiographs.
        RadiographError: if a file cannot be read.
    """
    paths = list(cohort.image_paths.values())
    if len(points) != len(paths) or len(paths) != len(cohort):
        raise MetricError(
            f"Every radiograph has one file and one set of points, but there are {len(cohort)} radiographs, "
            f"{len(paths)} files and {len(points)} sets; give one each, in the order of the cohort."
        )
    placed, fields = [], []
    for path, side, each in zip(paths, cohort.sides, np.asarray(points, dtype=np.float64), strict=True):
        frame = frame_of(read_radiograph(path), image)
        down, along = frame.scale
        x, y = (each[:, 0] - frame.box.left) / along + frame.left, (each[:, 1] - frame.box.top) / down + frame.top
        x0, x1 = frame.left, frame.left + frame.width
        if side == "R":  # shown mirrored
            x, x0, x1 = image.size - x, image.size - x1, image.size - x0
        placed.append(np.stack([x, y], axis=1))
        fields.append([x0, frame.top, x1, frame.top + frame.height])
    return PlacedPoints(np.stack(placed), np.array(fields, dtype=np.float64))


def _stretch(plates: NDArray[np.float64], margin: float) -> NDArray[np.float64]:
    """Return the signed area by which each body is stretched at both ends of each stretch of its endplates.

    Between two neighbouring points the area is linear along the body and linear across it, so it is smallest there.
    """
    pieces = (plates.shape[2] - 1) * np.diff(plates, axis=2)
    high = plates[:, 1] - plates[:, 0]
    ends = []
    for across in (-margin, 1 + margin):
        along = (1 - across) * pieces[:, 0] + across * pieces[:, 1]
        ends += [_cross(along, high[:, :-1]), _cross(along, high[:, 1:])]
    return np.concatenate(ends, axis=1)


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])
