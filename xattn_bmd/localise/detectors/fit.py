"""How a detector learns: AdamW, one cycle of the learning rate, the epoch chosen on the validation part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor

from xattn_bmd.localise.config import LocaliserConfig
from xattn_bmd.localise.detectors.changes import RandomChanges
from xattn_bmd.localise.detectors.detector import Boxes, Detector

Course = Mapping[str, float]
"""One epoch: ``epoch``, ``loss`` (mean over its steps), ``score`` of the validation part and ``seconds``."""

_WEIGHT_DECAY = 1e-4
_LARGEST_GRADIENT = 5.0
_WARM_UP = 0.15


@dataclass(frozen=True, eq=False)
class Sample:
    """One radiograph with its boxes, as the detector sees them.

    Attributes:
        picture: ``(1, H, W)`` float32 in 0-1.
        truth: its boxes in pixels of the picture.
    """

    picture: Tensor
    truth: Boxes


def fit_detector(
    detector: Detector,
    training: Sequence[Sample],
    *,
    config: LocaliserConfig,
    device: torch.device,
    judge: Callable[[Detector], float],
    on_epoch: Callable[[Course], None] | None = None,
) -> list[Course]:
    """Train a detector in place and leave it, in evaluation mode, with the weights of its best epoch.

    Torch's global generators are the source of randomness; the caller seeds them.

    Args:
        detector: to be trained.
        training: radiographs to learn from.
        config: settings of the training.
        device: where to train.
        judge: score of the detector on radiographs that it does not learn from; the highest, first such epoch is kept.
        on_epoch: called with each epoch's course as it ends.

    Returns:
        The course of every epoch.
    """
    detector.to(device).to(memory_format=torch.channels_last)  # twice as fast on a CPU
    steps = -(-len(training) // config.batch_size)
    optimizer = torch.optim.AdamW(detector.parameters(), lr=config.learning_rate, weight_decay=_WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=config.learning_rate, total_steps=config.epochs * steps, pct_start=_WARM_UP
    )
    changes = RandomChanges(config)
    courses: list[Course] = []
    best: dict[str, Tensor] = {}
    for epoch in range(config.epochs):
        started = perf_counter()
        detector.train()
        loss = 0.0
        for rows in torch.split(torch.randperm(len(training)), config.batch_size):
            changed = [changes(training[row].picture, training[row].truth) for row in rows.tolist()]
            loss += _step(detector, changed, optimizer, device=device) / steps
            schedule.step()
        score = judge(detector.eval())
        if score > max((course["score"] for course in courses), default=-1.0):
            best = {name: value.detach().clone() for name, value in detector.state_dict().items()}
        courses.append({"epoch": epoch, "loss": loss, "score": score, "seconds": perf_counter() - started})
        if on_epoch is not None:
            on_epoch(courses[-1])
    detector.load_state_dict(best)
    return courses


def _step(
    detector: Detector,
    samples: Sequence[tuple[Tensor, Boxes]],
    optimizer: torch.optim.Optimizer,
    *,
    device: torch.device,
) -> float:
    pictures = [picture.to(device) for picture, _ in samples]
    truth = [Boxes(boxes.corners.to(device), boxes.labels.to(device)) for _, boxes in samples]
    loss = detector.loss(pictures, truth)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(detector.parameters(), _LARGEST_GRADIENT)
    optimizer.step()
    return float(loss.detach())
