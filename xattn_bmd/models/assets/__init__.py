"""The bone encoder: an image trunk that was pretrained on simulated hips, and what is said of it.

``bone_encoder.md`` in this folder is its model card, ``NOTICE`` states the origin and licence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xattn_bmd.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

BONE_ENCODER = Path(__file__).parent / "bone_encoder.safetensors"
"""State dict of the trunk in half precision; its metadata hold the facts as JSON."""


@dataclass(frozen=True, kw_only=True)
class BoneEncoderFacts:
    """How the bone encoder was made.

    Attributes:
        backbone: name of the timm model.
        task: what it was trained to tell of a radiograph.
        hips: simulated radiographs that it was trained on.
        held_out: simulated radiographs, of other people, that gave the scores.
        epochs: passes over the training radiographs.
        seed: of first weights of the layers behind the trunk, of batches and of random changes.
        scores: each score of the held-out radiographs by its name.
    """

    backbone: str
    task: str
    hips: int
    held_out: int
    epochs: int
    seed: int
    scores: Mapping[str, float]


def bone_encoder_facts() -> BoneEncoderFacts:
    """Read from the installed file how the bone encoder was made; no weights are read.

    Raises:
        ModelError: if the file is missing or damaged.

    Example:
        >>> bone_encoder_facts().backbone
        'tf_efficientnet_lite0'
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(BONE_ENCODER, framework="numpy") as stored:
            return _facts(json.loads(stored.metadata()["facts"]))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError) as cause:
        raise _unusable() from cause


def _facts(told: dict[str, Any]) -> BoneEncoderFacts:
    """Read the metadata; every further number in them is a score."""
    return BoneEncoderFacts(
        backbone=told.pop("backbone"),
        task=told.pop("task"),
        hips=told.pop("hips"),
        held_out=told.pop("held_out"),
        epochs=told.pop("epochs"),
        seed=told.pop("seed"),
        scores={name: value for name, value in told.items() if isinstance(value, (int, float))},
    )


def load_bone_encoder() -> dict[str, Tensor]:
    """Return the state dict of the trunk in single precision.

    Raises:
        ModelError: if the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        stored = load_file(BONE_ENCODER)
    except (OSError, SafetensorError) as cause:
        raise _unusable() from cause
    return {name: value.float() if value.is_floating_point() else value for name, value in stored.items()}


def _unusable() -> ModelError:
    found = "damaged" if BONE_ENCODER.is_file() else "missing"
    return ModelError(
        f"The bone encoder is read from {BONE_ENCODER.name} of the installation, but the file is {found}; reinstall "
        "xattn-bmd."
    )
