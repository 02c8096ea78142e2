"""The search spaces that have a name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xattn_bmd.bone.reference import Unit
from xattn_bmd.config import HEAD_LOSSES
from xattn_bmd.errors import ConfigError
from xattn_bmd.search.space import SearchSpace

_CROSS = ("xattn", "image_to_record", "record_to_image", "attention_pooling", "residual_xattn")
_HEADED = (*_CROSS, "mixture")
_LAYERED = (*_HEADED, "residual_concat")
"""Fusions with the parts that ``model.key_value_updater`` and ``model.layer_weight`` switch, those with
``model.heads`` heads, and those that are built of ``model.layers`` layers; to the others these settings only say how
large they are."""

TRAINING: dict[str, Any] = {
    "training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "training.weight_decay": {"low": 1e-4, "high": 0.3, "log": True},
    "training.batch_size": {"choices": [8, 16, 32]},
    "model.dropout": {"low": 0.0, "high": 0.5},
    "training.loss": {"choices": list(HEAD_LOSSES["point"])},
    "training.beta": {
        "low": 0.01,
        "high": 0.2,
        "log": True,
        "when": {"training.loss": ["weighted_smooth_l1", "smooth_l1"]},
    },
    "training.weighting": {
        "choices": ["t_score_bands", "label_density", "none"],
        "when": {"training.loss": ["weighted_smooth_l1"]},
    },
}
"""How a network is trained on areal density; for the head ``point``."""

VOLUMETRIC: dict[str, Any] = {
    "training.loss": {"choices": [name for name in HEAD_LOSSES["point"] if name != "balanced_mse"]},
    "training.beta": TRAINING["training.beta"] | {"low": 3.0, "high": 60.0},
}
"""What differs for densities in mg/cm³: the width beta has their unit, and ``balanced_mse`` a noise in g/cm²."""

NAMES = ("fusion", "training", "all")


def named_space(name: str, *, unit: Unit = "g/cm2") -> SearchSpace:
    """Return a named space.

    ``fusion``: which fusion, and its size; ``training``: how it is trained; ``all``: both.

    Args:
        name: of the space.
        unit: of the densities, which the width of Smooth L1 has.

    Raises:
        ConfigError: if the name is unknown.

    Example:
        >>> [parameter.name for parameter in named_space("fusion").parameters][:2]
        ['models', 'model.width']
    """
    training = TRAINING | (VOLUMETRIC if unit == "mg/cm3" else {})
    if name == "training":
        return SearchSpace.from_dict(training)
    if name in ("fusion", "all"):
        return SearchSpace.from_dict(_fusion() | (training if name == "all" else {}))
    near = difflib.get_close_matches(name, NAMES, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "choose one, or give the path of a .yaml file."
    raise ConfigError(f"A named search space is one of {', '.join(NAMES)}, but {name!r} was given; {hint}")


def opened_space(space: SearchSpace | str | Path | Mapping[str, Any], *, unit: Unit = "g/cm2") -> SearchSpace:
    """Return a space, however it is given.

    Args:
        space: the space itself, what YAML makes of it, the path of a ``.yaml`` file, or a name.
        unit: of the densities, for a named space.

    Raises:
        ConfigError: if it is unknown or malformed.

    Example:
        >>> opened_space({"model.width": {"choices": [16, 32]}}).to_dict()
        {'model.width': {'choices': [16, 32]}}
    """
    if isinstance(space, SearchSpace):
        return space
    if isinstance(space, Mapping):
        return SearchSpace.from_dict(space)
    if isinstance(space, Path) or space.endswith((".yaml", ".yml")):
        return SearchSpace.load(Path(space))
    return named_space(space, unit=unit)


def _fusion() -> dict[str, Any]:
    from xattn_bmd.models.fusions import FUSIONS

    both = [name for name, kind in FUSIONS.items() if kind.uses_image and kind.uses_variables]
    layered, headed, crossed = ({"models": list(names)} for names in (_LAYERED, _HEADED, _CROSS))
    return {
        "models": {"choices": both, "default": both[0]},
        "model.width": {"choices": [32, 64, 128]},
        "model.layers": {"low": 1, "high": 4, "when": layered},
        "model.heads": {"choices": [1, 2, 4, 8], "when": headed},
        "model.key_value_updater": {"choices": [True, False], "when": crossed},
        "model.layer_weight": {"choices": [True, False], "when": crossed},
    }
