"""The heads by name: of a density, and of classes."""

from __future__ import annotations

from collections.abc import Sequence

from xattn_bmd.config import HeadName, ModelConfig
from xattn_bmd.errors import ModelError
from xattn_bmd.models.heads.classes import OrdinalHead, SoftmaxHead
from xattn_bmd.models.heads.density import LEAST_SD as LEAST_SD
from xattn_bmd.models.heads.density import DensityHead, ScaledHead
from xattn_bmd.models.heads.density import GaussianHead as GaussianHead
from xattn_bmd.models.heads.density import QuantileHead as QuantileHead
from xattn_bmd.models.heads.head import Estimate as Estimate
from xattn_bmd.models.heads.head import Head as Head

HEADS: dict[HeadName, type[ScaledHead]] = {kind.name: kind for kind in (DensityHead, GaussianHead, QuantileHead)}
"""Heads of a density."""

CLASS_HEADS: dict[HeadName, type[SoftmaxHead | OrdinalHead]] = {kind.name: kind for kind in (SoftmaxHead, OrdinalHead)}
"""Heads of classes."""

DENSITY_CLASSES = 3
"""Classes of a density: normal, low or osteopenia, osteoporosis."""


def build_head(config: ModelConfig, *, target_mean: float, target_sd: float, class_shares: Sequence[float]) -> Head:
    """Return a new head; its weights follow torch's current seed.

    Args:
        config: its name, width and dropout.
        target_mean: mean density of the training folds, g/cm²; not read by a head of classes.
        target_sd: standard deviation of it, g/cm²; not read by a head of classes.
        class_shares: share of each class in the training folds; read by a head of classes alone.

    Raises:
        ModelError: if what the head reads is impossible.

    Example:
        >>> build_head(ModelConfig(head="ordinal"), target_mean=0.0, target_sd=1.0, class_shares=(0.5, 0.5)).name
        'ordinal'
    """
    if config.head in CLASS_HEADS:
        return CLASS_HEADS[config.head](width=config.width, dropout=config.dropout, shares=class_shares)
    return HEADS[config.head](width=config.width, dropout=config.dropout, target_mean=target_mean, target_sd=target_sd)


def build_class_head(config: ModelConfig, *, class_shares: Sequence[float]) -> Head | None:
    """Return a new head of the classes of the density, beside the head of the density itself; None without one.

    Args:
        config: its name, width and dropout.
        class_shares: share of each class in the training folds; even where none are given.

    Example:
        >>> build_class_head(ModelConfig(class_head="ordinal"), class_shares=(0.6, 0.3, 0.1)).name
        'ordinal'
    """
    if config.class_head == "none":
        return None
    shares = class_shares or (1.0,) * DENSITY_CLASSES
    return CLASS_HEADS[config.class_head](width=config.width, dropout=config.dropout, shares=shares)


def scaled(head: Head) -> ScaledHead:
    """Return a head of density as one.

    Raises:
        ModelError: if it is a head of classes.
    """
    if isinstance(head, ScaledHead):
        return head
    raise ModelError(f"A density comes from a head of density, but {head.name!r} was given; give a model of density.")
