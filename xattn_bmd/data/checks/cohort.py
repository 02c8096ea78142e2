"""Everything that must be mended before a cohort is used, found in one pass and said in one sentence each."""

from __future__ import annotations

import pandas as pd

from xattn_bmd.data.checks.image_files import ImageMatch
from xattn_bmd.data.checks.images import check_images, check_pictures
from xattn_bmd.data.checks.masks import check_masks
from xattn_bmd.data.checks.problem import Problem
from xattn_bmd.data.checks.table import check_columns, check_ids, check_patients, check_sides, check_size
from xattn_bmd.data.checks.values import check_body_mass, check_categorical, check_numeric, check_target
from xattn_bmd.data.masks.match import MaskMatch
from xattn_bmd.data.roles import CohortRoles

__all__ = ["Problem", "check_cohort"]


def check_cohort(
    table: pd.DataFrame,
    *,
    roles: CohortRoles,
    images: ImageMatch,
    masks: MaskMatch,
    require_target: bool,
    require_images: bool,
    read_images: bool,
    require_variation: bool,
    images_may_lack: bool = False,
) -> list[Problem]:
    """Return all problems of a table and its images, in the order columns, ids, values, images, masks.

    Args:
        table: cohort table.
        roles: what each column is for.
        images: how files were matched.
        masks: how masks were matched; they are looked at where a target is required, for no prediction needs them.
        require_target: whether each radiograph needs a density or class.
        require_images: whether each radiograph needs an image.
        read_images: whether to decode every image.
        require_variation: whether variables must vary and the cohort be large enough to train on.
        images_may_lack: whether a row may say that it has no image; see :func:`check_images`.
    """
    problems = [
        *check_columns(table, roles=roles, require_target=require_target),
        *check_ids(table, roles=roles),
        *check_patients(table, roles=roles),
        *check_target(table, roles=roles, required=require_target, must_vary=require_variation),
        *check_numeric(table, roles=roles, must_vary=require_variation),
        *check_categorical(table, roles=roles, must_vary=require_variation),
        *check_body_mass(table, roles=roles),
        *check_sides(table, roles=roles),
    ]
    if require_variation:
        problems += check_size(table)
    if require_images:
        problems += check_images(table, roles=roles, images=images, may_lack=images_may_lack)
    masks = masks if require_target else MaskMatch()
    problems += check_masks(masks)
    if read_images:
        problems += check_pictures(images, masks=masks)
    return problems
