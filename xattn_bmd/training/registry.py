"""Every model that a comparison can name: the fusions and the scikit-learn baselines."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from xattn_bmd.config import CompareConfig
from xattn_bmd.errors import ModelError
from xattn_bmd.models.fusions import FUSIONS
from xattn_bmd.models.fusions.backbone_names import fusion_part, own_backbone
from xattn_bmd.models.fusions.named import fusion_named, is_fusion
from xattn_bmd.models.origin import NO_IMAGES, weights_origin
from xattn_bmd.training.fits.stacking import check_stack, members_of
from xattn_bmd.training.fits.tabular import TABULAR


def model_names() -> tuple[str, ...]:
    """Return the names of all models, fusions first.

    Example:
        >>> {"xattn", "concat", "ridge"} <= set(model_names())
        True
    """
    return (*FUSIONS, *TABULAR)


def check_models(names: Iterable[str]) -> None:
    """Refuse unknown or repeated model names.

    Raises:
        ModelError: naming the unknown model and the nearest known ones, or the fusion of your own that cannot be
            imported.
    """
    names = list(names)
    if not names:
        raise ModelError(f"A comparison needs at least one model, but none was given; choose from {_listed()}.")
    for name in names:
        if members_of(name):
            check_stack(name, names)
        elif is_fusion(name):
            _check_backbone(name, sees=fusion_named(name).uses_image)
        elif name not in model_names():
            near = difflib.get_close_matches(name, model_names(), n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ModelError(f"A model is one of {_listed()}, but {name!r} was given; {hint}mend the name.")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ModelError(f"Each model is compared once, but {repeated} was given twice; remove the repetition.")


def _check_backbone(name: str, *, sees: bool) -> None:
    if own_backbone(name) is not None and not sees:
        raise ModelError(
            f"A backbone looks at radiographs, but {name!r} names one for {fusion_part(name)}, which sees the clinical "
            f"record alone; give {fusion_part(name)}."
        )


def uses_images(name: str) -> bool:
    """Tell whether a model, or a member of a stack, looks at radiographs."""
    if members_of(name):
        return any(map(uses_images, members_of(name)))
    return is_fusion(name) and fusion_named(name).uses_image


def uses_both(name: str) -> bool:
    """Tell whether a model reads radiograph and record, so that one of them may be withheld from it."""
    return is_fusion(name) and fusion_named(name).uses_image and fusion_named(name).uses_variables


def image_encoder_origin(config: CompareConfig, models: Iterable[str]) -> str:
    """Return in words what the image encoder of some models of a comparison had learnt from before.

    Raises:
        ModelError: if the bone encoder is named and its file is missing or damaged.

    Example:
        >>> image_encoder_origin(CompareConfig(), ["ridge"])
        'none: no model looks at radiographs'
    """
    parts = [part for name in models for part in (members_of(name) or (name,)) if uses_images(part)]
    trunks = [own_backbone(part) or config.model.backbone for part in parts]
    each = [weights_origin(backbone=name, weights=config.model.weights) for name in dict.fromkeys(trunks)]
    return "; ".join(each) or NO_IMAGES


def _listed() -> str:
    return ", ".join(model_names())
