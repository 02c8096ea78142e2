"""The fitted folds of one model, built once and kept; what they share runs once for each picture.

Axes: ``K`` folds, ``B`` radiographs of a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from xattn_bmd.data.dataset import Pictures
from xattn_bmd.models.network import FusionNetwork
from xattn_bmd.training.device import torch_device
from xattn_bmd.training.fits.estimator import Estimator
from xattn_bmd.training.fits.tabular import TABULAR
from xattn_bmd.types import Variables


@dataclass(frozen=True)
class Ensemble:
    """Fold models ready to estimate; several threads may use one at a time.

    Attributes:
        estimators: the ``K`` fitted folds.
        networks: their networks on the device, or none for a scikit-learn baseline.
        shares_map: whether the map of what is frozen, the same in all folds, is computed once.
        device: where the networks are.
    """

    estimators: tuple[Estimator, ...]
    networks: tuple[FusionNetwork, ...]
    shares_map: bool
    device: torch.device

    @classmethod
    def build(cls, estimators: Sequence[Estimator], *, accelerator: str = "auto") -> Ensemble:
        """Build the networks.

        Args:
            estimators: fitted folds of one model.
            accelerator: where networks run; see :func:`~xattn_bmd.training.device.torch_device`.
        """
        device = torch_device(accelerator)
        networks: list[FusionNetwork] = []
        shared = False
        for one in estimators:
            if one.network is not None:
                networks.append(one.build())
                shared = _same_frozen(networks[0], estimators) if len(networks) == 1 else shared
                if shared and one.network.freeze == "trunk":
                    _take_trunk(networks[-1], networks[0])
        return cls(tuple(estimators), tuple(network.to(device) for network in networks), shared, device)

    def densities(self, table: pd.DataFrame, pictures: Pictures | None) -> NDArray[np.float64]:
        """Estimate the density of a block of radiographs with every fold.

        Args:
            table: the clinical record of the ``B`` radiographs, as a cohort holds it.
            pictures: their ``B`` pictures, or None where the model looks at none.

        Returns:
            ``(K, B)`` float64, g/cm².
        """
        if not self.networks:
            return np.stack([_tabular(one, table) for one in self.estimators])
        with torch.inference_mode():
            image = None if pictures is None else self._moved(pictures.take(np.arange(len(table))))
            features = self._shared_map(image)
            each = [
                network(image, self._record(one, table), features).density.float().cpu().numpy()
                for one, network in zip(self.estimators, self.networks, strict=True)
            ]
        return np.stack(each).astype(np.float64)

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


def _tabular(estimator: Estimator, table: pd.DataFrame) -> NDArray[np.float64]:
    design = estimator.encoder.design_matrix(table)[0]
    return np.asarray(TABULAR[estimator.model].predict(estimator.tensors, design), dtype=np.float64)


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
