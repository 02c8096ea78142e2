"""``simulate`` and ``check``: a cohort before anything is trained on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal


def simulate_command(
    out: str,
    *,
    n: int | None = None,
    preset: Literal[
        "hcs",
        "screening",
        "external_c",
        "external_d",
        "pretraining",
        "chest",
        "chest_external",
        "spine",
        "spine_external",
        "ct",
        "ct_external",
    ]
    | None = None,
    subjects: str | None = None,
    scale: Literal["lunar", "hologic"] | None = None,
    repeats: int = 1,
    seed: int = 0,
    size: int | None = None,
    workers: int | None = None,
) -> None:
    """Simulate radiographs of hips, chests or spines, or lumbar CT, with a clinical table and the truth behind them.

    Args:
        out: folder to write: images/, cohort.csv, cohort.yaml, truth/; also masks/ for chests, boxes.csv
            and vertebrae.csv for spines.
        n: number of radiographs or volumes; 233 hips, 1600 chests, 523 or 140 (spine_external) spines,
            879 or 340 (ct_external) volumes by default.
        preset: kind of people and hospitals; "hcs" (hips, the original study's shape) by default.
        subjects: CSV of real people with a measured density, in place of n and preset.
        scale: DXA scale of that table; asked for with it.
        repeats: radiographs or scans of each hip, chest or spine.
        seed: seed; the same seed gives the same files.
        size: rows and columns of each picture; 512, or 160 for a CT slice, by default.
        workers: processes; all cores by default.
    """
    from xattn_bmd.simulate.cohort import simulate_cohort

    with _bar() as advanced:
        table = simulate_cohort(
            out,
            n=n,
            preset=preset,
            subjects=subjects,
            scale=scale,
            repeats=repeats,
            seed=seed,
            size=size,
            workers=workers,
            progress=advanced,
        )
    print(f"simulated {'volumes' if preset in ('ct', 'ct_external') else 'radiographs'}: {table}")


def check_command(
    cohort: str, *, images: str | None = None, config: str | None = None, masks: str | None = None
) -> None:
    """Read a clinical table and its radiographs and list everything that is wrong with them.

    Args:
        cohort: the clinical table (CSV).
        images: folder of the radiographs; without it only the table is checked.
        config: YAML file of the columns' roles; "cohort.yaml" beside the table by default.
        masks: folder of masks named by radiograph id, PNG or NIfTI, or truth/REGION of simulated radiographs.
    """
    from xattn_bmd.bone.reference import get_reference
    from xattn_bmd.data.cohort import Cohort

    opened = Cohort.from_csv(cohort, images=images, config=config, masks=masks)
    if opened.roles.reference is not None:
        get_reference(opened.roles.reference)
    opened.require_valid(require_images=images is not None, read_images=images is not None)
    for problem in opened.check(require_images=images is not None):
        print(f"note: {problem.message}")
    print(f"no errors: {len(opened)} radiographs of {len(set(opened.patient_ids))} patients")


def simulate_with_bar(out: Path, *, n: int, seed: int, workers: int | None) -> Path:
    """Simulate a cohort of the shape of the original study, show how far it is, and return its table."""
    from xattn_bmd.simulate.cohort import simulate_cohort

    with _bar() as advanced:
        return simulate_cohort(out, n=n, seed=seed, workers=workers, progress=advanced)


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("simulating radiographs", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
