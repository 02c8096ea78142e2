"""The crop stage of a comparison: asked for, checked, and done before any picture is decoded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from xattn_bmd.config import CompareConfig
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.errors import ConfigError
from xattn_bmd.training.registry import uses_images

if TYPE_CHECKING:
    from xattn_bmd.localise.crops.stage import CropStage
    from xattn_bmd.localise.localiser import Localiser


def asked_crop(localiser: Localiser | CropStage | str | Path | None, config: CompareConfig) -> CropStage | None:
    """Return the stage that was asked for, if any.

    Args:
        localiser: as given to ``compare``.
        config: settled settings.

    Raises:
        ConfigError: if nothing would be done with it, or masks would not fit the crops.
        LocaliseError: if it cannot be read.
    """
    if localiser is None:
        return None
    from xattn_bmd.localise.crops.stage import CropStage

    if not any(uses_images(name) for name in config.models):
        raise ConfigError(
            f"A localiser crops radiographs, but the models {', '.join(config.models)} look at none; leave it out."
        )
    if config.model.mask_head != "none":
        raise ConfigError(
            f"Masks are drawn on whole radiographs, but model.mask_head={config.model.mask_head!r} would learn them on "
            "crops; set mask_head to 'none', or leave the localiser out."
        )
    return CropStage.of(localiser)


def cropped(cohort: Cohort, stage: CropStage | None, *, cache: Path, searched: Callable[[int, int], None]) -> Cohort:
    """Return the cohort that is compared on: of crops, or as it is.

    Args:
        cohort: a valid cohort.
        stage: the stage, if any.
        cache: cache folder.
        searched: called with (radiographs searched, radiographs).

    Raises:
        LocaliseError: if the stage's localiser was fitted on people of the cohort, or does not find one box in each.
        RadiographError: if files cannot be read.
    """
    if stage is None:
        return cohort
    stage.refuse_fitted_on(cohort, cache=cache, progress=searched)
    return stage.crop(cohort, cache=cache)
