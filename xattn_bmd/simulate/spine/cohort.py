"""A folder of simulated lateral lumbar radiographs with its table, its roles, its boxes and its truth."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from xattn_bmd.atomic import atomic_write
from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.assets import asset_fingerprint, read_asset
from xattn_bmd.simulate.dicom import Exam, exam_bytes
from xattn_bmd.simulate.folder import Progress, claim, csv_text, fill
from xattn_bmd.simulate.spine.people import draw_spines
from xattn_bmd.simulate.spine.person import LEVELS, Spine
from xattn_bmd.simulate.spine.presets import SpinePresetName
from xattn_bmd.simulate.spine.radiograph import simulate_spine
from xattn_bmd.simulate.spine.truth import load_spine_truth, truth_bytes
from xattn_bmd.types import BOX_COLUMNS

SPINE_VERSION = "spine-bench-1"
"""Version of the simulated spines; any change that alters a file changes it."""

BOX_LABEL = "vertebra"

_POINTS = tuple(f"{side}_{part}_{axis}" for side, part in (
    ("superior", "posterior"), ("superior", "middle"), ("superior", "anterior"),
    ("inferior", "anterior"), ("inferior", "middle"), ("inferior", "posterior"),
) for axis in "xy")  # fmt: skip
VERTEBRA_COLUMNS = (
    "vertebra_id", "radiograph_id", "patient_id", "level", "condition", "genant_grade", "height_loss", "signs",
    "anterior_mm", "middle_mm", "posterior_mm", "x0", "y0", "x1", "y1", *_POINTS,
)  # fmt: skip
"""Columns of ``vertebrae.csv``; boxes and points in pixels, as boxes count them."""

_COLUMNS = (
    "radiograph_id", "patient_id", "image", "site", "sex", "age_xray", "height", "weight", "bmi", "smoking",
    "recent_fall", "back_pain", "lumbar_bmd",
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
  back_pain: {unit: 0 none to 10 worst, range: [0, 10]}
categorical:
  sex: [female, male]
  smoking: [never, former, current]
  recent_fall: ["yes", "no"]
site: site
stratify: [sex]
simulated: true
"""
_ASSUMPTIONS = """\
Simulated lateral radiographs of the lumbar spine: computed, no patients, no clinical evidence.
Taken from real people (NHANES 2013-2014): outlines of T11 to L4, the curve of the lying spine, how both vary between
people, how outlines change with Genant grade, and how deformities spread over levels and grades.
ASSUMED, not measured: how a fresh fracture differs from an old one. A fresh one breaks the anterior wall and the upper
endplate and packs trabeculae into a band under an endplate, more or less visibly; an old one is smooth and has no band,
at times spurs or sclerosis, which normal vertebrae have as well. How well a model tells fresh from old on these
radiographs follows from this assumption and says nothing about patients.
ASSUMED as well: how many patients have fresh and old fractures, the grades of fresh ones, 5 % of normal bodies short by
growth, the ties to density, age, fall and pain, L5 and T10, lumbar density and its error, and all other anatomy.
Tube voltages are 80 and 85 kVp.
"""


def simulate_spines(
    root: Path,
    *,
    n: int | None,
    preset: SpinePresetName,
    repeats: int,
    seed: int,
    size: int,
    workers: int | None,
    progress: Progress | None,
) -> Path:
    """Simulate a cohort of spines; the arguments are those of :func:`~xattn_bmd.simulate.cohort.simulate_cohort`.

    Writes ``images/<radiograph_id>.dcm``, ``truth/<radiograph_id>.npz``, ``truth/truth.csv``,
    ``truth/assumptions.txt``, ``boxes.csv`` (one box for each vertebral body that is shown whole), ``vertebrae.csv``
    (the same bodies with condition, Genant grade, heights and six points), ``cohort.yaml`` and, last, ``cohort.csv``.

    That fresh and old fractures differ in the way they do is a modelling assumption.

    Returns:
        The path of ``cohort.csv``.

    Raises:
        SimulationError: for impossible settings, a folder of something else, or a full disk.
    """
    spines = draw_spines(n=n, preset=preset, seed=seed)
    made = {"n": len(spines), "preset": preset, "seed": seed, "size": size, "repeats": repeats}
    shapes = hashlib.sha256(read_asset("spine.npz")).hexdigest()[:16]
    claim(root, settings={"version": SPINE_VERSION, "assets": asset_fingerprint(), "shapes": shapes, **made})
    visits = [replace(spine, index=spine.index * repeats + visit) for spine in spines for visit in range(repeats)]
    contents = functools.partial(_contents, seed, size)
    fill(root, visits, names=_names, contents=contents, workers=workers, progress=progress)
    _write_tables(root, visits)
    return root / "cohort.csv"


def _names(spine: Spine) -> tuple[str, str]:
    return f"truth/{spine.radiograph_id}.npz", f"images/{spine.radiograph_id}.dcm"


def _contents(seed: int, size: int, spine: Spine) -> tuple[bytes, bytes]:
    picture = simulate_spine(spine, seed=seed, size=size)
    return truth_bytes(picture), exam_bytes(picture, _exam(spine))


def _exam(spine: Spine) -> Exam:
    return Exam(
        instance=(spine.letter, spine.seed, spine.index),
        study=(spine.letter, spine.seed, spine.patient),
        patient_id=spine.patient_id,
        patient_name="Simulated^Spine",
        sex=spine.sex,
        age=spine.age_xray,
        hospital=spine.site,
        body_part="LSPINE",
        view="LL",
        laterality="U",
        description="Simulated lateral lumbar spine, not a patient",
        orientation=("P", "F"),
    )


def _write_tables(root: Path, spines: Sequence[Spine]) -> None:
    facts, vertebrae = [], []
    for spine in spines:
        truth = load_spine_truth(root / _names(spine)[0])
        facts.append({"radiograph_id": spine.radiograph_id} | truth.facts)
        for row, level in enumerate(truth.shown):
            finding = spine.findings[LEVELS.index(level)]
            anterior, middle, posterior = truth.heights[row].tolist()
            values = [
                f"{spine.radiograph_id}-{level}", spine.radiograph_id, spine.patient_id, level, finding.condition,
                finding.grade, float(truth.losses[row]), finding.signs, anterior, middle, posterior,
                *truth.boxes[row].tolist(), *truth.points[row].ravel().round(2).tolist(),
            ]  # fmt: skip
            vertebrae.append(dict(zip(VERTEBRA_COLUMNS, values, strict=True)))
    boxes = [{"label": BOX_LABEL, **{k: row[k] for k in (*BOX_COLUMNS, "level") if k != "label"}} for row in vertebrae]
    texts = {
        "truth/truth.csv": csv_text(facts, tuple(facts[0])),
        "truth/assumptions.txt": _ASSUMPTIONS,
        "boxes.csv": csv_text(boxes, (*BOX_COLUMNS, "level")),
        "vertebrae.csv": csv_text(vertebrae, VERTEBRA_COLUMNS),
        "cohort.yaml": _ROLES,
        "cohort.csv": csv_text(_rows(spines), _COLUMNS),
    }
    for name, text in texts.items():
        atomic_write(root / name, text, error=SimulationError)


def _rows(spines: Sequence[Spine]) -> Iterator[dict[str, object]]:
    for spine in spines:
        name = spine.radiograph_id
        row = vars(spine) | {"radiograph_id": name, "patient_id": spine.patient_id, "image": f"{name}.dcm"}
        yield {column: row[column] for column in _COLUMNS}
