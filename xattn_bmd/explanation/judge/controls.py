"""Models that cannot know where bone mineral shows: their heat is what a method draws by itself.

Sanity checks after Adebayo et al. (2018, NeurIPS, arXiv 1810.03292).

Axes: ``N`` radiographs of a training part, ``D`` width of the fused vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xattn_bmd.errors import ModelError
from xattn_bmd.explanation.heat.seen import Seen
from xattn_bmd.models.heads import HEADS, Head, scaled
from xattn_bmd.models.layout import channels_last
from xattn_bmd.models.network import FusionNetwork, build_network
from xattn_bmd.seeds import derive_seed
from xattn_bmd.training.fits.estimator import Estimator

Control = Literal["random_weights", "random_fit", "random_labels"]
CONTROLS: tuple[Control, ...] = ("random_weights", "random_fit", "random_labels")

_STEPS, _RATE = 200, 1e-2


def random_network(estimator: Estimator, *, seed: int, keep_frozen: bool = False) -> FusionNetwork:
    """Return a network of the same build whose weights are new.

    Args:
        estimator: a fitted fold.
        seed: seed of the weights.
        keep_frozen: True keeps what training never changed (a trunk that was trained elsewhere and frozen), so that
            heat shows what that trunk alone makes bright; False makes all of it new.

    Raises:
        ModelError: if frozen weights are to be kept and nothing was frozen.
    """
    assert estimator.network is not None
    first = estimator.build()
    classes = len(estimator.classes)
    scale = (
        {} if classes else {"target_mean": scaled(first.head).target_mean, "target_sd": scaled(first.head).target_sd}
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(
            fusion=estimator.model,
            schema=estimator.encoder.schema,
            config=replace(estimator.network, weights="none"),
            weights_follow=True,
            class_shares=(1.0,) * classes,
            **{name: float(value) for name, value in scale.items()},
        )
    if keep_frozen:
        encoder = first.image_encoder
        frozen = frozenset() if encoder is None else encoder.frozen_names()
        if not frozen:
            raise ModelError(
                "The control random_fit keeps the frozen trunk, but this model has none; use random_weights alone."
            )
        own = first.state_dict()
        network.load_state_dict(
            {f"image_encoder.{name}": own[f"image_encoder.{name}"] for name in frozen}, strict=False
        )
    return channels_last(network).eval()


def fused_vectors(network: FusionNetwork, seen: Seen) -> list[Tensor]:
    """Return what the head reads, ``(B, D)``: once, or twice for a fusion that predicts twice."""
    read: list[Tensor] = []
    watch = network.head.register_forward_pre_hook(lambda _head, inputs: read.append(inputs[0].detach()))
    try:
        with torch.no_grad():
            network(seen.image, seen.variables, seen.features)
    finally:
        watch.remove()
    return read


def head_of_random_labels(
    like: Head, vectors: Sequence[Tensor], densities: NDArray[np.float64], *, dropout: float, seed: int
) -> Head:
    """Return a new head that was fitted to densities dealt out to the wrong radiographs.

    The fused vectors stay those of the trained network, so this asks what the labels taught the head alone; a network
    that is trained anew on dealt-out densities is the stronger control and costs a whole fit.  200 full-batch steps of
    Adam on the squared error.

    Args:
        like: the trained head.
        vectors: ``(N, D)`` fused vectors of the training part, once or twice.
        densities: ``(N,)`` their measured densities, g/cm².
        dropout: dropout rate of the head.
        seed: seed of the deal and of the new head.
    """
    dealt = densities[np.random.default_rng(seed).permutation(len(densities))]
    wanted = torch.from_numpy(dealt).float().to(vectors[0].device)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        mean, sd = float(scaled(like).target_mean), float(scaled(like).target_sd)
        head = HEADS[like.name](width=vectors[0].shape[1], dropout=dropout, target_mean=mean, target_sd=sd)
        head = head.to(vectors[0].device).train()
        optimiser = torch.optim.Adam(head.parameters(), lr=_RATE)
        for _ in range(_STEPS):
            optimiser.zero_grad()
            said = torch.stack([head(vector).density for vector in vectors]).mean(dim=0)
            (((said - wanted) / sd) ** 2).mean().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return head.requires_grad_(False).eval()


def with_head(network: FusionNetwork, head: Head) -> FusionNetwork:
    """Return a network that shares all parts of another but the head."""
    return FusionNetwork(
        image_encoder=network.image_encoder,
        variable_encoder=network.variable_encoder,
        fusion=network.fusion,
        head=head,
    ).eval()


def control_seed(seed: int, control: Control, *parts: int) -> int:
    """Return the seed of one network of a control."""
    return derive_seed(seed, control, *parts)
