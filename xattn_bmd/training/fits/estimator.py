"""A fitted model of one fold: what it holds, and how it predicts; on any device, offline, nothing unpickled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from xattn_bmd.config import HeadName, ModelConfig
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.datamodule import cohort_arrays
from xattn_bmd.data.dataset import CohortArrays, CohortImages, DeviceCohort, row_blocks
from xattn_bmd.data.variables import VariableEncoder
from xattn_bmd.models.network import FusionNetwork, Output, build_network
from xattn_bmd.training.device import torch_device
from xattn_bmd.training.fits.tabular import TABULAR
from xattn_bmd.training.registry import uses_images
from xattn_bmd.types import HEAD_COLUMNS


class Estimates(NamedTuple):
    """What a fitted model says of ``N`` radiographs.

    Attributes:
        table: one row for each, in order: ``prediction``, then those of :data:`~xattn_bmd.types.HEAD_COLUMNS` that the
            head gives, g/cm².
        attention: ``(N, V)`` how much the image patches read from each clinical variable, mean over patches and heads,
            over layers by their weight; every row sums to 1.  None for a model whose image patches do not read.
    """

    table: pd.DataFrame
    attention: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Estimator:
    """One fitted model: arrays plus a JSON state that together rebuild it.

    Attributes:
        model: name in the registry.
        encoder: variable encoder fitted on the training part.
        network: settings of the network, or None for a scikit-learn baseline.
        tensors: every fitted array by name.
        record: where it comes from: repeat, fold, protocol, plan hash, chosen epoch or hyper-parameter.
    """

    model: str
    encoder: VariableEncoder
    network: ModelConfig | None
    tensors: dict[str, NDArray[Any]]
    record: dict[str, Any]

    @property
    def uses_images(self) -> bool:
        """Whether radiographs are needed to predict."""
        return uses_images(self.model)

    def estimate(
        self,
        cohort: Cohort,
        *,
        images: CohortImages | None,
        rows: Sequence[int] | None = None,
        accelerator: str = "auto",
        network: FusionNetwork | None = None,
    ) -> Estimates:
        """Return the predicted density of some rows of a cohort, with what head and fusion say beside it.

        Args:
            cohort: any cohort with the same roles.
            images: its radiographs, or their stored feature maps; None where the model needs none.
            rows: rows wanted; None takes all.
            accelerator: where a network runs; see :func:`~xattn_bmd.training.device.torch_device`.
            network: this estimator's network, where it is at hand; None builds it.
        """
        chosen = list(range(len(cohort))) if rows is None else list(rows)
        if self.network is None:
            design = self.encoder.design_matrix(cohort.table)[0][chosen]
            return Estimates(pd.DataFrame({"prediction": TABULAR[self.model].predict(self.tensors, design)}))
        arrays = cohort_arrays(cohort, encoder=self.encoder, images=images if self.uses_images else None)
        return predict_rows((network or self.build()).to(torch_device(accelerator)), arrays, chosen)

    def build(self) -> FusionNetwork:
        """Return the network with its fitted weights, in evaluation mode, on the CPU."""
        assert self.network is not None
        network = build_network(
            fusion=self.model,
            schema=self.encoder.schema,
            config=replace(self.network, weights="none"),
            weights_follow=True,
            target_mean=0.0,
            target_sd=1.0,
        )
        network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in self.tensors.items()})
        return network.to(memory_format=torch.channels_last).eval()


def predict_rows(network: FusionNetwork, arrays: CohortArrays, rows: Sequence[int]) -> Estimates:
    """Return what a network says of some rows, computed on the device where it is."""
    tables, attention = [], []
    for output in _outputs(network, arrays, rows):
        tables.append(_columns(output))
        if output.attention is not None and output.attention.image_to_variables is not None:
            attention.append(_read_from_variables(output.attention.image_to_variables, output.attention.layer_weight))
    return Estimates(pd.concat(tables, ignore_index=True), np.concatenate(attention) if attention else None)


def _read_from_variables(read_BLHPV: Tensor, weight_L: Tensor) -> NDArray[np.float64]:
    read_BV = torch.einsum("blv,l->bv", read_BLHPV.float().mean(dim=(2, 3)), weight_L.float())
    return np.asarray(read_BV.cpu().numpy(), dtype=np.float64)


def _outputs(network: FusionNetwork, arrays: CohortArrays, rows: Sequence[int]) -> Iterator[Output]:
    cohort = DeviceCohort(arrays, next(network.parameters()).device)
    wanted = torch.tensor(list(rows), dtype=torch.int64)
    network.eval()
    with torch.inference_mode():
        for block in row_blocks(len(wanted)):
            batch = cohort.batch(wanted[torch.from_numpy(block)])
            yield network(batch.image, batch.variables, batch.features)


def head_columns(head: HeadName) -> tuple[str, ...]:
    """Return those of :data:`~xattn_bmd.types.HEAD_COLUMNS` that a head gives.

    Example:
        >>> head_columns("quantile")
        ('q05', 'q50', 'q95')
    """
    columns: dict[HeadName, tuple[str, ...]] = {"point": (), "gaussian": HEAD_COLUMNS[:1], "quantile": HEAD_COLUMNS[1:]}
    return columns[head]


def _columns(output: Output) -> pd.DataFrame:
    columns = {"prediction": output.density}
    if output.sd is not None:
        columns |= dict(zip(head_columns("gaussian"), [output.sd], strict=True))
    if output.quantiles is not None:
        columns |= dict(zip(head_columns("quantile"), output.quantiles.unbind(-1), strict=True))
    return pd.DataFrame({name: value.float().cpu().numpy().astype(np.float64) for name, value in columns.items()})
