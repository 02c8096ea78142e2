"""Radiographs of changed people on disk, as the cohort that a predictor reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from xattn_bmd.atomic import atomic_write
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.pictures.build import default_workers
from xattn_bmd.data.roles import CohortRoles
from xattn_bmd.errors import SimulationError
from xattn_bmd.explanation.counterfactual.changes import Change, Changed
from xattn_bmd.simulate.dicom import dicom_bytes
from xattn_bmd.simulate.hip import simulate_hip
from xattn_bmd.simulate.person import Hip
from xattn_bmd.simulate.truth import truth_bytes
from xattn_bmd.training.in_threads import in_threads

IMAGES, TRUTH = "images", "truth"


def changed_cohort(
    hips: Sequence[Hip], change: Change, *, steps: int, folder: Path, size: int, roles: CohortRoles
) -> Cohort:
    """Simulate every person with one thing changed, and return them with the record that they had before.

    Args:
        hips: the people.
        change: what is changed.
        steps: how far, -1 or 1.
        folder: gets ``images/ID.dcm`` and ``truth/ID.npz``.
        size: rows and columns of a picture.
        roles: of the predictor.

    Raises:
        SimulationError: if somebody cannot be changed that far, or the disk is full.
        CohortError: if the simulated people lack a column of the roles.
    """

    def make(hip: Hip) -> None:
        _write(hip, change.make(hip, steps), folder=folder, size=size)

    for _ in in_threads(make, hips, threads=default_workers()):
        pass
    return Cohort.from_table(record_table(hips), roles=roles, images=folder / IMAGES)


def record_table(hips: Sequence[Hip]) -> pd.DataFrame:
    """Return the clinical record of simulated people, with the columns of a simulated cohort.

    Example:
        >>> from xattn_bmd.simulate.subjects import draw_hips
        >>> record_table(draw_hips(n=2, preset="hcs", seed=0))["image"].tolist()
        ['H0-00001.dcm', 'H0-00002.dcm']
    """
    named = [
        {"radiograph_id": hip.radiograph_id, "patient_id": hip.patient_id, "image": f"{hip.radiograph_id}.dcm"}
        for hip in hips
    ]
    return pd.DataFrame([names | asdict(hip) for names, hip in zip(named, hips, strict=True)])


def _write(hip: Hip, changed: Changed, *, folder: Path, size: int) -> None:
    person, site = changed
    picture = simulate_hip(person, seed=hip.seed, size=size, site=site)
    atomic_write(folder / TRUTH / f"{hip.radiograph_id}.npz", truth_bytes(picture), error=SimulationError)
    image = dicom_bytes(picture, person, seed=hip.seed)
    atomic_write(folder / IMAGES / f"{hip.radiograph_id}.dcm", image, error=SimulationError)
