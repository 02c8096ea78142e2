"""A fitted model of one fold: what it holds, and how it predicts; on any device, offline, nothing unpickled."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
from xattn_bmd.data.views import AS_IT_IS, View
from xattn_bmd.data.withheld import Withheld, withhold
from xattn_bmd.metrics.class_checks import probability_columns
from xattn_bmd.models.heads import DENSITY_CLASSES
from xattn_bmd.models.layout import channels_last
from xattn_bmd.models.network import FusionNetwork, Output, build_network
from xattn_bmd.training.device import torch_device
from xattn_bmd.training.fits.averaging import Estimates, mean_estimates
from xattn_bmd.training.fits.class_table import probability_table, with_likeliest
from xattn_bmd.training.fits.tabular import tabular_model
from xattn_bmd.training.registry import uses_both, uses_images
from xattn_bmd.types import HEAD_COLUMNS

PLACE_COLUMNS = tuple(f"class_{place}" for place in range(DENSITY_CLASSES))
"""Probability of each class of a class head, by the place of the class; the run's reference has their names."""


@dataclass(frozen=True)
class Estimator:
    """One fitted model: arrays plus a JSON state that together rebuild it.

    Attributes:
        model: name in the registry.
        encoder: variable encoder fitted on the training part.
        network: settings of the network, or None for a scikit-learn baseline.
        tensors: every fitted array by name.
        record: where it comes from: repeat, fold, protocol, plan hash, chosen epoch or hyper-parameter.
        views: views of each picture whose predictions are averaged.
        members: the fitted models of a stack, whose weights are the tensor ``weights``; none for any other model.
        classes: names of the classes; none for a density.
    """

    model: str
    encoder: VariableEncoder
    network: ModelConfig | None
    tensors: dict[str, NDArray[Any]]
    record: dict[str, Any]
    views: tuple[View, ...] = (AS_IT_IS,)
    members: tuple[Estimator, ...] = ()
    classes: tuple[str, ...] = ()

    @property
    def seeds(self) -> int:
        """Number of networks, fitted from different seeds, whose predictions are averaged."""
        return int(self.record.get("seeds", 1))

    @property
    def uses_images(self) -> bool:
        """Whether radiographs are needed to predict."""
        return uses_images(self.model)

    @property
    def has_mask_head(self) -> bool:
        """Whether it segments the picture too."""
        return self.network is not None and self.network.mask_head != "none" and self.uses_images and not self.members

    @property
    def has_class_head(self) -> bool:
        """Whether it says the class of the density too, by a head of its own."""
        return self.network is not None and self.network.class_head != "none" and not self.members

    @property
    def may_withhold(self) -> tuple[Withheld, ...]:
        """The inputs without which it was trained to predict as well; none for a model of one input."""
        if self.network is None or not uses_both(self.model):
            return ()
        trained: dict[Withheld, float] = {"image": self.network.image_dropout, "record": self.network.record_dropout}
        return tuple(what for what, share in trained.items() if share > 0)

    def estimate(
        self,
        cohort: Cohort,
        *,
        images: CohortImages | None,
        rows: Sequence[int] | None = None,
        accelerator: str = "auto",
        networks: Sequence[FusionNetwork] = (),
        withheld: Withheld | None = None,
    ) -> Estimates:
        """Return the predicted density or class of some rows of a cohort, with what head and fusion say beside it.

        Args:
            cohort: any cohort with the same roles.
            images: its radiographs, or their stored feature maps; None where the model needs none.
            rows: rows wanted; None takes all.
            accelerator: where a network runs; see :func:`~xattn_bmd.training.device.torch_device`.
            networks: this estimator's networks, where they are at hand; none builds them.
            withheld: input of every radiograph that it is not shown; one of :attr:`may_withhold`.
        """
        chosen = list(range(len(cohort))) if rows is None else list(rows)
        if self.members:
            each = [one.estimate(cohort, images=images, rows=chosen, accelerator=accelerator) for one in self.members]
            said = self.tensors["weights"] @ np.stack([one.table["prediction"] for one in each])
            return Estimates(pd.DataFrame({"prediction": said}))
        if self.network is None:
            return self._described(Estimates(self._columns(self.from_record(cohort.table.iloc[chosen]))))
        arrays = cohort_arrays(cohort, encoder=self.encoder, images=images if self.uses_images else None)
        device, each = torch_device(accelerator), []
        views = (AS_IT_IS,) if withheld == "image" else self.views
        for seed in range(self.seeds):
            network = (networks[seed] if networks else self.build(seed)).to(device)
            each += [predict_rows(network, arrays, chosen, withheld=withheld, view=view) for view in views]
        return self._described(mean_estimates(each))

    def from_record(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """Return what a scikit-learn baseline says of a clinical record.

        Args:
            table: ``N`` rows, as a cohort holds them.

        Returns:
            ``(N,)`` density, g/cm², or ``(N, K)`` probabilities of the classes.
        """
        design = self.encoder.design_matrix(table)[0]
        return tabular_model(self.model, classes=len(self.classes)).predict(self.tensors, design)

    def _columns(self, said: NDArray[np.float64]) -> pd.DataFrame:
        return probability_table(said, self.classes) if self.classes else pd.DataFrame({"prediction": said})

    def _described(self, said: Estimates) -> Estimates:
        if not self.classes:
            return said
        table = said.table.set_axis(probability_columns(self.classes), axis=1)
        return said._replace(table=with_likeliest(table, self.classes))

    def build(self, seed: int = 0) -> FusionNetwork:
        """Return a network with its fitted weights, in evaluation mode, on the CPU.

        Args:
            seed: which of the networks, from 0 to ``seeds - 1``.
        """
        assert self.network is not None
        network = build_network(
            fusion=self.model,
            schema=self.encoder.schema,
            config=replace(self.network, weights="none"),
            weights_follow=True,
            class_shares=(1.0,) * len(self.classes),
        )
        own = seed_tensors(self.tensors, seed)
        network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in own.items()})
        return channels_last(network).eval()


