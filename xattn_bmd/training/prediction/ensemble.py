"""The fitted folds of one model, built once and kept; what they share runs once for each picture.

Axes: ``K`` folds, ``S`` networks of a fold from different seeds, ``B`` radiographs of a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from xattn_bmd.data.dataset import Pictures
from xattn_bmd.data.views import AS_IT_IS, View
from xattn_bmd.models.network import FusionNetwork
from xattn_bmd.training.device import torch_device
from xattn_bmd.training.fits.estimator import Estimator
from xattn_bmd.training.fits.scores import answer
from xattn_bmd.types import Variables


class Answers(NamedTuple):
    """What each fold says of a block of radiographs.

    Attributes:
        each: ``(K, B)`` density, g/cm², or ``(K, B, C)`` probabilities of classes.
        classes: ``(K, B, 3)`` probabilities of the classes of the density, from class heads of their own; None for
            models without one.
    """

    each: NDArray[np.float64]
    classes: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Ensemble:
    """Fold models ready to estimate; several threads may use one at a time.

    Attributes:
        estimators: the ``K`` fitted folds.
        networks: their ``K · S`` networks on the device, fold by fold, or none for a scikit-learn baseline.
        shares_map: whether the map of what is frozen, the same in all folds, is computed once.
        device: where the networks are.
        members: the ensembles of a stack's members; none for any other model.
    """

    estimators: tuple[Estimator, ...]
    networks: tuple[FusionNetwork, ...]
    shares_map: bool
    device: torch.device
    members: tuple[Ensemble, ...] = ()

    @classmethod
    def build(cls, estimators: Sequence[Estimator], *, accelerator: str = "auto") -> Ensemble:
        """Build the networks.

        Args:
            estimators: fitted folds of one model.
            accelerator: where networks run; see :func:`~xattn_bmd.training.device.torch_device`.
        """
        device = torch_device(accelerator)
        if estimators[0].members:
            each = zip(*(one.members for one in estimators), strict=True)
            members = tuple(cls.build(member, accelerator=accelerator) for member in each)
            return cls(tuple(estimators), (), False, device, members)
        networks: list[FusionNetwork] = []
        shared = False
        for one in estimators:
            for seed in range(one.seeds if one.network is not None else 0):
                networks.append(one.build(seed))
                shared = _same_frozen(networks[0], estimators) if len(networks) == 1 else shared
                if shared and one.network is not None and one.network.freeze == "trunk":
                    _take_trunk(networks[-1], networks[0])
        return cls(tuple(estimators), tuple(network.to(device) for network in networks), shared, device)

    def answers(
        self, table: pd.DataFrame, pictures: Pictures | None, no_image: NDArray[np.bool_] | None = None
    ) -> Answers:
        """Estimate the density, or the classes, of a block of radiographs with every fold.

        Args:
            table: the clinical record of the ``B`` radiographs, as a cohort holds it.
            pictures: their ``B`` pictures, or None where the model looks at none.
            no_image: ``(B,)`` True where the picture is missing, whatever stands in its place; None where each has one.
        """
        if self.members:
            each_MKB = np.stack([member.answers(table, pictures, no_image).each for member in self.members])
            weights_KM = np.stack([one.tensors["weights"] for one in self.estimators])
            return Answers(np.asarray(np.einsum("km,mkb->kb", weights_KM, each_MKB)))
        if not self.networks:
            return Answers(np.stack([np.asarray(one.from_record(table), dtype=np.float64) for one in self.estimators]))
        with torch.inference_mode():
            image = None if pictures is None else self._moved(pictures.take(np.arange(len(table))))
            absent = None if no_image is None else self._moved(torch.from_numpy(no_image))
            records = [self._record(one, table) for one in self.estimators]
            views = [self._seen(image, records, absent, view) for view in self._views(image)]
        classes = [said.classes for said in views if said.classes is not None]
        return Answers(_mean([said.each for said in views]), _mean(classes) if classes else None)

    def _views(self, image: Tensor | None) -> tuple[View, ...]:
        return (AS_IT_IS,) if image is None else self.estimators[0].views

    def _seen(self, image: Tensor | None, records: Sequence[Variables], absent: Tensor | None, view: View) -> _Seen:
        """Return what each fold says of one view of the pictures, mean over the networks of each."""
        image = None if image is None else view.of(image)
        features, seeds = self._shared_map(image), len(self.networks) // len(self.estimators)
        said = [
            network(image, records[number // seeds], features, absent) for number, network in enumerate(self.networks)
        ]
        classes = [one.class_log_probabilities.exp() for one in said if one.class_log_probabilities is not None]
        each = _over_seeds([answer(one) for one in said], seeds)
        return _Seen(each, _over_seeds(classes, seeds) if classes else None)

    def _shared_map(self, image: Tensor | None) -> Tensor | None:
        encoder = self.networks[0].image_encoder
        if image is None or encoder is None or not self.shares_map:
            return None
        return encoder.features(image)

    def _record(self, estimator: Estimator, table: pd.DataFrame) -> Variables:
        encoded = estimator.encoder.transform(table)
        parts = (encoded.numeric, encoded.codes, encoded.missing)
        return Variables(*(self._moved(torch.from_numpy(part)) for part in parts))

    def _moved(self, batch: Tensor) -> Tensor:
        return (batch.pin_memory() if self.device.type == "cuda" else batch).to(self.device, non_blocking=True)


class _Seen(NamedTuple):
    each: NDArray[np.float32]
    classes: NDArray[np.float32] | None


def _over_seeds(said: Sequence[Tensor], seeds: int) -> NDArray[np.float32]:
    """Return ``(K, B, ...)`` means over the networks of each fold."""
    each = np.stack([one.float().cpu().numpy() for one in said])
    return np.asarray(np.mean(each.reshape(-1, seeds, *each.shape[1:]), axis=1))


def _mean(views: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    return np.asarray(np.mean(np.stack(views).astype(np.float64), axis=0), dtype=np.float64)


def _same_frozen(network: FusionNetwork, estimators: Sequence[Estimator]) -> bool:
    """Tell whether all folds look through the same frozen weights."""
    frozen = frozenset() if network.image_encoder is None else network.image_encoder.frozen_names()
    first, *others = (one.tensors for one in estimators)
    names = [f"image_encoder.{name}" for name in frozen]
    equal = (
        other[name] is first[name] or np.array_equal(other[name], first[name]) for other in others for name in names
    )
    return bool(names) and all(equal)


def _take_trunk(network: FusionNetwork, owner: FusionNetwork) -> None:
    """Drop a network's own copy of a trunk that is equal to another's."""
    if network.image_encoder is not None and owner.image_encoder is not None:
        network.image_encoder.trunk = owner.image_encoder.trunk
