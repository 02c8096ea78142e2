"""One simulated CT volume from person to voxels, with its truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.bone.phantom import HA_PHANTOM
from xattn_bmd.simulate.ct.bones import Bones, lay_bones
from xattn_bmd.simulate.ct.build import sample_build
from xattn_bmd.simulate.ct.grid import Grid
from xattn_bmd.simulate.ct.person import Scan
from xattn_bmd.simulate.ct.scanner import SCANNERS, Reading, Scanner, sample_reading, take
from xattn_bmd.simulate.ct.soft import soft_tissue
from xattn_bmd.simulate.ct.spine import Spine, sample_spine
from xattn_bmd.simulate.ct.table import Rods, lay_table, place_rods

Field = Literal["spine", "body"]
"""``spine``: a square of 230 to 256 mm around it with the phantom; ``body``: 500 mm, the whole trunk and the table."""

HEIGHT_MM = 192.0
"""How much of the spine a volume shows: T12 to L4 whole in most people."""

_BODY_FIELD_MM = 500.0
_BELOW_MM = {"spine": 47.0, "body": 110.0}


@dataclass(frozen=True, kw_only=True)
class CtVolume:
    """One volume with its truth.

    Attributes:
        voxels: ``(D, H, W)`` int16 HU as stored, slices head to feet, rows to posterior, columns to the left.
        grid: where they lie.
        bodies: ``(D, H, W)`` label of each vertebral body; see :data:`~xattn_bmd.simulate.ct.bones.BODY_LABELS`.
        trabecular: ``(D, H, W)`` the same, deep in the bodies.
        facts: what is known of the scan.
    """

    voxels: NDArray[np.int16]
    grid: Grid
    bodies: NDArray[np.uint8]
    trabecular: NDArray[np.uint8]
    facts: dict[str, object]


def simulate_volume(
    scan: Scan,
    *,
    seed: int,
    size: int = 160,
    field: Field = "spine",
    phantom: bool = True,
    scanner: Scanner | None = None,
) -> CtVolume:
    """Compute one volume; depends on the seed, the person and these settings only.

    Bones, organs and soft tissue belong to the patient; bowel, place on the table, phantom and noise to the scan.

    Args:
        scan: the person and the scanner.
        seed: of the cohort.
        size: rows and columns, pixels.
        field: around the spine, or the whole body.
        phantom: whether a calibration phantom lies under the patient.
        scanner: another scanner; None takes the one of the scan.

    Example:
        >>> from xattn_bmd.simulate.ct.people import draw_scans
        >>> volume = simulate_volume(draw_scans(n=1, preset="ct", seed=0)[0], seed=0, size=32)
        >>> volume.voxels.shape, bool((volume.trabecular > 0).any())
        ((64, 32, 32), True)
    """
    scanner = SCANNERS[scan.scanner] if scanner is None else scanner
    letter = ord(scan.letter)
    person = np.random.default_rng(np.random.SeedSequence([seed, letter, scan.patient, 1]))
    rng = np.random.default_rng(np.random.SeedSequence([seed, letter, scan.index, 0]))
    build = sample_build(person, age=scan.age_ct, bmi=scan.bmi, sex=scan.sex)
    spine = sample_spine(
        person,
        qct=scan.true_qct,
        fat_share=scan.marrow_fat,
        height_cm=scan.height,
        sex=scan.sex,
        back_mm=build.back_mm,
        metal=scan.metal,
    )
    grid, rods = _placed(rng, scanner, size=size, field=field), place_rods(rng)
    reading = sample_reading(rng, scanner, bmi=scan.bmi, slice_mm=scanner.slice_mm)
    hu = soft_tissue(person, rng, grid=grid, spine=spine, build=build, kvp=scanner.kvp)
    bones = lay_bones(person, hu, grid=grid, spine=spine, kvp=scanner.kvp)
    lay_table(hu, grid=grid, rods=rods if phantom else None, kvp=scanner.kvp)
    voxels = take(
        rng,
        hu,
        grid=grid,
        scanner=scanner,
        reading=reading,
        middle_mm=(0.0, -build.depth / 2),
        body_mm=(build.half_width + build.depth / 2) / 2,
    )
    facts = _facts(scan, scanner, spine, bones, reading, rods if phantom else None, grid)
    return CtVolume(voxels=voxels, grid=grid, bodies=bones.bodies, trabecular=bones.trabecular, facts=facts)


def slice_count(scanner: Scanner) -> int:
    """Return how many slices a volume of the scanner has.

    Example:
        >>> slice_count(SCANNERS["scanner_a"])
        64
    """
    return round(HEIGHT_MM / scanner.slice_mm)


def _placed(rng: np.random.Generator, scanner: Scanner, *, size: int, field: Field) -> Grid:
    """Return the voxels: the disc between L2 and L3 near the middle slice, the table near the lower edge."""
    side = scanner.field_mm if field == "spine" else _BODY_FIELD_MM
    pixel, slices = side / size, slice_count(scanner)
    up, aside = (float(np.clip(4 * rng.standard_normal(), -8, 8)) for _ in range(2))
    return Grid(
        shape=(slices, size, size),
        spacing_mm=(scanner.slice_mm, pixel, pixel),
        first_mm=(
            up + (slices - 1) / 2 * scanner.slice_mm,
            _BELOW_MM[field] - (size - 0.5) * pixel,
            aside - (size - 1) / 2 * pixel,
        ),
    )


def _facts(
    scan: Scan, scanner: Scanner, spine: Spine, bones: Bones, reading: Reading, rods: Rods | None, grid: Grid
) -> dict[str, object]:
    """Return what is known, ready for JSON: rods at ``(row, column)``, densities in mg/cm³."""
    places = [] if rods is None else zip(rods.y, rods.x, HA_PHANTOM.densities, strict=True)
    return {
        "true_qct": scan.true_qct,
        "marrow_fat": scan.marrow_fat,
        "qct": {level: round(value, 3) for level, value in bones.qct.items()},
        "mineral": {level: round(value, 3) for level, value in bones.mineral.items()},
        "whole_levels": list(bones.whole),
        "screws": list(spine.screws),
        "scanner": scanner.name,
        "kvp": scanner.kvp,
        "hu_slope": reading.slope,
        "hu_offset": reading.offset,
        "noise_hu": reading.noise_hu,
        "cupping_hu": reading.cupping_hu,
        "phantom": None if rods is None else HA_PHANTOM.name,
        "rods": [
            {
                "row": (y - grid.first_mm[1]) / grid.spacing_mm[1],
                "column": (x - grid.first_mm[2]) / grid.spacing_mm[2],
                "mg_cm3": density,
            }
            for y, x, density in places
        ],
    }