def joined_tensors(each: Sequence[Mapping[str, NDArray[Any]]], *, shared: Container[str]) -> dict[str, NDArray[Any]]:
    """Return the tensors of several networks under one roof; those of the second are named ``seed_01/NAME``.

    Args:
        each: the tensors of each network by name.
        shared: names whose tensors are the same in all of them, kept once.
    """
    first, *others = each
    named = ((f"seed_{seed:02d}/{name}", name, own) for seed, own in enumerate(others, start=1) for name in own)
    return {**first, **{long: own[name] for long, name, own in named if name not in shared}}


def seed_tensors(joined: Mapping[str, NDArray[Any]], seed: int) -> dict[str, NDArray[Any]]:
    """Return the tensors of one network of :func:`joined_tensors`.

    Example:
        >>> joined = joined_tensors([{"a": np.array(1), "b": np.array(2)}, {"a": np.array(1), "b": np.array(3)}],
        ...                         shared={"a"})
        >>> {name: int(value) for name, value in seed_tensors(joined, 1).items()}
        {'a': 1, 'b': 3}
    """
    prefix = f"seed_{seed:02d}/" if seed else ""
    return {name: joined.get(prefix + name, value) for name, value in joined.items() if "/" not in name}


def predict_rows(
    network: FusionNetwork,
    arrays: CohortArrays,
    rows: Sequence[int],
    *,
    withheld: Withheld | None = None,
    view: View = AS_IT_IS,
) -> Estimates:
    """Return what a network says of some rows, computed on the device where it is."""
    tables, attention = [], []
    for output in _outputs(network, arrays, rows, withheld, view):
        tables.append(_columns(output))
        if output.attention is not None and output.attention.image_to_variables is not None:
            attention.append(_read_from_variables(output.attention.image_to_variables, output.attention.layer_weight))
    return Estimates(pd.concat(tables, ignore_index=True), np.concatenate(attention) if attention else None)


def _read_from_variables(read_BLHPV: Tensor, weight_L: Tensor) -> NDArray[np.float64]:
    read_BV = torch.einsum("blv,l->bv", read_BLHPV.float().mean(dim=(2, 3)), weight_L.float())
    return np.asarray(read_BV.cpu().numpy(), dtype=np.float64)


def _outputs(
    network: FusionNetwork, arrays: CohortArrays, rows: Sequence[int], withheld: Withheld | None, view: View
) -> Iterator[Output]:
    if view != AS_IT_IS and arrays.images is not None:  # a stored map is of the picture as it is
        arrays = replace(arrays, images=CohortImages(arrays.images.pictures))
    cohort = DeviceCohort(arrays, next(network.parameters()).device)
    wanted = torch.tensor(list(rows), dtype=torch.int64)
    network.eval()
    with torch.inference_mode():
        for block in row_blocks(len(wanted)):
            batch = cohort.batch(wanted[torch.from_numpy(block)])
            seen = batch if withheld is None else withhold(batch, withheld)
            image = seen.image if arrays.images is None else view.of(seen.image)
            yield network(image, seen.variables, seen.features, seen.no_image)


def head_columns(head: HeadName) -> tuple[str, ...]:
    """Return those of :data:`~xattn_bmd.types.HEAD_COLUMNS` that a head gives; none of classes.

    Example:
        >>> head_columns("quantile")
        ('q05', 'q50', 'q95')
    """
    columns: dict[HeadName, tuple[str, ...]] = {"gaussian": HEAD_COLUMNS[:1], "quantile": HEAD_COLUMNS[1:]}
    return columns.get(head, ())


def _columns(output: Output) -> pd.DataFrame:
    if output.log_probabilities is not None:
        return pd.DataFrame(output.log_probabilities.float().exp().cpu().numpy().astype(np.float64))
    columns = {"prediction": output.density}
    if output.sd is not None:
        columns |= dict(zip(head_columns("gaussian"), [output.sd], strict=True))
    if output.quantiles is not None:
        columns |= dict(zip(head_columns("quantile"), output.quantiles.unbind(-1), strict=True))
    if output.class_log_probabilities is not None:
        columns |= dict(zip(PLACE_COLUMNS, output.class_log_probabilities.exp().unbind(-1), strict=True))
    return pd.DataFrame({name: value.float().cpu().numpy().astype(np.float64) for name, value in columns.items()})
