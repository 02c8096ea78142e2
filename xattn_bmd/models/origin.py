"""What an image encoder had learnt from before a comparison trained it, in plain words."""

from __future__ import annotations

from pathlib import Path

from xattn_bmd.models.assets import bone_encoder_facts

NO_IMAGES = "none: no model looks at radiographs"
_SIMULATED_HIPS = "SIMULATED hips"


def weights_origin(*, backbone: str, weights: str) -> str:
    """Return an image trunk and the origin of its first weights.

    Args:
        backbone: name of a timm model.
        weights: see :class:`~xattn_bmd.config.ModelConfig`; of a path, the file's name alone is told.

    Raises:
        ModelError: if the bone encoder is named and its file is missing or damaged.

    Example:
        >>> weights_origin(backbone="resnet34", weights="none")
        'resnet34 with random first weights: it has learnt from the training folds alone'
    """
    if weights == "none":
        return f"{backbone} with random first weights: it has learnt from the training folds alone"
    if weights == "pretrained":
        return f"{backbone} pretrained on ImageNet photographs, not on radiographs"
    if weights == "bone":
        return f"{backbone} pretrained on {_hips()} (the bone encoder of xattn-bmd), on no real radiograph"
    if weights == "hub":
        return f"{backbone} with the weights that timm's hub publishes for it; what they learnt from is said there"
    return f"{backbone} with weights of the file {Path(weights).name}; what they learnt from is for the author to say"


def bone_encoder_note() -> str:
    """Return the line that every summary shows where the bone encoder was used.

    Raises:
        ModelError: if its file is missing or damaged.

    Example:
        >>> bone_encoder_note().endswith("SIMULATED hips")
        True
    """
    return f"image encoder pretrained on {_hips()}"


def saw_simulated_hips(origin: str) -> bool:
    """Tell whether the words of :func:`weights_origin` name simulated hips.

    Example:
        >>> saw_simulated_hips(weights_origin(backbone="resnet34", weights="pretrained"))
        False
    """
    return _SIMULATED_HIPS in origin


def _hips() -> str:
    return f"{bone_encoder_facts().hips:,} {_SIMULATED_HIPS}"
