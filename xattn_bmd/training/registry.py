"""Every model that a comparison can name: the fusions and the scikit-learn baselines."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from xattn_bmd.errors import ModelError
from xattn_bmd.models.fusions import FUSIONS
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
        ModelError: naming the unknown model and the nearest known ones.
    """
    names = list(names)
    if not names:
        raise ModelError(f"A comparison needs at least one model, but none was given; choose from {_listed()}.")
    for name in names:
        if name not in model_names():
            near = difflib.get_close_matches(name, model_names(), n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ModelError(f"A model is one of {_listed()}, but {name!r} was given; {hint}mend the name.")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ModelError(f"Each model is compared once, but {repeated} was given twice; remove the repetition.")


def uses_images(name: str) -> bool:
    """Tell whether a model looks at radiographs."""
    return name in FUSIONS and FUSIONS[name].uses_image


def _listed() -> str:
    return ", ".join(model_names())
