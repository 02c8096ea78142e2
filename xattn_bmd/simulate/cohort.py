"""A folder of simulated radiographs with its table, its roles and its truth."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from xattn_bmd.atomic import atomic_write
from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.assets import asset_fingerprint
from xattn_bmd.simulate.chest.cohort import simulate_chests
from xattn_bmd.simulate.chest.presets import CHEST_PRESETS, ChestPresetName
from xattn_bmd.simulate.ct.cohort import simulate_ct
from xattn_bmd.simulate.ct.presets import CT_PRESETS, CtPresetName
from xattn_bmd.simulate.dicom import dicom_bytes
from xattn_bmd.simulate.folder import claim, csv_text, fill
from xattn_bmd.simulate.given_people import given_hips
from xattn_bmd.simulate.hip import simulate_hip
from xattn_bmd.simulate.person import Hip, Scale
from xattn_bmd.simulate.presets import PRESETS, PresetName
from xattn_bmd.simulate.spine.cohort import simulate_spines
from xattn_bmd.simulate.spine.presets import SPINE_PRESETS, SpinePresetName
from xattn_bmd.simulate.subjects import draw_hips
from xattn_bmd.simulate.truth import AREAL_STEP, load_truth, truth_bytes

if TYPE_CHECKING:
    import pandas as pd

VERSION = "hip-bench-1"
"""Version of the simulated hips; any change that alters a file changes it."""

_SMALLEST, _LARGEST = 64, 4096
_SIZE, _CT_SIZE = 512, 160
_HIPS = 233
_PRESET: PresetName = "hcs"
_COLUMNS = (
    "radiograph_id", "patient_id", "image", "side", "site", "sex", "age_xray", "age_dxa", "height", "weight", "bmi",
    "smoking", "alcohol", "activity", "diet", "fn_bmd",
)  # fmt: skip
_ROLES = """\
id: radiograph_id
patient: patient_id
image: image
target: {column: fn_bmd, unit: g/cm2, range: [0.2, 2.0]}
reference: {scale}_femoral_neck_white_female
numeric:
  age_xray: {unit: years, range: [18, 110]}
  age_dxa: {unit: years, range: [18, 110]}
  height: {unit: cm, range: [100, 230]}
  weight: {unit: kg, range: [25, 250]}
  bmi: {unit: kg/m2, range: [10, 80]}
  alcohol: {unit: drinks/week, range: [0, 250]}
  activity: {unit: MET-min/week, range: [0, 60000]}
  diet: {unit: 1 excellent to 5 poor, range: [1, 5]}
categorical:
  sex: [female, male]
  smoking: [never, former, current]
site: site
side: side
stratify: [sex]
simulated: true
"""


def simulate_cohort(
    out: str | Path,
    *,
    n: int | None = None,
    preset: PresetName | ChestPresetName | SpinePresetName | CtPresetName | None = None,
    subjects: str | Path | pd.DataFrame | None = None,
    scale: Scale | None = None,
    repeats: int = 1,
    seed: int = 0,
    size: int | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Simulate a cohort of hips, chests, lumbar spines or lumbar CT volumes: files, clinical table, roles and truth.

    Writes ``out/images/<radiograph_id>.dcm``, ``out/truth/<radiograph_id>.npz``, ``out/truth/truth.csv``
    (and ``rows.csv``: which row of a table of people each radiograph shows),
    ``out/cohort.yaml`` and, last, ``out/cohort.csv``; chests also have ``out/masks/clavicle/<radiograph_id>.png``, and
    spines ``out/boxes.csv`` and ``out/vertebrae.csv`` with the condition of every vertebral body. The same settings
    give the same files bit for bit, in any order and with any number of workers. A run that was interrupted continues
    where it stopped.

    Args:
        out: the folder; new, empty, or one that the same settings began.
        n: number of hips, 233 unless stated, about 8 % of whose patients contribute two; of chests, 1600 unless
            stated; of spines, 523 (``"spine"``) or 140 (``"spine_external"``); or of CT volumes, 879 (``ct``) or 340
            (``ct_external``).
        preset: the people and their hospitals: ``"hcs"`` (age 71.6-80.6, 48.9 % women; taken unless stated),
            ``"screening"`` (age 50-85), the external hospitals ``"external_c"`` and ``"external_d"``, or
            ``"pretraining"`` (other femora and processing than all of these). Chest radiographs with clavicle masks
            and lumbar density: ``"chest"``, and the external hospital ``"chest_external"``; that clavicular mineral
            goes with lumbar density by r = 0.85 is assumed. Lateral lumbar spines with normal, old and freshly
            fractured vertebrae: ``"spine"``, and the external hospital ``"spine_external"``; how fresh and old
            differ is assumed. All on the Lunar scale. CT volumes of the lumbar spine with QCT density: ``"ct"``, and
            the three external hospitals ``"ct_external"``; see :func:`~xattn_bmd.simulate.ct.cohort.simulate_ct` for
            their files and further options.
        subjects: a table of real people with a measured density, in place of ``n`` and ``preset``; see
            :func:`~xattn_bmd.simulate.given_people.given_hips` for its columns.
        scale: device scale of the table's densities and of the labels, ``"lunar"`` or ``"hologic"``; asked for with
            ``subjects``, Lunar without.
        repeats: radiographs of each patient's bone, each positioned and exposed anew; the label stays.
        seed: 0 or more.  One seed draws the same bones and ids for every preset: take another one for people on whom a
            model is to be validated.
        size: rows and columns of each picture; even, 64 to 4096; 512 unless stated. Of a CT slice 32 to 1024; 160
            unless stated.
        workers: processes; None takes one per CPU core, and one alone for each 16 radiographs. With more than one, a
            script must guard its own start by ``if __name__ == "__main__":``.
        progress: called with (finished, total) after every radiograph.

    Returns:
        The path of ``cohort.csv``.

    Raises:
        SimulationError: for impossible settings or people, a folder that other settings or another program made, a
            damaged installation, or a full disk; nothing half-written stays.

    Example:
        >>> import tempfile
        >>> table = simulate_cohort(tempfile.mkdtemp(), n=2, size=64, workers=1)
        >>> table.name, len(table.read_text().splitlines())
        ('cohort.csv', 3)
    """
    _check_people(n=n, preset=preset, subjects=subjects, scale=scale)
    if preset == "ct" or preset == "ct_external":
        side = _CT_SIZE if size is None else size
        return simulate_ct(
            out, n=n, preset=preset, repeats=repeats, seed=seed, size=side, workers=workers, progress=progress
        )
    size = _SIZE if size is None else size
    _check(size, workers, repeats)
    root = Path(out)
    if preset == "chest" or preset == "chest_external":
        return simulate_chests(
            root, n=n, preset=preset, repeats=repeats, seed=seed, size=size, workers=workers, progress=progress
        )
    if preset == "spine" or preset == "spine_external":
        return simulate_spines(
            root, n=n, preset=preset, repeats=repeats, seed=seed, size=size, workers=workers, progress=progress
        )
    hips, settings = _hips(n=n, preset=preset, subjects=subjects, scale=scale, seed=seed)
    made = {"seed": seed, "size": size, "repeats": repeats}
    claim(root, settings={"version": VERSION, "assets": asset_fingerprint(), **settings, **made})
    visits = [replace(hip, index=hip.index * repeats + visit) for hip in hips for visit in range(repeats)]
    contents = functools.partial(_contents, seed, size)
    fill(root, visits, names=_names, contents=contents, workers=workers, progress=progress)
    _write_tables(root, visits, scale=scale or "lunar")
    return root / "cohort.csv"


