"""A copy of JSRT and SCR to a cohort folder, checked whole before anything is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pandas as pd
import yaml

from xattn_bmd.atomic import atomic_write, remove_partials
from xattn_bmd.data.jsrt.clinical import read_people
from xattn_bmd.data.jsrt.damage import picture_problems
from xattn_bmd.data.jsrt.files import ORGANS, SourceFiles, find_files
from xattn_bmd.data.jsrt.film import film_dicom, film_levels
from xattn_bmd.data.jsrt.masks import mask_png, read_mask
from xattn_bmd.data.jsrt.report import JsrtConversion, report_of
from xattn_bmd.data.jsrt.table import cohort_table, read_densities, value_problems
from xattn_bmd.data.roles import CohortRoles
from xattn_bmd.errors import CohortError

VERSION = "jsrt-1"
"""Version of the written pictures; any change that alters one changes it."""

_MARKER = "sources.json"


def convert_jsrt(
    jsrt: str | Path,
    scr: str | Path,
    out: str | Path,
    *,
    densities: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> JsrtConversion:
    """Make a cohort folder from the JSRT chest radiographs and the SCR masks that you hold.

    Their licences forbid passing them on: this library contains and fetches none of them, and what is written here
    must stay with you, too.

    Writes ``out/images/<id>.dcm`` (levels unchanged, MONOCHROME1, 0.175 mm), ``out/masks/clavicle/<id>.png``, likewise
    ``lungs`` and ``heart`` (both sides in one, 0 and 255, each pixel of SCR as 2 x 2 of the radiograph),
    ``out/cohort.csv`` and, last, ``out/cohort.yaml``.  JSRT measured no density: without ``densities`` the cohort
    serves prediction only.  JSRT names no patients, so each radiograph is taken as a patient of its own.  Everything
    is checked before anything is written; a run that was interrupted continues where it stopped, and a finished folder
    takes another table of densities.

    Files are found by name, in upper or lower case, in the folders given and in all folders below, hence in
    ``All247images/`` or ``Nodule154images/`` and ``NonNodule93images/``, with the clinical texts ``CLNDAT_EN.txt`` and
    ``CNNDAT_EN.TXT`` anywhere below ``jsrt``; masks in ``fold1/masks/left clavicle/`` and ``fold2/masks/...``, or in
    ``left clavicle/`` alone.  Some of the 247 radiographs are enough.

    Args:
        jsrt: folder of the files ``JPCLN001.IMG`` to ``JPCNN093.IMG``: 2048 x 2048, 16-bit big-endian, 12 bits used.
        scr: folder of the masks, 1024 x 1024 GIF files with the levels 0 and 255; may be the same folder.
        out: the folder to write: new, empty, or one that the same files began.
        densities: CSV with the columns ``radiograph_id`` (as ``JPCLN001``) and ``density`` (g/cm²).
        progress: called with (finished, total) steps; each radiograph is one to check and one to write.

    Returns:
        The table's path, and what is missing: masks, age and sex, densities.

    Raises:
        CohortError: if something in the folders or the table is wrong, with a numbered list of everything; if ``out``
            holds something else; or if the disk is full.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from PIL import Image
        >>> home = Path(tempfile.mkdtemp())
        >>> levels = np.arange(2048 * 2048).reshape(2048, 2048) % 4096
        >>> _ = (home / "JPCNN001.IMG").write_bytes(levels.astype(">u2").tobytes())
        >>> for side in ("left clavicle", "right clavicle"):
        ...     (home / side).mkdir()
        ...     mask = Image.new("L", (1024, 1024))
        ...     mask.paste(255, (100, 100, 200, 120))
        ...     mask.save(home / side / "JPCNN001.gif")
        >>> done = convert_jsrt(home, home, home / "cohort")
        >>> done.table.name, done.radiographs, done.without_mask["heart"]
        ('cohort.csv', 1, ('JPCNN001',))
    """
    root = Path(out)
    source = find_files(Path(jsrt), Path(scr))
    names = list(source.radiographs)
    people, unreadable = read_people(source.clinical)
    given, mistaken = (None, []) if densities is None else read_densities(Path(densities), radiographs=names)
    table, roles = cohort_table(names, people=people, densities=given)
    step = _steps(progress, total=2 * len(names))
    digest, damaged = picture_problems(source, step=step)
    _refuse([*source.problems, *unreadable, *mistaken, *value_problems(table, roles=roles), *damaged])
    _claim(root, digest=digest)
    for name in names:
        _write_pictures(root, name, source=source)
        step()
    _write_tables(root, table, roles=roles)
    return report_of(root / "cohort.csv", source=source, table=table, roles=roles)


def _steps(progress: Callable[[int, int], None] | None, *, total: int) -> Callable[[], None]:
    finished = count(1)
    return lambda: None if progress is None else progress(next(finished), total)


def _refuse(problems: list[str]) -> None:
    if problems:
        lines = [f"{number}. {problem}" for number, problem in enumerate(problems, start=1)]
        raise CohortError(f"JSRT, SCR or the densities have {len(problems)} problem(s) to mend:\n" + "\n".join(lines))


def _claim(root: Path, *, digest: str) -> None:
    """Take a folder for these files, or refuse it."""
    marker = root / _MARKER
    text = json.dumps({"version": VERSION, "sources": digest}, indent=1) + "\n"
    if marker.is_file():
        if marker.read_text(encoding="utf-8") != text:
            raise CohortError(
                f"A folder holds one conversion of JSRT, but {root} was made from other files or by another version; "
                "choose another folder or delete this one."
            )
    elif root.exists() and (root.is_file() or any(not path.name.startswith(".") for path in root.iterdir())):
        raise CohortError(
            f"JSRT is converted into a new or empty folder, but {root} holds other files; choose another folder."
        )
    else:
        atomic_write(marker, text, error=CohortError)
    for folder in (root, root / "images", *(root / "masks" / organ for organ in ORGANS)):
        remove_partials(folder)


def _write_pictures(root: Path, name: str, *, source: SourceFiles) -> None:
    """Write the radiograph and the masks that the folder lacks."""
    image = root / "images" / f"{name}.dcm"
    if not image.exists():
        path = source.radiographs[name]
        levels = film_levels(path.read_bytes(), name=path.name)
        atomic_write(image, film_dicom(levels, radiograph=name), error=CohortError)
    for organ in ORGANS:
        mask, parts = root / "masks" / organ / f"{name}.png", source.parts(name, organ)
        if parts and not mask.exists():
            read = [read_mask(path.read_bytes(), name=path.name) for path in parts]
            atomic_write(mask, mask_png(read), error=CohortError)


def _write_tables(root: Path, table: pd.DataFrame, *, roles: CohortRoles) -> None:
    """Write the table, then the roles; a folder without roles is not finished."""
    (root / "cohort.yaml").unlink(missing_ok=True)
    atomic_write(root / "cohort.csv", table.to_csv(index=False, lineterminator="\n"), error=CohortError)
    text = yaml.safe_dump(roles.to_dict(), sort_keys=False, allow_unicode=True)
    atomic_write(root / "cohort.yaml", text, error=CohortError)
