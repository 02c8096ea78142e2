"""What the mask heads of a fitted model find, and how well it agrees with the masks of a scored fold.

Axes: ``B`` radiographs of a block, ``H, W`` rows and columns of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from xattn_bmd.data.dataset import CohortImages, row_blocks
from xattn_bmd.data.masks.opened import CohortMasks
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
    masks = study.images.masks if estimator.has_mask_head else None
    if masks is None:
        return None
    device = torch_device(study.config.training.accelerator)
    built = [(networks[k] if networks else estimator.build(k)).to(device).eval() for k in range(estimator.seeds)]
    rows = torch.tensor(rows_of(study.cohort, radiograph_ids), dtype=torch.int64)
    rows = rows[torch.from_numpy(masks.has_mask[rows.numpy()])]
    parts = [
        _block(built, study.images, masks, rows[torch.from_numpy(block)], device) for block in row_blocks(len(rows))
    ]
    scores = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(MASK_COLUMNS[-3:]))
    cohort, each = study.cohort, rows.tolist()
    columns = {
        "radiograph_id": [cohort.radiograph_ids[row] for row in each],
        "patient_id": [cohort.patient_ids[row] for row in each],
        "site": [cohort.sites[row] for row in each],
    }
    fit = {"model": job.model, "repeat": job.repeat, "fold": job.fold}
    return pd.concat([pd.DataFrame(columns).assign(**fit), scores], axis=1)[list(MASK_COLUMNS)]


def _block(
    networks: Sequence[FusionNetwork], images: CohortImages, masks: CohortMasks, row: Tensor, device: torch.device
) -> pd.DataFrame:
    image, drawn = images.pixels(row, device), masks.take(row, device)[0] > INSIDE
    found = mask_probability(networks, image) > INSIDE
    both = [mask.cpu().numpy() for mask in (found, drawn)]
    shares = [mask.mean(axis=(1, 2, 3)) for mask in both]
    return pd.DataFrame({"dice": dice(*both), "found_share": shares[0], "mask_share": shares[1]})
