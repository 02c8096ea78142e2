"""A folder of simulated radiographs: claimed for one set of settings, filled by any number of workers, continued."""

from __future__ import annotations

import csv
import functools
import io
import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

from xattn_bmd.atomic import atomic_write, remove_partials
from xattn_bmd.errors import SimulationError

Person = TypeVar("Person")
Progress = Callable[[int, int], None]
"""Called with (finished, total) after every radiograph."""

_FOR_ONE_PROCESS = 16
_SETTINGS = "truth/settings.json"


def claim(root: Path, *, settings: Mapping[str, Any]) -> None:
    """Take a folder for these settings; one that the same settings began is taken again.

    Args:
        root: the folder; new, empty, or begun by the same settings.
        settings: all that decides the content of the files.

    Raises:
        SimulationError: for a folder of other settings or with other files, or a full disk.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> claim(root, settings={"seed": 0})
        >>> (root / "truth" / "settings.json").is_file()
        True
    """
    marker = root / _SETTINGS
    text = json.dumps(dict(settings), indent=1, sort_keys=True) + "\n"
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


def fill(
    root: Path,
    people: Sequence[Person],
    *,
    names: Callable[[Person], tuple[str, ...]],
    contents: Callable[[Person], tuple[bytes, ...]],
    workers: int | None,
    progress: Progress | None,
) -> None:
    """Make the radiographs that the folder lacks; whoever has all files is left alone.

    Args:
        root: the claimed folder.
        people: one for each radiograph.
        names: the files of a radiograph, relative to ``root``.
        contents: what they hold, in the same order; a function of the person alone. Both functions are pickled where
            there are several workers.
        workers: processes; None takes one per CPU core, and one alone for each 16 radiographs that are still to make.
        progress: called after every radiograph.

    Raises:
        SimulationError: where the disk is full or a worker was killed; running again continues.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> named, content = lambda who: (f"images/{who}.txt",), lambda who: (who.encode(),)
        >>> fill(root, ["a", "b"], names=named, contents=content, workers=1, progress=None)
        >>> (root / "images" / "b.txt").read_text()
        'b'
    """
    for folder in {root, *((root / name).parent for person in people[:1] for name in names(person))}:
        remove_partials(folder)
    waiting = [person for person in people if not all((root / name).exists() for name in names(person))]
    finished = len(people) - len(waiting)
    if progress is not None and finished:
        progress(finished, len(people))
    for _ in _run(
        functools.partial(_make, root, names, contents), waiting, workers=workers or _worth_starting(len(waiting))
    ):
        finished += 1
        if progress is not None:
            progress(finished, len(people))


def csv_text(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    r"""Return a table as CSV text, numbers to six decimals.

    Example:
        >>> csv_text([{"id": "a", "bmd": 1 / 3}], ("id", "bmd"))
        'id,bmd\na,0.333333\n'
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: round(v, 6) if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    return stream.getvalue()


def _difference(marker: Path, settings: Mapping[str, Any]) -> str:
    try:
        before = json.loads(marker.read_text())
        return ", ".join(f"{k} {before.get(k)} instead of {v}" for k, v in settings.items() if before.get(k) != v)
    except (ValueError, AttributeError):
        return "its settings file is damaged"


def _worth_starting(radiographs: int) -> int:
    """Return how many processes to take: each spends seconds on its start."""
    return max(1, min(os.cpu_count() or 1, radiographs // _FOR_ONE_PROCESS))


def _run(make: Callable[[Person], None], people: Sequence[Person], *, workers: int) -> Iterable[None]:
    """Make the radiographs, in this process or in several, and yield after each."""
    workers = min(workers, len(people))
    if workers <= 1:
        for person in people:
            make(person)
            yield
        return
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        for future in as_completed([pool.submit(make, person) for person in people]):
            future.result()
            yield
    except BrokenProcessPool as cause:
        raise SimulationError(
            f"The simulation runs in {workers} processes, but one could not start or was killed; guard the script by "
            '`if __name__ == "__main__":`, free memory, or set workers=1. Running again continues.'
        ) from cause
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _make(
    root: Path,
    names: Callable[[Person], tuple[str, ...]],
    contents: Callable[[Person], tuple[bytes, ...]],
    person: Person,
) -> None:
    for name, content in zip(names(person), contents(person), strict=True):
        atomic_write(root / name, content, error=SimulationError)
