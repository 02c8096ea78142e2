"""A folder of simulated CT volumes with its table, its roles and its truth."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from xattn_bmd.atomic import atomic_write, remove_partials
from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.assets import asset_fingerprint
from xattn_bmd.simulate.ct.bones import BODY_LABELS
from xattn_bmd.simulate.ct.density import TARGET_LEVELS
from xattn_bmd.simulate.ct.files import facts_bytes, nifti_bytes, require_nibabel, series_bytes
from xattn_bmd.simulate.ct.people import draw_scans
from xattn_bmd.simulate.ct.person import Scan
from xattn_bmd.simulate.ct.presets import CtPresetName
from xattn_bmd.simulate.ct.scanner import SCANNERS
from xattn_bmd.simulate.ct.volume import Field, simulate_volume, slice_count
from xattn_bmd.simulate.folder import Progress, claim, csv_text, fill

CT_VERSION = "ct-bench-1"
"""Version of the simulated volumes; any change that alters a file changes it."""

SCANS: dict[CtPresetName, int] = {"ct": 879, "ct_external": 340}
"""Scans of a cohort unless stated: as many as the source study had for development and for its independent test."""

FileFormat = Literal["nifti", "dicom"]
_SMALLEST, _LARGEST = 32, 1024
_COLUMNS = (
    "scan_id", "patient_id", "image", "site", "scanner", "kvp", "sex", "age_ct", "height", "weight", "bmi", "smoking",
    "qct",
)  # fmt: skip
_ROLES = """\
id: scan_id
patient: patient_id
image: image
target: {column: qct, unit: mg/cm3, range: [-50, 400]}
numeric:
  age_ct: {unit: years, range: [18, 110]}
  height: {unit: cm, range: [100, 230]}
  weight: {unit: kg, range: [25, 250]}
  bmi: {unit: kg/m2, range: [10, 80]}
categorical:
  sex: [female, male]
  smoking: [never, former, current]
site: site
stratify: [sex]
simulated: true
"""
_ASSUMPTIONS = """\
Simulated CT volumes: computed, no patients, no clinical evidence.
Sourced: attenuation of tissues and mineral by tube voltage (SpekPy 2, XrayDB, ICRU 44); loss of trabecular density with
age, 1.2 % (women) and 0.72 % (men) per year (Cann et al. 1985); the rods' densities; cut-offs of the classes.
ASSUMED, not measured: density at 30 years, its spread and its tie to weight; marrow fat by age, sex and density; the
differences between levels; all anatomy, texture and soft tissue; scanners and their errors; the precision error.
The target is what faultless single-energy QCT at 120 kVp would read in L1 and L2, with the precision error; because of
marrow fat it is not the true mineral, which truth.csv has beside it. No contrast agent, no streaks, no fractures.
"""


def simulate_ct(
    out: str | Path,
    *,
    n: int | None = None,
    preset: CtPresetName = "ct",
    repeats: int = 1,
    seed: int = 0,
    size: int = 160,
    field: Field = "spine",
    file_format: FileFormat = "nifti",
    phantom: bool = True,
    metal: float = 0.0,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Simulate CT volumes of the lumbar spine with a calibration phantom, clinical table, roles and truth.

    Writes ``images/<scan_id>.nii.gz`` (or ``images/<scan_id>/*.dcm``), ``truth/bodies/<scan_id>.nii.gz`` and
    ``truth/trabecular/<scan_id>.nii.gz`` (labels: ``truth/labels.json``), ``truth/<scan_id>.json`` (densities of each
    level, scanner errors, rods), ``truth/truth.csv``, ``truth/assumptions.txt``, ``cohort.yaml`` and, last,
    ``cohort.csv``. The same settings give the same files bit for bit, in any order and with any number of workers; an
    interrupted run continues.

    Args:
        out: the folder; new, empty, or one that the same settings began.
        n: number of scans; 879 of ``ct`` and 340 of ``ct_external`` unless stated, as in the source study.
        preset: ``"ct"``, one hospital with one scanner, or ``"ct_external"``, three others with four scanners.
        repeats: scans of each patient, each placed and exposed anew; the label stays.
        seed: 0 or more.
        size: rows and columns, 32 to 1024.
        field: ``"spine"``, a square of 230 to 256 mm, or ``"body"``, 500 mm.
        file_format: ``"nifti"``, or ``"dicom"`` for a series of RLE-compressed slices.
        phantom: whether a calibration phantom lies under the patients.
        metal: share of the patients who carry pedicle screws in two vertebrae, 0 to 1.
        workers: processes; None takes one per CPU core, and one alone for each 16 volumes.
        progress: called with (finished, total) after every scan.

    Returns:
        The path of ``cohort.csv``.

    Raises:
        SimulationError: for impossible settings, a folder of something else, nibabel missing, or a full disk.

    Example:
        >>> import tempfile
        >>> table = simulate_ct(tempfile.mkdtemp(), n=1, size=32, workers=1)
        >>> sorted(path.name for path in (table.parent / "images").iterdir())
        ['T0-00001.nii.gz']
    """
    root = Path(out)
    _check(size, workers, repeats, field, file_format)
    count = SCANS.get(preset, 1) if n is None else n
    scans = draw_scans(n=count, preset=preset, seed=seed, metal=metal)
    require_nibabel()
    made = {"n": count, "preset": preset, "seed": seed, "size": size, "repeats": repeats, "metal": metal}
    shown = {"field": field, "file_format": file_format, "phantom": phantom}
    claim(root, settings={"version": CT_VERSION, "assets": asset_fingerprint(), **made, **shown})
    visits = [replace(scan, index=scan.index * repeats + visit) for scan in scans for visit in range(repeats)]
    for folder in (root / "images").iterdir():
        remove_partials(folder)
    fill(
        root,
        visits,
        names=functools.partial(_names, file_format),
        contents=functools.partial(_contents, seed, size, field, file_format, phantom),
        workers=workers,
        progress=progress,
    )
    _write_tables(root, visits, file_format)
    return root / "cohort.csv"


