"""A network that reads mixed patients: one picture's tokens beside tokens of variables taken from other people.

A token of the record depends on its own variable alone, so the tokens of all people are made once, and a mixed patient
is put together from them; the picture's tokens are made once too.  Fusion and head are all that is computed again.

Axes: ``B`` questions, ``R`` rows that may be asked for, ``P`` image patches, ``V`` clinical variables, ``D`` width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xattn_bmd.data.dataset import row_blocks
from xattn_bmd.data.pictures.build import default_workers
from xattn_bmd.data.variables import EncodedVariables
from xattn_bmd.data.views import AS_IT_IS, View
from xattn_bmd.explanation.record.picture_maps import Maps, PictureMaps
from xattn_bmd.models.averaging import mean_estimate
from xattn_bmd.models.network import FusionNetwork
from xattn_bmd.training.in_threads import in_threads
from xattn_bmd.types import Variables

_CPU_BLOCK, _ACCELERATOR_BLOCK = 128, 8192
"""Questions at a time: what a core's cache holds, and what keeps an accelerator busy."""


@dataclass(frozen=True, eq=False)
class Lens:
    """One network looking at one view of each picture.

    Attributes:
        network: the network.
        image_RPD: tokens of the pictures, or None for a network of the record alone.
        variables_RVD: tokens of the records, or None for a network of the picture alone.
        prediction_R: what the whole network predicts of each row, g/cm².
    """

    network: FusionNetwork
    image_RPD: Tensor | None
    variables_RVD: Tensor | None
    prediction_R: Tensor

    def densities(self, picture_B: Tensor, record_BV: Tensor) -> Tensor:
        """Return ``(B,)`` g/cm²; the steps of the network's own ``forward`` after its two encoders."""
        image_BPD = None if self.image_RPD is None else self.image_RPD[picture_B]
        variables_BVD = None
        if self.variables_RVD is not None:
            variables_BVD = self.variables_RVD[record_BV, torch.arange(record_BV.shape[1], device=record_BV.device)]
        fused = self.network.fusion(image_BPD, variables_BVD)
        estimate = self.network.head(fused.vector)
        if fused.second is not None:
            estimate = mean_estimate(estimate, self.network.head(fused.second))
        density_B: Tensor = estimate.density
        return density_B


@dataclass(frozen=True, eq=False)
class TokenReader:
    """The networks of one fold; a :class:`~xattn_bmd.explanation.record.readers.Reader`.

    Attributes:
        lenses: its networks, each with each view; what they say is averaged.
        encoded: the records of the ``R`` rows.
        place: position among the ``R`` rows of each row of the panel, -1 for rows that are not asked for.
    """

    lenses: tuple[Lens, ...]
    encoded: EncodedVariables
    place: NDArray[np.int64]

    @property
    def reads_picture(self) -> bool:
        """Whether the networks look at pictures."""
        return self.lenses[0].image_RPD is not None

    def differs(self, own_B: NDArray[np.int64], other_B: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return ``(B, V)`` whether the networks see two different values."""
        own, other, each = self.place[own_B], self.place[other_B], self.encoded
        values_RV = np.concatenate([each.numeric, each.codes.astype(np.float32)], axis=1)
        if self.lenses[0].variables_RVD is None:
            return np.zeros((len(own), values_RV.shape[1]), dtype=np.bool_)
        one, two = each.missing[own], each.missing[other]
        return np.asarray((one != two) | (~(one & two) & (values_RV[own] != values_RV[other])))

    def densities(self, picture_B: NDArray[np.int64], record_BV: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return ``(B,)`` g/cm², computed in blocks on all cores or on the accelerator."""
        picture, record = torch.from_numpy(self.place[picture_B]), torch.from_numpy(self.place[record_BV])
        device = self.lenses[0].prediction_R.device

        def block_densities(rows: slice) -> NDArray[np.float64]:
            with torch.inference_mode():
                asked = picture[rows].to(device), record[rows].to(device)
                each = torch.stack([lens.densities(*asked) for lens in self.lenses])
                return np.asarray(each.double().mean(dim=0).cpu().numpy())

        on_cpu = device.type == "cpu"
        size, threads = (_CPU_BLOCK, default_workers()) if on_cpu else (_ACCELERATOR_BLOCK, 1)
        blocks = (slice(start, start + size) for start in range(0, len(picture), size))
        return np.concatenate([np.empty(0), *in_threads(block_densities, blocks, threads=threads)])

    def predictions(self, row_B: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return ``(B,)`` g/cm²: what the whole networks predicted."""
        each = torch.stack([lens.prediction_R for lens in self.lenses]).double().mean(dim=0)
        return np.asarray(each.cpu().numpy()[self.place[row_B]])


def lenses(
    networks: Sequence[FusionNetwork],
    encoded: EncodedVariables,
    maps: PictureMaps,
    rows: NDArray[np.int64],
    *,
    views: Sequence[View],
) -> tuple[Lens, ...]:
    """Return every network of a fold with every view.

    Args:
        networks: one for each seed.
        encoded: records of the rows.
        maps: what the image encoders make of the pictures.
        rows: ``R`` rows of the panel.
        views: views of each picture whose predictions are averaged.
    """
    device = next(networks[0].parameters()).device
    parts = (encoded.numeric, encoded.codes, encoded.missing)
    variables = Variables(*(torch.from_numpy(part).to(device) for part in parts))
    return tuple(_lenses(networks, variables, maps, rows, views))


def _lenses(
    networks: Sequence[FusionNetwork],
    variables: Variables,
    maps: PictureMaps,
    rows: NDArray[np.int64],
    views: Sequence[View],
) -> Iterator[Lens]:
    for network in networks:
        encoder = network.image_encoder
        for view in (AS_IT_IS,) if encoder is None else views:
            yield _lens(network, variables, None if encoder is None else maps.of(encoder, rows, view=view))


def _lens(network: FusionNetwork, variables: Variables, seen: Maps | None) -> Lens:
    images, predictions = [], []
    with torch.inference_mode():
        for block in map(torch.from_numpy, row_blocks(len(variables.missing))):
            some = Variables(*(part[block] for part in variables))
            features = None if seen is None else seen.features[block]
            absent = None if seen is None or seen.absent is None else seen.absent[block]
            predictions.append(network(None, some, features, absent).density)
            if features is not None:
                images.append(_image_tokens(network, features, absent))
        tokens = None if network.variable_encoder is None else network.variable_encoder(variables)
        return Lens(network, torch.cat(images) if images else None, tokens, torch.cat(predictions))


def _image_tokens(network: FusionNetwork, features_BChw: Tensor, absent_B: Tensor | None) -> Tensor:
    assert network.image_encoder is not None
    tokens_BPD = network.image_encoder.tokens(features_BChw)
    if absent_B is None or network.stand_in is None:
        return tokens_BPD
    return torch.where(absent_B[:, None, None], network.stand_in.to(tokens_BPD), tokens_BPD)
