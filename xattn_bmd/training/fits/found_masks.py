"""What the mask heads of a fitted model find, and how well it agrees with the masks of a scored fold.

Axes: ``B`` radiographs of a block, ``H, W`` rows and columns of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from xattn_bmd.data.dataset import CohortImages, row_blocks
from xattn_bmd.metrics.dice import dice
from xattn_bmd.metrics.tables.masks import MASK_COLUMNS
from xattn_bmd.models.network import FusionNetwork
from xattn_bmd.training.device import torch_device
from xattn_bmd.training.fits.estimator import Estimator
from xattn_bmd.training.study import Job, Study, rows_of

INSIDE = 0.5
"""Probability from which a pixel is taken to lie inside."""


def mask_probability(networks: Sequence[FusionNetwork], image: Tensor) -> Tensor:
    """Return the mean probability ``(B, 1, H, W)`` that each pixel lies inside, over networks.

    Args:
        networks: networks with a mask head, in evaluation mode, on the images' device.
        image: ``(B, 1, H, W)`` in 0-1, bone bright.
    """
    with torch.inference_mode():
        return torch.stack([network.segment(image) for network in networks]).mean(dim=0)


def mask_table(
    job: Job,
    study: Study,
    estimator: Estimator,
    radiograph_ids: tuple[str, ...],
    *,
    networks: Sequence[FusionNetwork] = (),
) -> pd.DataFrame | None:
    """Return how well the masks found in some radiographs agree with those that were drawn.

    Args:
        job: which fit.
        study: what all fits share.
        estimator: the fitted model.
        radiograph_ids: radiographs of the study's cohort; those without a mask are left out.
        networks: the estimator's networks, where they are at hand; else they are built.

    Returns:
        :data:`~xattn_bmd.metrics.tables.masks.MASK_COLUMNS`; None for a model without a mask head.
    """
    if not estimator.has_mask_head:
        return None
    device = torch_device(study.config.training.accelerator)
    built = [(networks[k] if networks else estimator.build(k)).to(device).eval() for k in range(estimator.seeds)]
    rows = torch.tensor(rows_of(study.cohort, radiograph_ids), dtype=torch.int64)
    scores = pd.concat(
        [_block(built, study.images, rows[torch.from_numpy(block)], device) for block in row_blocks(len(rows))]
    )
    cohort, each = study.cohort, scores.index.tolist()
    columns = {
        "radiograph_id": [cohort.radiograph_ids[row] for row in each],
        "patient_id": [cohort.patient_ids[row] for row in each],
        "site": [cohort.sites[row] for row in each],
        "model": job.model,
        "repeat": job.repeat,
        "fold": job.fold,
    }
    table = pd.concat([pd.DataFrame(columns, index=range(len(each))), scores.reset_index(drop=True)], axis=1)
    return table[list(MASK_COLUMNS)]


def _block(networks: Sequence[FusionNetwork], images: CohortImages, row: Tensor, device: torch.device) -> pd.DataFrame:
    """Return the last three of the columns, indexed by the rows that have a mask."""
    masked = images.masked(row, device)
    assert masked is not None, "a comparison with a mask head refuses a cohort without masks"
    drawn, known = (part.cpu().numpy() for part in masked)
    both = mask_probability(networks, images.pixels(row, device)).cpu().numpy()[known] > INSIDE, drawn[known] > INSIDE
    shares = [mask.mean(axis=(1, 2, 3)) for mask in both]
    columns = {"dice": dice(*both), "found_share": shares[0], "mask_share": shares[1]}
    return pd.DataFrame(columns, index=row.numpy()[known])
