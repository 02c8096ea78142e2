"""A folder of simulated radiographs with its table, its roles and its truth."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import multiprocessing
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xattn_bmd.atomic import atomic_write, remove_partials
from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.assets import asset_fingerprint
from xattn_bmd.simulate.dicom import dicom_bytes
from xattn_bmd.simulate.given_people import given_hips
from xattn_bmd.simulate.hip import simulate_hip
from xattn_bmd.simulate.person import Hip, Scale
from xattn_bmd.simulate.presets import PresetName
from xattn_bmd.simulate.subjects import draw_hips
from xattn_bmd.simulate.truth import AREAL_STEP, load_truth, truth_bytes

if TYPE_CHECKING:
    import pandas as pd

VERSION = "hip-bench-1"
"""Version of the simulated hips; any change that alters a file changes it."""

_SMALLEST, _LARGEST = 64, 4096
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
    preset: PresetName | None = None,
    subjects: str | Path | pd.DataFrame | None = None,
    scale: Scale | None = None,
    repeats: int = 1,
    seed: int = 0,
    size: int = 512,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Simulate a cohort of hips: DICOM files, clinical table, roles and truth.

    Writes ``out/images/<radiograph_id>.dcm``, ``out/truth/<radiograph_id>.npz``, ``out/truth/truth.csv``
    (and ``rows.csv``: which row of a table of people each radiograph shows),
    ``out/cohort.yaml`` and, last, ``out/cohort.csv``. The same settings give the same files bit for bit, in any order
    and with any number of workers. A run that was interrupted continues where it stopped.

    Args:
        out: the folder; new, empty, or one that the same settings began.
        n: number of hips, 233 unless stated; about 8 % of the patients contribute two.
        preset: the people and their hospitals: ``"hcs"`` (age 71.6-80.6, 48.9 % women; taken unless stated),
            ``"screening"`` (age 50-85), the external hospitals ``"external_c"`` and ``"external_d"``, or
            ``"pretraining"`` (other femora and processing than all of these); all on the Lunar scale.
        subjects: a table of real people with a measured density, in place of ``n`` and ``preset``; see
            :func:`~xattn_bmd.simulate.given_people.given_hips` for its columns.
        scale: device scale of the table's densities and of the labels, ``"lunar"`` or ``"hologic"``; asked for with
            ``subjects``, Lunar without.
        repeats: radiographs of each hip, each positioned and exposed anew; the label stays.
        seed: 0 or more.  One seed draws the same bones and ids for every preset: take another one for people on whom a
            model is to be validated.
        size: rows and columns of each picture; even, 64 to 4096.
        workers: processes; None takes one per CPU core. With more than one, a script must guard its own
            start by ``if __name__ == "__main__":``.
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
    _check(size, workers, repeats)
    hips = _people(n=n, preset=preset, subjects=subjects, scale=scale, seed=seed)
    root = Path(out)
    people = {"subjects": _digest(hips), "scale": scale} if subjects is not None else {"n": len(hips)}
    drawn = {} if subjects is not None else {"preset": preset or _PRESET}
    made = {"seed": seed, "size": size, "repeats": repeats}
    _claim(root, settings={"version": VERSION, "assets": asset_fingerprint(), **people, **drawn, **made})
    visits = [replace(hip, index=hip.index * repeats + visit) for hip in hips for visit in range(repeats)]
    _radiograph(root, visits, seed=seed, size=size, workers=workers or os.cpu_count() or 1, progress=progress)
    _write_tables(root, visits, scale=scale or "lunar")
    return root / "cohort.csv"


def _people(
    *,
    n: int | None,
    preset: PresetName | None,
    subjects: str | Path | pd.DataFrame | None,
    scale: Scale | None,
    seed: int,
) -> tuple[Hip, ...]:
    if subjects is None:
        if scale not in (None, "lunar"):
            raise SimulationError(f"People of a preset are on the Lunar scale, but scale is {scale!r}; leave it out.")
        return draw_hips(n=_HIPS if n is None else n, preset=preset or _PRESET, seed=seed)
    if n is not None or preset is not None:
        raise SimulationError(
            f"People come from a table or from a preset, but subjects and {'n' if n is not None else 'preset'} were "
            "both given; leave one out."
        )
    return given_hips(subjects, seed=seed, scale=scale)


def _digest(hips: tuple[Hip, ...]) -> str:
    return hashlib.sha256(repr(hips).encode()).hexdigest()[:16]


def _radiograph(
    root: Path,
    hips: list[Hip],
    *,
    seed: int,
    size: int,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Make the radiographs that the folder lacks."""
    for folder in (root, root / "images", root / "truth"):
        remove_partials(folder)
    waiting = [hip for hip in hips if not all(path.exists() for path in _paths(root, hip))]
    finished = len(hips) - len(waiting)
    if progress is not None and finished:
        progress(finished, len(hips))
    for _ in _run(root, waiting, seed=seed, size=size, workers=workers):
        finished += 1
        if progress is not None:
            progress(finished, len(hips))


