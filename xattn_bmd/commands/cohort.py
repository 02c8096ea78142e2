"""``simulate`` and ``check``: a cohort before anything is trained on it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def simulate_command(
    out: str, *, n: int = 233, preset: Literal["hcs", "screening"] = "hcs", seed: int = 0, workers: int | None = None
) -> None:
    """Simulate hip radiographs as DICOM files with a clinical table and the truth behind them.

    Args:
        out: folder to write: images/, cohort.csv, cohort.yaml, truth/.
        n: number of radiographs.
        preset: kind of people: "hcs" (the original study's shape) or "screening" (age 50 to 85).
        seed: seed; the same seed gives the same files.
        workers: processes; all cores by default.
    """
    table = simulate_with_bar(Path(out), n=n, preset=preset, seed=seed, workers=workers)
    print(f"{n} simulated radiographs: {table}")


def check_command(cohort: str, *, images: str | None = None, config: str | None = None) -> None:
    """Read a clinical table and its radiographs and list everything that is wrong with them.

    Args:
        cohort: the clinical table (CSV).
        images: folder of the radiographs; without it only the table is checked.
        config: YAML file of the columns' roles; "cohort.yaml" beside the table by default.
    """
    from xattn_bmd.bone.reference import get_reference
    from xattn_bmd.data.cohort import Cohort

    opened = Cohort.from_csv(cohort, images=images, config=config)
    if opened.roles.reference is not None:
        get_reference(opened.roles.reference)
    opened.require_valid(require_images=images is not None, read_images=images is not None)
    for problem in opened.check(require_images=images is not None):
        print(f"note: {problem.message}")
    print(f"no errors: {len(opened)} radiographs of {len(set(opened.patient_ids))} patients")


def simulate_with_bar(
    out: Path, *, n: int, preset: Literal["hcs", "screening"], seed: int, workers: int | None
) -> Path:
    """Simulate a cohort, show how far it is, and return its table."""
    from rich.console import Console
    from rich.progress import Progress

    from xattn_bmd.simulate.cohort import simulate_cohort

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("simulating radiographs", total=n)
        return simulate_cohort(
            out,
            n=n,
            preset=preset,
            seed=seed,
            workers=workers,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
