"""What a run folder keeps of its cohort beside the predictions: the clinical record and counts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from xattn_bmd.data.checks.read_table import present, text_column
from xattn_bmd.data.cohort import Cohort

_IDS = ("radiograph_id", "patient_id")


def record_table(cohort: Cohort) -> pd.DataFrame:
    """Return the clinical record as in the cohort's table, one row per radiograph.

    Returns:
        ``radiograph_id, patient_id, site, side`` (``L`` or ``R``), then every numeric and categorical variable, as
        text, None where missing.

    Example:
        >>> from xattn_bmd.data.roles import CohortRoles
        >>> roles = CohortRoles.from_dict({"id": "scan", "patient": "person", "numeric": ["age"]})
        >>> table = pd.DataFrame({"scan": ["a"], "person": ["1"], "age": ["75.5"]})
        >>> record_table(Cohort.from_table(table, roles=roles)).to_dict("list")
        {'radiograph_id': ['a'], 'patient_id': ['1'], 'site': [None], 'side': [None], 'age': ['75.5']}
    """
    columns: dict[str, list[str | None]] = {
        "radiograph_id": list(cohort.radiograph_ids),
        "patient_id": list(cohort.patient_ids),
        "site": list(cohort.sites),
        "side": list(cohort.sides),
    }
    variables = [name for name in cohort.schema.names if name not in _IDS]
    return pd.DataFrame(columns | {name: text_column(cohort.table[name]) for name in variables}, dtype=object)


def cohort_facts(cohort: Cohort, *, images: str) -> dict[str, Any]:
    """Return what ``cohort.json`` says: counts for a flow of exclusions, and the roles with units and ranges.

    Args:
        cohort: the cohort.
        images: digest of all decoded pictures.

    Returns:
        ``images_without_row`` is the number of image files that belong to no row, None where no folder was given;
        ``masks`` is the number of radiographs with a mask, None where no masks were given, and where they lie is left
        out of ``roles``;
        ``missing`` counts the rows without a value of each variable.
    """
    return {
        "fingerprint": cohort.fingerprint,
        "images": images,
        "rows": len(cohort),
        "images_without_row": None if cohort.images.folder is None else len(cohort.images.without_row),
        "masks": None if cohort.masks.folder is None else len(cohort.masks.paths),
        "radiographs": len(cohort),
        "patients": len(set(cohort.patient_ids)),
        "missing": {name: int((~present(cohort.table[name])).sum()) for name in cohort.schema.names},
        "simulated": cohort.roles.simulated,
        "roles": replace(cohort.roles, masks=None).to_dict(),
    }


def same_facts(present: str, wanted: str) -> bool:
    """Tell whether two texts of ``cohort.json`` are of one run; files without a row and masks are no part of it."""
    apart = {"images_without_row": None, "masks": None}
    try:
        return bool(json.loads(present) | apart == json.loads(wanted) | apart)
    except (json.JSONDecodeError, TypeError):
        return False


def pictures_digest(pictures: Mapping[str, str]) -> str:
    """Return one SHA-256 of all decoded pictures, whatever their order.

    Args:
        pictures: content hash of each radiograph's picture by id.
    """
    lines = [f"{name} {content}" for name, content in sorted(pictures.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read_record_table(path: Path, *, numeric: tuple[str, ...]) -> pd.DataFrame | None:
    """Return a stored :func:`record_table`, or None where there is none.

    Args:
        path: ``record.csv``.
        numeric: names of the numeric variables; all other columns stay text, empty where missing.
    """
    if not path.is_file():
        return None
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    return table.assign(**{name: pd.to_numeric(table[name], errors="coerce").astype(float) for name in numeric})
