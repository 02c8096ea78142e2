"""Writing a report: one HTML file, and beside it the same figures and tables as files."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from xattn_bmd.atomic import atomic_folder, atomic_write
from xattn_bmd.errors import RunError
from xattn_bmd.metrics.intervals import REPLICATES
from xattn_bmd.models.origin import saw_simulated_hips
from xattn_bmd.report.classes.contents import class_contents
from xattn_bmd.report.classes.source import classes_of, refuse_reference
from xattn_bmd.report.contents import Contents
from xattn_bmd.report.evidence import gather
from xattn_bmd.report.figures.save import save_figure
from xattn_bmd.report.html import Page, page_html
from xattn_bmd.report.material import Material
from xattn_bmd.report.page import Picture, Section, pictures
from xattn_bmd.report.sections import (
    agreement,
    attention,
    classes,
    cohort,
    comparison,
    explanations,
    external,
    inputs,
    key,
    masks,
    methods,
    provenance,
    reporting,
    screening,
    subgroups,
    uncertainty,
    utility,
)
from xattn_bmd.report.source import open_source

if TYPE_CHECKING:
    import pandas as pd

PAGE, FILES = "report.html", "report"
OPTIMISTIC = "OPTIMISTIC: each checkpoint was chosen on the fold that is scored here (protocol 'paper')."
NOT_FOR_DIAGNOSIS = "Research report. Not for diagnosis or treatment of anybody."
UNKNOWN = "The source does not say whether the {} are simulated, nor how the predictions were made."

SECTIONS: tuple[Callable[[Material], Section], ...] = (
    key.section,
    cohort.section,
    comparison.section,
    external.section,
    inputs.section,
    masks.section,
    agreement.section,
    screening.section,
    classes.section,
    utility.section,
    uncertainty.section,
    subgroups.section,
    attention.section,
    explanations.section,
    provenance.folds,
    provenance.settings,
    methods.section,
    reporting.section,
)
"""Every section, in the order of the page."""

_LARGE_SVG = 4.0
"""An SVG this many times the size of its PNG is replaced by it in the page."""


def write_report(
    path: str | Path,
    *,
    out: str | Path | None = None,
    reference: str | None = None,
    record: str | Path | None = None,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> Path:
    """Write the report of a run, or of a predictions table.

    The page is ``report.html``; ``report/figures`` and ``report/tables`` beside it hold the same figures (SVG, PNG) and
    tables (CSV).  The same source gives the same bytes.  An earlier report in the same place is replaced.

    Args:
        path: a finished run folder, or a predictions table; of classes, a finished run or evaluation.
        out: folder to write in; the run folder itself, or ``NAME-report`` beside a table, by default.
        reference: name of the reference population, or of the cut-offs of QCT; a run knows its own.
        record: CSV file of clinical variables with ``radiograph_id``.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        The page.

    Raises:
        RunError: if the source cannot be opened or the disk cannot be written; nothing is half-written.
        ConfigError: if the reference is not known.
        MetricError: if the table or the record cannot be used.
    """
    if classes := classes_of(Path(path)):
        refuse_reference(reference)
        contents = class_contents(Path(path), classes=classes, record=record, seed=seed, replicates=replicates)
    else:
        contents = _density_contents(path, reference, record, seed=seed, replicates=replicates)
    folder = _folder(contents.path, out)
    # The files come first: whoever finds the page finds all that it was made with.
    fresh = folder / f".{FILES}-new"
    _clear(fresh)
    with atomic_folder(fresh) as files:
        drawings = {picture.name: _saved(picture, files / "figures") for picture in pictures(contents.sections)}
        _save_tables(contents.tables, files / "tables")
        page = page_html(_page(contents, drawings))
    _replace(fresh, folder / FILES)
    atomic_write(folder / PAGE, page)
    return folder / PAGE


def _density_contents(
    path: str | Path, reference: str | None, record: str | Path | None, *, seed: int, replicates: int
) -> Contents:
    source = open_source(path, reference=reference, record=record)
    evidence = gather(source, seed=seed, replicates=replicates)
    material = Material(source=source, evidence=evidence)
    return Contents(
        path=source.path,
        title=f"Bone mineral density from {source.words.images}: evaluation report",
        subtitle=f"{', '.join(material.models)}; {material.counted}",
        sections=tuple(make(material) for make in SECTIONS),
        tables=evidence.tables(),
        words=source.words,
        simulated=source.simulated,
        optimistic=source.optimistic,
        image_encoder=source.image_encoder,
    )


def _folder(path: Path, out: str | Path | None) -> Path:
    folder = path if path.is_dir() else path.with_name(f"{path.stem}-report")
    folder = Path(out) if out is not None else folder
    if folder.exists() and not folder.is_dir():
        raise RunError(f"A report is written into a folder, but {folder} is a file; choose another --out.")
    return folder


def _page(source: Contents, drawings: dict[str, str]) -> Page:
    banners = [
        *([("alarm", source.words.simulated())] if source.simulated else []),
        *([("alarm", OPTIMISTIC)] if source.optimistic else []),
        *([("plain", UNKNOWN.format(source.words.images))] if source.simulated is None else []),
        *([("plain", f"Image encoder: {source.image_encoder}.")] if saw_simulated_hips(source.image_encoder) else []),
        ("plain", NOT_FOR_DIAGNOSIS),
    ]
    return Page(
        title=source.title,
        subtitle=source.subtitle,
        banners=tuple(banners),
        sections=source.sections,
        drawings=drawings,
        made_with=f"Made with xattn-bmd {_version()} from tables alone; figures and tables lie in the folder {FILES}.",
    )


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("xattn-bmd")
    except PackageNotFoundError:
        return "(not installed)"


def _saved(picture: Picture, folder: Path) -> str:
    """Store a figure, and return what the page shows: the SVG, or the PNG where that is much smaller."""
    save_figure(picture.figure, folder / picture.name)
    svg = (folder / f"{picture.name}.svg").read_text(encoding="utf-8")
    png = (folder / f"{picture.name}.png").read_bytes()
    if len(svg) > _LARGE_SVG * len(png):
        return f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return labelled(svg[svg.index("<svg") :], picture.label)


def labelled(svg: str, label: str) -> str:
    """Return an SVG element that tells what it shows to readers who do not see it."""
    from xml.sax.saxutils import quoteattr

    return svg.replace('<svg role="img"', f'<svg role="img" aria-label={quoteattr(label)}', 1)


def _save_tables(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, table in tables.items():
        if len(table.columns):
            (folder / f"{name}.csv").write_text(table.to_csv(index=False), encoding="utf-8")


def _replace(fresh: Path, target: Path) -> None:
    """Put a finished folder in the place of an older one."""
    old = target.with_name(f".{target.name}-old")
    _clear(old)
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    _clear(old)


def _clear(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
