"""``FUSION@BACKBONE``: a fusion with an image trunk of its own, as a model of a comparison.

``image_only@resnet50`` is the fusion ``image_only`` with timm's ``resnet50`` in place of ``model.backbone``.  All other
settings, the origin of the first weights included, are those of the comparison.
"""

from __future__ import annotations

import re
from dataclasses import replace

from xattn_bmd.config import ModelConfig
from xattn_bmd.errors import ModelError

AT = "@"
"""Stands between the names of fusion and backbone; a sign that every file system takes."""


def fusion_part(name: str) -> str:
    """Return a model's name without its backbone.

    Example:
        >>> fusion_part("image_only@resnet50"), fusion_part("xattn")
        ('image_only', 'xattn')
    """
    return name.partition(AT)[0]


def own_backbone(name: str) -> str | None:
    """Return the backbone that a model names, or None where it has that of the settings, or is a stack of others.

    Raises:
        ModelError: if what stands behind the sign cannot be the name of a timm model.

    Example:
        >>> own_backbone("image_only@resnet50"), own_backbone("xattn")
        ('resnet50', None)
    """
    if AT not in name or "+" in name:
        return None
    backbone = name.partition(AT)[2]
    if re.fullmatch(r"\w[\w.-]*", backbone) is None:
        raise ModelError(
            f"A model with a backbone of its own is named FUSION{AT}BACKBONE with the name of a timm model, as in "
            f"image_only{AT}resnet50, but {name!r} was given; mend the name."
        )
    return backbone


def model_config(name: str, config: ModelConfig) -> ModelConfig:
    """Return the settings of a model's network: those that all models share, with its own backbone.

    Args:
        name: name of a model.
        config: the shared settings.

    Example:
        >>> model_config("image_only@resnet50", ModelConfig()).backbone
        'resnet50'
    """
    backbone = own_backbone(name)
    return config if backbone is None else replace(config, backbone=backbone)