def _check(size: int, workers: int | None, repeats: int, field: str, file_format: str) -> None:
    if not _SMALLEST <= size <= _LARGEST:
        raise SimulationError(
            f"The size of a CT slice is from {_SMALLEST} to {_LARGEST} pixels, but it is {size}; change it."
        )
    if workers is not None and workers < 1:
        raise SimulationError(f"The simulation needs at least 1 worker, but workers is {workers}; ask for 1 or more.")
    if repeats < 1:
        raise SimulationError(f"Each patient needs at least 1 scan, but repeats is {repeats}; ask for 1 or more.")
    if field not in ("spine", "body"):
        raise SimulationError(f"The field is spine or body, but it is {field!r}; name one of them.")
    if file_format not in ("nifti", "dicom"):
        raise SimulationError(f"The file format is nifti or dicom, but it is {file_format!r}; name one of them.")


def _names(file_format: FileFormat, scan: Scan) -> tuple[str, ...]:
    name = scan.scan_id
    truth = (f"truth/{name}.json", f"truth/bodies/{name}.nii.gz", f"truth/trabecular/{name}.nii.gz")
    if file_format == "nifti":
        return (*truth, f"images/{name}.nii.gz")
    slices = slice_count(SCANNERS[scan.scanner])
    return (*truth, *(f"images/{name}/{number + 1:04d}.dcm" for number in range(slices)))


def _contents(
    seed: int, size: int, field: Field, file_format: FileFormat, phantom: bool, scan: Scan
) -> tuple[bytes, ...]:
    volume = simulate_volume(scan, seed=seed, size=size, field=field, phantom=phantom)
    grid = volume.grid
    truth = facts_bytes(volume.facts), nifti_bytes(volume.bodies, grid), nifti_bytes(volume.trabecular, grid)
    if file_format == "nifti":
        return (*truth, nifti_bytes(volume.voxels, grid))
    return (*truth, *series_bytes(volume.voxels, grid, scan, kvp=SCANNERS[scan.scanner].kvp))


def _write_tables(root: Path, scans: Sequence[Scan], file_format: FileFormat) -> None:
    suffix = ".nii.gz" if file_format == "nifti" else ""
    facts = [_row(root, scan) for scan in scans]
    table = []
    for scan in scans:
        made = {"image": f"{scan.scan_id}{suffix}", "kvp": SCANNERS[scan.scanner].kvp}
        made |= {"scan_id": scan.scan_id, "patient_id": scan.patient_id}
        table.append({name: made[name] if name in made else getattr(scan, name) for name in _COLUMNS})
    written = {
        "truth/truth.csv": csv_text(facts, tuple(facts[0])),
        "truth/labels.json": json.dumps(BODY_LABELS, indent=1) + "\n",
        "truth/assumptions.txt": _ASSUMPTIONS,
        "cohort.yaml": _ROLES,
        "cohort.csv": csv_text(table, _COLUMNS),
    }
    for name, text in written.items():
        atomic_write(root / name, text, error=SimulationError)


def _row(root: Path, scan: Scan) -> dict[str, object]:
    """Return the row of the truth table: both densities of each target level, and how the scanner read HU."""
    path = root / "truth" / f"{scan.scan_id}.json"
    try:
        facts = json.loads(path.read_text())
        levels = {f"{kind}_{level}": facts[kind][level] for kind in ("qct", "mineral") for level in TARGET_LEVELS}
    except (OSError, ValueError, KeyError) as cause:
        raise SimulationError(
            f"A truth file must be intact, but {path.name} is not readable; delete it and run the simulation again."
        ) from cause
    kept = ("true_qct", "marrow_fat", "hu_slope", "hu_offset", "noise_hu", "cupping_hu")
    return {"scan_id": scan.scan_id} | {name: facts[name] for name in kept} | levels
