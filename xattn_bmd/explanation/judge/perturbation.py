"""Deletion and insertion: whether the estimate hangs on the pixels that are said to be hot.

Axes: ``B`` radiographs, ``S`` side of the picture, ``T`` steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from xattn_bmd.explanation.heat.integrated_gradients import mean_grey

STEPS = 8
CELLS = 16
"""Cells along a side: squares of the picture are covered or shown, not single pixels."""

Estimate = Callable[[Tensor], Tensor]
"""Pictures ``(B, 1, S, S)`` → densities ``(B,)``, g/cm²."""


class Curves(NamedTuple):
    """How far the estimate lies from that of the whole picture.

    Attributes:
        deletion: ``(B, T + 1)`` g/cm², with the hottest 0, 1/T, … 1 of the cells covered.
        insertion: ``(B, T + 1)`` g/cm², with nothing but the hottest 0, 1/T, … 1 of the cells shown.
    """

    deletion: NDArray[np.float64]
    insertion: NDArray[np.float64]


def perturbation_curves(
    estimate: Estimate, image: Tensor, heat: NDArray[np.float32], *, steps: int = STEPS, cells: int = CELLS
) -> Curves:
    """Return deletion and insertion curves (Petsiuk et al. 2018, BMVC, arXiv 1806.07421), for a regression.

    Cells are covered with the radiograph's mean grey, in the order of their mean absolute heat.  A density may move
    either way, so the distance from the whole picture's estimate is taken.  Good heat has a deletion curve that rises
    early (a large area) and an insertion curve that falls early (a small area), both against a random order.

    Args:
        estimate: estimates the density of pictures.
        image: ``(B, 1, S, S)`` in 0-1.
        heat: ``(B, S, S)``.
        steps: steps ``T``.
        cells: cells along a side.

    Example:
        >>> image = torch.zeros(1, 1, 32, 32)
        >>> image[..., :16, :16] = 1.0
        >>> corner = lambda pictures: pictures[..., :16, :16].mean((1, 2, 3))
        >>> curves = perturbation_curves(corner, image, image[:, 0].numpy(), steps=4)
        >>> [round(float(value), 2) for value in curves.deletion[0]], float(curves.insertion[0, 1])
        ([0.0, 0.75, 0.75, 0.75, 0.75], 0.0)
    """
    rank = _ranks(torch.from_numpy(np.abs(heat)), cells=min(cells, *image.shape[2:]))
    covered_by = mean_grey(image)
    with torch.no_grad():
        whole = estimate(image)
        deletion, insertion = [torch.zeros_like(whole)], [(estimate(covered_by) - whole).abs()]
        for step in range(1, steps + 1):
            hot = interpolate((rank < step / steps).float()[:, None], size=image.shape[2:], mode="nearest") > 0
            hot = hot.to(image.device)
            deletion.append((estimate(torch.where(hot, covered_by, image)) - whole).abs())
            insertion.append((estimate(torch.where(hot, image, covered_by)) - whole).abs())
    return Curves(*(torch.stack(one, dim=1).double().cpu().numpy() for one in (deletion, insertion)))


def area(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean height under curves ``(B, T + 1)`` by the trapezoid rule, ``(B,)``.

    Example:
        >>> area(np.array([[0.0, 1.0, 1.0]])).tolist()
        [0.75]
    """
    return np.asarray((curve[:, 1:] + curve[:, :-1]).mean(axis=1) / 2)


def _ranks(heat: Tensor, *, cells: int) -> Tensor:
    """Return the rank of each cell, ``(B, cells, cells)`` from 0 for the hottest up to just below 1."""
    flat = adaptive_avg_pool2d(heat[:, None].double(), (cells, cells)).flatten(1)
    order = flat.argsort(dim=1, descending=True, stable=True)
    rank = torch.empty_like(flat)
    rank.scatter_(1, order, (torch.arange(flat.shape[1], dtype=flat.dtype) / flat.shape[1]).expand_as(flat))
    return rank.reshape(len(rank), cells, cells)
