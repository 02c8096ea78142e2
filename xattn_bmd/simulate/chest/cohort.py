"""A folder of simulated chest radiographs with its table, its roles, its clavicle masks and its truth."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from xattn_bmd.atomic import atomic_write
from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.assets import asset_fingerprint
from xattn_bmd.simulate.chest.people import draw_chests
from xattn_bmd.simulate.chest.person import Chest
from xattn_bmd.simulate.chest.presets import ChestPresetName
from xattn_bmd.simulate.chest.radiograph import simulate_chest
from xattn_bmd.simulate.chest.truth import load_chest_truth, mask_bytes, truth_bytes
from xattn_bmd.simulate.dicom import Exam, exam_bytes
from xattn_bmd.simulate.folder import Progress, claim, csv_text, fill

CHEST_VERSION = "chest-bench-1"
"""Version of the simulated chests; any change that alters a file changes it."""

CHESTS = 1600
"""Radiographs of a cohort unless stated: as many as in the published study of clavicles on chest radiographs."""

_COLUMNS = (
    "radiograph_id", "patient_id", "image", "site", "sex", "age_xray", "height", "weight", "bmi", "smoking",
    "lumbar_bmd",
)  # fmt: skip
_ROLES = """\
id: radiograph_id
patient: patient_id
image: image
target: {column: lumbar_bmd, unit: g/cm2, range: [0.3, 2.5]}
reference: lunar_spine_white_female
numeric:
  age_xray: {unit: years, range: [18, 110]}
  height: {unit: cm, range: [100, 230]}
  weight: {unit: kg, range: [25, 250]}
  bmi: {unit: kg/m2, range: [10, 80]}
categorical:
  sex: [female, male]
  smoking: [never, former, current]
site: site
masks: masks/clavicle
stratify: [sex]
simulated: true
"""
_ASSUMPTIONS = """\
Simulated chest radiographs: computed, no patients, no clinical evidence.
ASSUMED, not measured: clavicular mineral goes with lumbar density by r = 0.85 over adults of both sexes. No published
figure was found. How well lumbar density can be read from these radiographs follows from this assumption.
ASSUMED as well: the difference of the sexes in lumbar density, its loss with age, its tie to weight, the precision
error of the scan (1.2 %), the mineral of ribs, spine and shoulders (r = 0.50 to 0.65 with lumbar density), and all
anatomy.
Tube voltages are 80 and 85 kVp; chest radiographs are usually taken at 110 to 125 kVp, where bone stands out less.
"""


def simulate_chests(
    root: Path,
    *,
    n: int | None,
    preset: ChestPresetName,
    repeats: int,
    seed: int,
    size: int,
    workers: int | None,
    progress: Progress | None,
) -> Path:
    """Simulate a cohort of chests; the arguments are those of :func:`~xattn_bmd.simulate.cohort.simulate_cohort`.

    Writes ``images/<radiograph_id>.dcm``, ``masks/clavicle/<radiograph_id>.png`` (0 and 255, the rows and columns of
    the radiograph), ``truth/<radiograph_id>.npz``, ``truth/truth.csv``, ``truth/assumptions.txt``, ``cohort.yaml`` and,
    last, ``cohort.csv``.

    Clavicular mineral goes with lumbar density by r = 0.85.  This is an assumption, for want of a published figure.

    Returns:
        The path of ``cohort.csv``.

    Raises:
        SimulationError: for impossible settings, a folder of something else, or a full disk.
    """
    chests = draw_chests(n=CHESTS if n is None else n, preset=preset, seed=seed)
    made = {"n": len(chests), "preset": preset, "seed": seed, "size": size, "repeats": repeats}
    claim(root, settings={"version": CHEST_VERSION, "assets": asset_fingerprint(), **made})
    visits = [replace(chest, index=chest.index * repeats + visit) for chest in chests for visit in range(repeats)]
    contents = functools.partial(_contents, seed, size)
    fill(root, visits, names=_names, contents=contents, workers=workers, progress=progress)
    _write_tables(root, visits)
    return root / "cohort.csv"


def _names(chest: Chest) -> tuple[str, str, str]:
    name = chest.radiograph_id
    return f"truth/{name}.npz", f"masks/clavicle/{name}.png", f"images/{name}.dcm"


def _contents(seed: int, size: int, chest: Chest) -> tuple[bytes, bytes, bytes]:
    picture = simulate_chest(chest, seed=seed, size=size)
    return truth_bytes(picture), mask_bytes(picture), exam_bytes(picture, _exam(chest))


def _exam(chest: Chest) -> Exam:
    return Exam(
        instance=(chest.letter, chest.seed, chest.index),
        study=(chest.letter, chest.seed, chest.patient),
        patient_id=chest.patient_id,
        patient_name="Simulated^Chest",
        sex=chest.sex,
        age=chest.age_xray,
        hospital=chest.site,
        body_part="CHEST",
        view="PA",
        laterality="U",
        description="Simulated PA chest, not a patient",
    )


def _write_tables(root: Path, chests: Sequence[Chest]) -> None:
    facts = [
        {"radiograph_id": chest.radiograph_id} | load_chest_truth(root / _names(chest)[0]).facts for chest in chests
    ]
    rows = [vars(chest) | _ids(chest) for chest in chests]
    table = [{name: row[name] for name in _COLUMNS} for row in rows]
    atomic_write(root / "truth" / "truth.csv", csv_text(facts, tuple(facts[0])), error=SimulationError)
    atomic_write(root / "truth" / "assumptions.txt", _ASSUMPTIONS, error=SimulationError)
    atomic_write(root / "cohort.yaml", _ROLES, error=SimulationError)
    atomic_write(root / "cohort.csv", csv_text(table, _COLUMNS), error=SimulationError)


def _ids(chest: Chest) -> dict[str, str]:
    name = chest.radiograph_id
    return {"radiograph_id": name, "patient_id": chest.patient_id, "image": f"{name}.dcm"}