def _check(size: int, workers: int | None, repeats: int) -> None:
    if not _SMALLEST <= size <= _LARGEST or size % AREAL_STEP:
        raise SimulationError(
            f"The size must be an even number of pixels from {_SMALLEST} to {_LARGEST}, but it is {size}; change it."
        )
    if workers is not None and workers < 1:
        raise SimulationError(f"The simulation needs at least 1 worker, but workers is {workers}; ask for 1 or more.")
    if repeats < 1:
        raise SimulationError(f"Each hip needs at least 1 radiograph, but repeats is {repeats}; ask for 1 or more.")


def _claim(root: Path, *, settings: dict[str, Any]) -> None:
    """Take a folder for these settings, or refuse it."""
    marker = root / "truth" / "settings.json"
    text = json.dumps(settings, indent=1, sort_keys=True) + "\n"
    if marker.is_file():
        if marker.read_text() != text:
            raise SimulationError(
                f"A folder holds one simulated cohort, but {root} was made with other settings "
                f"({_difference(marker, settings)}); choose another folder or delete this one."
            )
        return
    if root.exists() and (root.is_file() or any(p.is_file() and not p.name.startswith(".") for p in root.rglob("*"))):
        raise SimulationError(
            f"A cohort is simulated into a new or empty folder, but {root} holds other files; choose another folder."
        )
    atomic_write(marker, text, error=SimulationError)
    (root / "images").mkdir(exist_ok=True)


def _difference(marker: Path, settings: dict[str, Any]) -> str:
    try:
        before = json.loads(marker.read_text())
        return ", ".join(f"{k} {before.get(k)} instead of {v}" for k, v in settings.items() if before.get(k) != v)
    except (ValueError, AttributeError):
        return "its settings file is damaged"


def _paths(root: Path, hip: Hip) -> tuple[Path, Path]:
    return root / "truth" / f"{hip.radiograph_id}.npz", root / "images" / f"{hip.radiograph_id}.dcm"


def _run(root: Path, hips: list[Hip], *, seed: int, size: int, workers: int) -> Iterable[None]:
    """Make the radiographs, in this process or in several, and yield after each."""
    workers = min(workers, len(hips))
    if workers <= 1:
        for hip in hips:
            _make(root, hip, seed, size)
            yield
        return
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        for future in as_completed([pool.submit(_make, root, hip, seed, size) for hip in hips]):
            future.result()
            yield
    except BrokenProcessPool as cause:
        raise SimulationError(
            f"The simulation runs in {workers} processes, but one could not start or was killed; guard the script by "
            '`if __name__ == "__main__":`, free memory, or set workers=1. Running again continues.'
        ) from cause
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _make(root: Path, hip: Hip, seed: int, size: int) -> None:
    picture = simulate_hip(hip, seed=seed, size=size)
    truth, image = _paths(root, hip)
    atomic_write(truth, truth_bytes(picture), error=SimulationError)
    atomic_write(image, dicom_bytes(picture, hip, seed=seed), error=SimulationError)


def _write_tables(root: Path, hips: list[Hip], *, scale: Scale) -> None:
    facts = [{"radiograph_id": hip.radiograph_id} | load_truth(_paths(root, hip)[0]).facts for hip in hips]
    atomic_write(root / "truth" / "truth.csv", _csv_text(facts, tuple(facts[0])), error=SimulationError)
    if any(hip.row is not None for hip in hips):
        rows = [{"radiograph_id": hip.radiograph_id, "table_row": hip.row} for hip in hips]
        atomic_write(root / "truth" / "rows.csv", _csv_text(rows, tuple(rows[0])), error=SimulationError)
    atomic_write(root / "cohort.yaml", _ROLES.replace("{scale}", scale), error=SimulationError)
    atomic_write(root / "cohort.csv", _csv_text([_row(hip) for hip in hips], _COLUMNS), error=SimulationError)


def _row(hip: Hip) -> dict[str, object]:
    made = {"radiograph_id": hip.radiograph_id, "patient_id": hip.patient_id, "image": f"{hip.radiograph_id}.dcm"}
    return {name: made[name] if name in made else getattr(hip, name) for name in _COLUMNS}


def _csv_text(rows: list[Any], columns: tuple[str, ...]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: round(v, 6) if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    return stream.getvalue()
