"""The networks of a control for every fold model, made when they are first asked for.

Axes: ``K`` fold models, ``N`` radiographs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xattn_bmd.data.dataset import row_blocks
from xattn_bmd.errors import RunError
from xattn_bmd.explanation.judge.controls import (
    Control,
    control_seed,
    fused_vectors,
    head_of_random_labels,
    random_network,
    with_head,
)
from xattn_bmd.explanation.opened import Networks, OpenedCohort
from xattn_bmd.models.network import FusionNetwork

_FEWEST = 10


def control_networks(opened: OpenedCohort, control: Control, *, seed: int) -> Networks:
    """Return how to get the networks of a control.

    Args:
        opened: the cohort and the trained fold models.
        control: which control.
        seed: seed of weights and deals.

    Raises:
        RunError: if randomised labels are asked for and the training parts or their densities are not known.
    """
    if control == "random_labels":
        return _of_random_labels(opened, seed=seed)
    estimators, device = opened.ensemble.estimators, opened.ensemble.device

    @cache
    def of(fold: int) -> Sequence[FusionNetwork]:
        own = estimators[fold]
        return tuple(
            random_network(own, seed=control_seed(seed, control, fold, number), keep_frozen=control == "random_fit").to(
                device
            )
            for number in range(own.seeds)
        )

    return of


def _of_random_labels(opened: OpenedCohort, *, seed: int) -> Networks:
    parts = [_training_rows(opened, fold) for fold in range(len(opened.ensemble.estimators))]
    vectors = _all_vectors(opened)

    @cache
    def of(fold: int) -> Sequence[FusionNetwork]:
        own, rows = opened.ensemble.estimators[fold], parts[fold]
        assert own.network is not None
        made = []
        for number, network in enumerate(opened.trained(fold)):
            head = head_of_random_labels(
                network.head,
                [one[rows] for one in vectors[fold][number]],
                opened.cohort.targets[rows],
                dropout=own.network.dropout,
                seed=control_seed(seed, "random_labels", fold, number),
            )
            made.append(with_head(network, head))
        return tuple(made)

    return of


def _training_rows(opened: OpenedCohort, fold: int) -> NDArray[np.int64]:
    plan, record = opened.explained.plan, opened.ensemble.estimators[fold].record
    if plan is None:
        raise RunError(
            "The control random_labels refits heads on the training parts, but this predictor lies without its run's "
            "fold plan; give RUN or RUN/MODEL, or leave the control out."
        )
    trained = set(plan.split(record["repeat"], record["fold"], record["protocol"]).train)
    known = np.isfinite(opened.cohort.targets)
    rows = [row for row, name in enumerate(opened.cohort.radiograph_ids) if name in trained and known[row]]
    if len(rows) < _FEWEST:
        raise RunError(
            f"The control random_labels refits heads on at least {_FEWEST} measured radiographs of each training part, "
            f"but the table holds {len(rows)} of fold {record['fold']}; give the run's own table, or leave the control "
            "out."
        )
    return np.array(rows, dtype=np.int64)


def _all_vectors(opened: OpenedCohort) -> list[list[list[Tensor]]]:
    """Return the fused vectors of all radiographs by fold model and seed; a shared trunk runs once."""
    folds = range(len(opened.ensemble.estimators))
    pieces: list[list[list[list[Tensor]]]] = [[[] for _ in opened.trained(fold)] for fold in folds]
    for rows in row_blocks(len(opened.cohort)):
        image = opened.image(rows)
        features = opened.shared_map(image)
        for fold in folds:
            seen = opened.seen(rows, fold, image=image, features=features)
            for number, network in enumerate(opened.trained(fold)):
                pieces[fold][number].append(fused_vectors(network, seen))
    return [[[torch.cat(one) for one in zip(*blocks, strict=True)] for blocks in fold] for fold in pieces]
