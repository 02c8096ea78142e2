"""The heat of a block of radiographs: mean over the fold models that explain them, and over their seeds.

Axes: ``B`` radiographs of a block, ``V`` clinical variables, ``H`` heads, ``h, w`` of a heat map.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xattn_bmd.explanation.heat.attention import attention_maps
from xattn_bmd.explanation.heat.methods import method_named
from xattn_bmd.explanation.heat.seen import Scalar, Seen
from xattn_bmd.explanation.opened import Networks, OpenedCohort
from xattn_bmd.models.network import FusionNetwork


@dataclass(frozen=True)
class Block:
    """Radiographs that the same fold models explain.

    Attributes:
        opened: the cohort.
        rows: ``(B,)`` rows of the cohort.
        folds: positions of the fold models.
        image: ``(B, 1, S, S)`` their pictures.
        features: map of the trunk's frozen part where all fold models share it.
    """

    opened: OpenedCohort
    rows: NDArray[np.int64]
    folds: NDArray[np.int64]
    image: Tensor
    features: Tensor | None

    @classmethod
    def of(cls, opened: OpenedCohort, rows: NDArray[np.int64], folds: NDArray[np.int64]) -> Block:
        """Open the pictures of a block."""
        image = opened.image(rows)
        return cls(opened, rows, folds, image, opened.shared_map(image))

    def heat(
        self, method: str, *, networks: Networks, target: Scalar, threshold: float, own_trunk: bool = False
    ) -> NDArray[np.float32]:
        """Return the heat ``(B, h, w)``.

        Args:
            method: name of the method.
            networks: the trained ones, or those of a control.
            target: what is explained.
            threshold: density of the threshold of ``low_density``, g/cm².
            own_trunk: whether the networks see with another trunk than the trained ones.
        """
        make = method_named(method)
        return self._mean(
            networks, lambda network, seen: make(network, seen, target=target, threshold=threshold), own_trunk=own_trunk
        )

    def attention(self) -> NDArray[np.float32]:
        """Return the attention maps ``(B, V, H, h, w)`` of the trained networks."""
        return self._mean(self.opened.trained, attention_maps)

    def density(self) -> NDArray[np.float32]:
        """Return the estimate ``(B,)`` for the picture as it is, g/cm²."""

        def estimate(network: FusionNetwork, seen: Seen) -> Tensor:
            with torch.no_grad():
                density: Tensor = network(seen.image, seen.variables, seen.features).density
            return density

        return self.answer(estimate)

    def answer(self, made: Callable[[FusionNetwork, Seen], Tensor]) -> NDArray[np.float32]:
        """Return what the trained networks say, ``(B, ...)``.

        Args:
            made: a network, and what it sees of the block -> its answer.
        """
        return self._mean(self.opened.trained, made)

    def estimate(self) -> Callable[[Tensor], Tensor]:
        """Return a function of changed pictures ``(B, 1, S, S)`` that gives their densities ``(B,)``."""

        def of_pictures(image: Tensor) -> Tensor:
            features = self.opened.shared_map(image)
            changed = Block(self.opened, self.rows, self.folds, image, features)
            return torch.from_numpy(changed.density())

        return of_pictures

    def _mean(
        self, networks: Networks, made: Callable[[FusionNetwork, Seen], Tensor], *, own_trunk: bool = False
    ) -> NDArray[np.float32]:
        each = list(self._each(networks, made, own_trunk=own_trunk))
        return np.asarray(np.mean(np.stack(each).astype(np.float64), axis=0), dtype=np.float32)

    def _each(
        self, networks: Networks, made: Callable[[FusionNetwork, Seen], Tensor], *, own_trunk: bool
    ) -> Iterator[NDArray[np.float32]]:
        for fold in map(int, self.folds):
            seen = self.opened.seen(self.rows, fold, image=self.image, features=None if own_trunk else self.features)
            for network in networks(fold):
                yield made(network, seen).float().cpu().numpy()
