"""Which pixels carry a changed estimate: integrated gradients from one picture of a person to the other.

Axes: ``K`` networks, ``B`` radiographs, ``S`` side of the network's square picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from xattn_bmd.data.dataset import Pictures
from xattn_bmd.training.prediction.ensemble import Ensemble
from xattn_bmd.types import Variables

STEPS = 8
"""Midpoints on the way from one picture to the other."""


def change_heat(
    ensemble: Ensemble, table: pd.DataFrame, before: Pictures, after: Pictures, *, steps: int = STEPS
) -> NDArray[np.float64]:
    """Return what each pixel adds to the change of the estimate, ``(B, S, S)`` g/cm².

    Integrated gradients (Sundararajan et al. 2017) whose baseline is the same person's other picture, of the mean of
    all networks; the pixels add up to the change of the estimate within the error of the midpoint rule.

    Args:
        ensemble: networks that look at pictures.
        table: clinical record of the ``B`` radiographs.
        before: their pictures before the change.
        after: the same after it.
        steps: points on the way.
    """
    rows = np.arange(len(table))
    start, end = (part.take(rows).to(ensemble.device) for part in (before, after))
    records = [_record(ensemble, table, fold) for fold in range(len(ensemble.estimators))]
    total = torch.zeros_like(start, dtype=torch.float64)
    for step in range(steps):
        between = (start + (step + 0.5) / steps * (end - start)).requires_grad_()
        with torch.enable_grad():
            density = _mean_density(ensemble, between, records)
            (slope,) = torch.autograd.grad(density.sum(), between)
        total += slope.double() * (end - start).double() / steps
    return np.asarray(total[:, 0].cpu().numpy())


def _mean_density(ensemble: Ensemble, image: Tensor, records: Sequence[Variables]) -> Tensor:
    first = ensemble.networks[0].image_encoder
    features = first.features(image) if ensemble.shares_map and first is not None else None
    seeds = len(ensemble.networks) // len(records)
    each = [
        network(image, records[number // seeds], features).density for number, network in enumerate(ensemble.networks)
    ]
    return torch.stack(each).mean(dim=0)


def _record(ensemble: Ensemble, table: pd.DataFrame, fold: int) -> Variables:
    encoded = ensemble.estimators[fold].encoder.transform(table)
    parts = (encoded.numeric, encoded.codes, encoded.missing)
    return Variables(*(torch.from_numpy(part).to(ensemble.device) for part in parts))
