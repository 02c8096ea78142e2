"""How a segmenter learns: AdamW, one cycle of the learning rate, the epoch chosen on the validation part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from xattn_bmd.metrics.dice import dice
from xattn_bmd.segment.config import SegmenterConfig
from xattn_bmd.segment.loss import dice_cross_entropy
from xattn_bmd.segment.network import VBNet
from xattn_bmd.segment.patches import PatchDraws
from xattn_bmd.segment.samples import Sample
from xattn_bmd.segment.sweep import sweep

Course = Mapping[str, float]
"""One epoch: ``epoch``, ``loss`` (mean over its batches), ``seconds``, and ``dice`` of the validation part if any."""

_WEIGHT_DECAY = 1e-4
_LARGEST_GRADIENT = 5.0
_WARM_UP = 0.15


def fit_network(
    network: VBNet,
    draws: PatchDraws,
    *,
    config: SegmenterConfig,
    validation: Sequence[Sample],
    device: torch.device,
    on_epoch: Callable[[Course], None] | None = None,
) -> list[Course]:
    """Train a network in place and leave it, in evaluation mode, with the weights of its best epoch.

    Args:
        network: to be trained.
        draws: source of batches.
        config: settings of the training.
        validation: volumes that it does not learn from; the first epoch with the highest mean Dice is kept.  Without
            any it is the last epoch.
        device: where to train.
        on_epoch: called with each epoch's course as it ends.

    Returns:
        The course of every epoch.
    """
    network.to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=_WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=config.learning_rate, total_steps=config.epochs * config.steps, pct_start=_WARM_UP
    )
    courses: list[Course] = []
    best: dict[str, Tensor] = {}
    for epoch in range(config.epochs):
        started = perf_counter()
        network.train()
        loss = 0.0
        for _ in range(config.steps):
            loss += _step(network, draws, optimizer, device=device) / config.steps
            schedule.step()
        network.eval()
        score = {"dice": mean_dice(network, validation, config=config, device=device)} if validation else {}
        if not validation or score["dice"] > max((course["dice"] for course in courses), default=-1.0):
            best = {name: value.detach().clone() for name, value in network.state_dict().items()}
        courses.append({"epoch": epoch, "loss": loss, **score, "seconds": perf_counter() - started})
        if on_epoch is not None:
            on_epoch(courses[-1])
    network.load_state_dict(best)
    return courses


def mean_dice(network: VBNet, samples: Sequence[Sample], *, config: SegmenterConfig, device: torch.device) -> float:
    """Return the mean Dice over volumes and labels at the working spacing, before pieces are dropped.

    A label that is neither drawn nor found in a volume does not count there.

    Args:
        network: in evaluation mode, on the device.
        samples: volumes with their true classes.
        config: settings of the segmenter.
        device: where the network is.
    """
    scores = []
    for sample in samples:
        found = np.stack([plane.argmax(axis=0) for plane in sweep(network, sample.hu, config=config, device=device)])
        for label in range(1, config.classes):
            scores.append(dice((found == label)[None], (sample.classes == label)[None])[0])
    return float(np.nanmean(scores))


def _step(network: VBNet, draws: PatchDraws, optimizer: torch.optim.Optimizer, *, device: torch.device) -> float:
    images, classes = (each.to(device) for each in draws.batch())
    loss = dice_cross_entropy(network(images), classes)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(network.parameters(), _LARGEST_GRADIENT)
    optimizer.step()
    return float(loss.detach())
