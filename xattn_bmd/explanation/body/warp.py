"""Heat maps brought to one vertebral body: the unit square, with a margin around.

Axes: ``N`` crops, ``h, w`` rows and columns of the heat, ``C`` cells a side of the normalised map.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import grid_sample

from xattn_bmd.errors import MetricError
from xattn_bmd.explanation.body.points import MARGIN, endplates
from xattn_bmd.explanation.judge.parts import Sign, part_of

CELLS = 40
"""Cells along the body, from wall to wall and from endplate to endplate."""

_AT_ONCE = 256


def cell_centres(margin: float = MARGIN) -> NDArray[np.float64]:
    """Return the centres of the cells of a side, ``(C,)``: 0 is the anterior wall or upper endplate, 1 the other.

    Example:
        >>> centres = cell_centres()
        >>> len(centres), float(centres[0])
        (60, -0.2375)
    """
    outside = round(margin * CELLS)
    return np.asarray((np.arange(-outside, CELLS + outside) + 0.5) / CELLS)


def places(points: NDArray[np.float64], *, margin: float = MARGIN) -> NDArray[np.float64]:
    """Return where in its picture each cell of every normalised body lies, ``(N, C, C, 2)`` x and y, pixels.

    Along the endplates straight lines run from point to point; between them, straight from upper to lower.  In front of
    the anterior wall and behind the posterior one the wall is moved on by the mean direction of the two endplates.

    Args:
        points: four corners or six points, as :func:`~xattn_bmd.explanation.body.points.endplates` takes them.
        margin: share of the body on each side.

    Raises:
        MetricError: if the points go round no body.
    """
    plates = endplates(points, margin=margin)
    pieces, at = plates.shape[2] - 1, cell_centres(margin)
    along = np.clip(at, 0.0, 1.0) * pieces
    first = np.minimum(along.astype(np.int64), pieces - 1)
    part = (along - first)[:, None]
    curves = (1 - part) * plates[:, :, first] + part * plates[:, :, first + 1]
    ends = pieces * np.diff(plates, axis=2).mean(axis=1)
    before, behind = np.minimum(at, 0.0)[:, None], np.maximum(at - 1.0, 0.0)[:, None]
    curves = curves + (before * ends[:, None, 0] + behind * ends[:, None, -1])[:, None]
    across = at[:, None, None]
    return np.asarray((1 - across) * curves[:, 0][:, None] + across * curves[:, 1][:, None])


def normalised_maps(
    heat: NDArray[np.float32],
    points: NDArray[np.float64],
    *,
    picture: tuple[int, int] | None = None,
    fields: NDArray[np.float64] | None = None,
    margin: float = MARGIN,
    sign: Sign = "positive",
) -> NDArray[np.float32]:
    """Return each heat map on the normalised body, scaled to a mean of 1 over the cells that the picture shows.

    Args:
        heat: ``(N, h, w)``.
        points: ``(N, 4 or 6, 2)``, pixels of the picture from the outer corner of its top left one.
        picture: rows and columns of the picture over which the heat is spread; None takes those of the heat.
        fields: ``(N, 4)`` ``x0, y0, x1, y1`` of what each picture shows; None takes all of it.
        margin: share of the body on each side that is looked at.
        sign: which part of the heat.

    Returns:
        ``(N, C, C)`` float32: rows from above, columns from the anterior wall; NaN outside the picture, and everywhere
        for a map without heat.

    Raises:
        MetricError: if shapes do not match, values are no numbers, or points go round no body.

    Example:
        >>> corners = np.array([[[2.0, 2.0], [6.0, 2.0], [2.0, 6.0], [6.0, 6.0]]])
        >>> float(normalised_maps(np.ones((1, 8, 8), np.float32), corners).max())
        1.0
    """
    if heat.ndim != 3 or len(heat) != len(points) or not np.isfinite(heat).all():
        raise MetricError(
            f"Heat is finite, (N, h, w), with one set of points each, but {heat.shape} with {len(points)} set(s) was "
            "given; give one map and one vertebral body for each crop."
        )
    if not 0 <= margin <= 1:
        raise MetricError(f"margin is a share of the body from 0 to 1, but {margin} was given; 0.25 is usual.")
    rows, columns = picture or heat.shape[1:]
    within = np.array([[0.0, 0.0, columns, rows]]) if fields is None else np.asarray(fields, dtype=np.float64)
    if within.shape not in ((1, 4), (len(heat), 4)):
        raise MetricError(f"fields are (N, 4), one for each crop, but {within.shape} was given; give x0, y0, x1, y1.")
    within = np.broadcast_to(within, (len(heat), 4))
    blocks = [slice(start, start + _AT_ONCE) for start in range(0, len(heat), _AT_ONCE)]
    each = [
        _sampled(part_of(heat[block], sign=sign), places(points[block], margin=margin), within[block], (columns, rows))
        for block in blocks
    ]
    return np.concatenate(each)


def _sampled(
    heat: NDArray[np.float64], at: NDArray[np.float64], fields: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.float32]:
    grid = torch.from_numpy(2 * at / np.array(size) - 1)
    values = grid_sample(torch.from_numpy(heat)[:, None], grid, padding_mode="border", align_corners=False)[:, 0]
    low, high = fields[:, None, None, :2], fields[:, None, None, 2:]
    shown = ((at >= low) & (at <= high)).all(axis=-1)
    known = np.where(shown, values.numpy(), 0.0)
    mean = known.sum(axis=(1, 2)) / np.maximum(shown.sum(axis=(1, 2)), 1)
    scaled = known / np.where(mean > 0, mean, np.nan)[:, None, None]
    return np.where(shown, scaled, np.nan).astype(np.float32)
