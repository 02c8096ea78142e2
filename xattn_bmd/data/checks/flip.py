"""Mirror images must not contradict the record."""

from __future__ import annotations

from xattn_bmd.data.roles import CohortRoles
from xattn_bmd.errors import ConfigError


def check_flip(flip: float, roles: CohortRoles) -> None:
    """Refuse mirror images where a model of picture and record is told the side of the body.

    Args:
        flip: probability of a mirror image, ``training.augment.flip``.
        roles: roles of the cohort's columns.

    Raises:
        ConfigError: if ``flip`` is above 0 and the column of the side is a clinical variable too.

    Example:
        >>> check_flip(0.5, CohortRoles(id="scan", patient="person", side="side"))
    """
    if flip > 0 and roles.side in roles.schema.names:
        raise ConfigError(
            f"A mirrored picture may not contradict the record, but training.augment.flip is {flip} and the side "
            f"column {roles.side!r} is a clinical variable too; set flip to 0, or remove {roles.side!r} from numeric "
            "and categorical."
        )
