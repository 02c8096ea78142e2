"""What is left of the density in the noise-free areal map, on the pixels of a radiograph."""

from __future__ import annotations

from typing import NamedTuple

from xattn_bmd.simulate.person import Hip
from xattn_bmd.simulate.visit import Pose, Visit, draw_visit, femur_maps, neck_mask

SCAN_POSE = Pose(rotation=0.0, abduction=0.0, flexion=0.0)


class NeckReadings(NamedTuple):
    """Mean of the noise-free areal map over the neck box, g/cm².

    Attributes:
        scan: the femur in the pose of a DXA scan.
        posed: the femur as the patient lies for the radiograph.
    """

    scan: float
    posed: float


def neck_readings(hip: Hip, *, seed: int, size: int) -> NeckReadings:
    """Read the neck of a hip on the pixels of its radiograph, in both poses; no picture is computed.

    The scan that the mineral was scaled on is a parallel projection onto 1 mm pixels.  Here beam, pixels and box mask
    are those of the radiograph, so that how well they agree is measured and not given.

    Args:
        hip: the person.
        seed: of the cohort.
        size: rows and columns, pixels.

    Example:
        >>> from xattn_bmd.simulate.subjects import draw_hips
        >>> hip = draw_hips(n=1, preset="hcs", seed=0)[0]
        >>> abs(neck_readings(hip, seed=0, size=256).scan / hip.true_bmd - 1) < 0.05
        True
    """
    visit = draw_visit(hip, seed=seed, size=size)
    return NeckReadings(scan=_neck_mean(visit, SCAN_POSE), posed=_neck_mean(visit, visit.pose))


def _neck_mean(visit: Visit, pose: Pose) -> float:
    areal, outer, _ = femur_maps(visit.femur, visit.mineral, pose, visit.beam)
    neck = neck_mask(visit.femur, visit.mineral, pose, visit.beam) & (outer > 0)
    return float(areal[neck].mean())