def _hips(
    *,
    n: int | None,
    preset: PresetName | None,
    subjects: str | Path | pd.DataFrame | None,
    scale: Scale | None,
    seed: int,
) -> tuple[tuple[Hip, ...], dict[str, object]]:
    """Return the hips of a table or of a preset, and what tells them apart from others."""
    if subjects is not None:
        hips = given_hips(subjects, seed=seed, scale=scale)
        return hips, {"subjects": _digest(hips), "scale": scale}
    hips = draw_hips(n=_HIPS if n is None else n, preset=preset or _PRESET, seed=seed)
    return hips, {"n": len(hips), "preset": preset or _PRESET}


def _digest(hips: tuple[Hip, ...]) -> str:
    return hashlib.sha256(repr(hips).encode()).hexdigest()[:16]


def _check(size: int, workers: int | None, repeats: int) -> None:
    if not _SMALLEST <= size <= _LARGEST or size % AREAL_STEP:
        raise SimulationError(
            f"The size must be an even number of pixels from {_SMALLEST} to {_LARGEST}, but it is {size}; change it."
        )
    if workers is not None and workers < 1:
        raise SimulationError(f"The simulation needs at least 1 worker, but workers is {workers}; ask for 1 or more.")
    if repeats < 1:
        raise SimulationError(f"Each hip needs at least 1 radiograph, but repeats is {repeats}; ask for 1 or more.")


def _check_people(
    *, n: int | None, preset: str | None, subjects: str | Path | pd.DataFrame | None, scale: Scale | None
) -> None:
    known = (*PRESETS, *CHEST_PRESETS, *SPINE_PRESETS, *CT_PRESETS)
    if preset is not None and preset not in known:
        raise SimulationError(f"The preset must be one of {', '.join(known)}, but it is {preset!r}; name another.")
    if subjects is None and scale not in (None, "lunar"):
        raise SimulationError(f"People of a preset are on the Lunar scale, but scale is {scale!r}; leave it out.")
    if subjects is not None and (n is not None or preset is not None):
        raise SimulationError(
            f"People come from a table or from a preset, but subjects and {'n' if n is not None else 'preset'} were "
            "both given; leave one out."
        )


def _names(hip: Hip) -> tuple[str, str]:
    return f"truth/{hip.radiograph_id}.npz", f"images/{hip.radiograph_id}.dcm"


def _contents(seed: int, size: int, hip: Hip) -> tuple[bytes, bytes]:
    picture = simulate_hip(hip, seed=seed, size=size)
    return truth_bytes(picture), dicom_bytes(picture, hip, seed=seed)


def _write_tables(root: Path, hips: list[Hip], *, scale: Scale) -> None:
    facts = [{"radiograph_id": hip.radiograph_id} | load_truth(root / _names(hip)[0]).facts for hip in hips]
    atomic_write(root / "truth" / "truth.csv", csv_text(facts, tuple(facts[0])), error=SimulationError)
    if any(hip.row is not None for hip in hips):
        rows = [{"radiograph_id": hip.radiograph_id, "table_row": hip.row} for hip in hips]
        atomic_write(root / "truth" / "rows.csv", csv_text(rows, tuple(rows[0])), error=SimulationError)
    atomic_write(root / "cohort.yaml", _ROLES.replace("{scale}", scale), error=SimulationError)
    atomic_write(root / "cohort.csv", csv_text([_row(hip) for hip in hips], _COLUMNS), error=SimulationError)


def _row(hip: Hip) -> dict[str, object]:
    made = {"radiograph_id": hip.radiograph_id, "patient_id": hip.patient_id, "image": f"{hip.radiograph_id}.dcm"}
    return {name: made[name] if name in made else getattr(hip, name) for name in _COLUMNS}
