"""Target 4: what a second run, fold and repeat open and decode, and how fast the cache opens."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from job import Job
from measured import Measured

from xattn_bmd import Cohort, CohortDataModule, FoldPlan, ImageConfig
from xattn_bmd.data.cache import cached_images


def second_run(n: int, scratch: Path, *, repeats: int) -> list[Measured]:
    """Count the files that a second run, fold and repeat open and decode, and time the opening of the cache."""
    job = Job(radiographs=n, rows=300, columns=240)
    folder, image = scratch / "second_cache", ImageConfig(size=job.size)
    cohort = Cohort.from_csv(job.folder() / "cohort.csv")
    with _image_openings(job.folder() / "images") as first:
        decoded_first = cached_images(cohort.image_paths, image=image, folder=folder).decoded
    with _image_openings(job.folder() / "images") as again:
        decoded = cached_images(cohort.image_paths, image=image, folder=folder).decoded
        plan = FoldPlan.make(cohort, folds=2, repeats=2, seed=0)
        for repeat, fold in ((0, 1), (1, 0)):
            data = CohortDataModule(cohort, plan=plan, repeat=repeat, fold=fold, image=image, cache=folder)
            data.prepare_data()
            data.setup()
            data.batch(next(iter(data.train_dataloader())), epoch=0)
    seconds = []
    for _ in range(10 * repeats):
        begin = time.perf_counter()
        cached_images(cohort.image_paths, image=image, folder=folder)
        seconds.append(time.perf_counter() - begin)
    note = f"n = {n}; the first run decoded {decoded_first} files and opened image files {len(first)} times"
    return [
        Measured("4 files decoded by a second run", "0", decoded, "files", 1, note),
        Measured("4 image files opened by a second run, fold and repeat", "0", len(again), "files", 1, note),
        Measured("4 cache opens", "< 50", 1000 * statistics.median(seconds), "ms", len(seconds), f"n = {n}, warm"),
    ]


@contextmanager
def _image_openings(folder: Path) -> Iterator[list[str]]:
    """Collect every opening of a file in a folder, by whatever library; the interpreter itself reports them."""
    opened: list[str] = []
    active, within = [True], str(folder.absolute())

    def heard(event: str, details: tuple[object, ...]) -> None:
        if active[0] and event == "open" and isinstance(details[0], str) and details[0].startswith(within):
            opened.append(details[0])

    sys.addaudithook(heard)
    yield opened
    active[0] = False
