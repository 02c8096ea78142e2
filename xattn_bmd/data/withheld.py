"""Inputs withheld from a network: by chance in training, or on purpose to see what the other input is worth.

The draws are a hash of (seed, epoch, row of the radiograph) as in :mod:`xattn_bmd.data.transforms`, so a radiograph
loses the same inputs whatever its batch, its worker or the order of the epoch.

Axes: ``B`` radiographs of a batch, ``V`` clinical variables.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from xattn_bmd.data.draws import uniform_draws
from xattn_bmd.seeds import derive_seed
from xattn_bmd.types import Batch

Withheld = Literal["image", "record"]
Known = Literal["image+record", "image", "record"]

LEFT: dict[Withheld, Known] = {"image": "record", "record": "image"}
"""What a model still sees where one of its two inputs is withheld."""


class InputDropout(NamedTuple):
    """Shares of what is withheld in training.

    Attributes:
        image: share of radiographs whose picture is withheld.
        record: share whose whole record is withheld; none loses both, so the two add up to less than 1.
        variable: share of clinical variables that are withheld, each for itself.
    """

    image: float = 0.0
    record: float = 0.0
    variable: float = 0.0


def drop_inputs(batch: Batch, *, dropout: InputDropout, seed: int, epoch: int) -> Batch:
    """Withhold inputs of a batch by chance, each radiograph for itself.

    Args:
        batch: ``B`` radiographs.
        dropout: shares.
        seed: seed of the fit.
        epoch: epoch of training.

    Returns:
        The batch, whose ``no_image`` and ``variables.missing`` say what is withheld.

    Example:
        >>> from xattn_bmd.types import Variables
        >>> known = Variables(torch.zeros(4, 1), torch.zeros(4, 0, dtype=torch.int64), torch.zeros(4, 1) > 0)
        >>> batch = Batch(torch.rand(4, 1, 8, 8), known, torch.ones(4), torch.arange(4))
        >>> drop_inputs(batch, dropout=InputDropout(image=0.5), seed=0, epoch=0).no_image.shape
        torch.Size([4])
    """
    if not any(dropout):
        return batch
    missing_BV = batch.variables.missing
    # a stream of its own: the first numbers of the fit's seed turn and shift the pictures
    own = derive_seed(seed, "withheld inputs")
    draws = uniform_draws(batch.row.to(missing_BV.device), 1 + missing_BV.shape[1], seed=own, epoch=epoch)
    no_image_B, no_record_B = draws[:, 0] < dropout.image, draws[:, 0] >= 1.0 - dropout.record
    missing_BV = missing_BV | no_record_B[:, None] | (draws[:, 1:] < dropout.variable)
    batch = batch._replace(variables=batch.variables._replace(missing=missing_BV))
    return batch._replace(no_image=no_image_B) if dropout.image else batch


def withhold(batch: Batch, what: Withheld) -> Batch:
    """Withhold the picture or the record of every radiograph of a batch."""
    missing = batch.variables.missing
    if what == "record":
        return batch._replace(variables=batch.variables._replace(missing=torch.ones_like(missing)))
    everywhere: Tensor = torch.ones(len(missing), dtype=torch.bool, device=missing.device)
    return batch._replace(no_image=everywhere)
