"""The columns that every table of predictions of another cohort begins with."""

from __future__ import annotations

from typing import Any

from xattn_bmd.data.cohort import Cohort


def external_rows(cohort: Cohort) -> dict[str, Any]:
    """Return who was predicted: each radiograph once, in no fold of its own.

    Args:
        cohort: ``N`` radiographs.
    """
    return {
        "radiograph_id": list(cohort.radiograph_ids),
        "patient_id": list(cohort.patient_ids),
        "site": list(cohort.sites),
        "repeat": 0,
        "fold": 0,
    }
