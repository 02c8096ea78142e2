"""The page of a search: what was tried, what was chosen, and how far it may be believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xattn_bmd.atomic import atomic_write
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.errors import RunError
from xattn_bmd.report.figures.save import save_figure, svg_text
from xattn_bmd.report.figures.search_history import search_history
from xattn_bmd.report.figures.search_importance import search_importance
from xattn_bmd.report.html import Page, page_html
from xattn_bmd.report.page import Block, Cell, Code, Picture, Prose, Section, Table, Terms, pictures
from xattn_bmd.report.words import Words, words_of
from xattn_bmd.report.write import NOT_FOR_DIAGNOSIS

if TYPE_CHECKING:
    import pandas as pd

PAGE = "search.html"
OPTIMISTIC = "OPTIMISTIC: the folds that chose the configuration score it (flat search)."
_MOST_FAILED, _PLACES = 20, 4
_DENSITIES = ("_mae", "_mse")


def write_search_page(folder: Path) -> Path:
    """Write ``search.html`` in the folder of a finished search, and its figures beside it in ``figures``.

    Args:
        folder: holds ``search.json``, ``trials.csv``, ``scores.csv``, ``importance.csv`` and ``best.yaml``.

    Returns:
        The page.

    Raises:
        RunError: if a file is missing, or the disk is full.
    """
    import pandas as pd

    try:
        record = json.loads((folder / "search.json").read_text())
        trials, scores, importance = (
            pd.read_csv(folder / f"{name}.csv") for name in ("trials", "scores", "importance")
        )
        best = (folder / "best.yaml").read_text()
    except OSError as cause:
        raise RunError(
            f"The page of a search is made from its tables, but {folder} lacks one ({cause.filename}); run the same "
            "`tune` command again to write it."
        ) from cause
    sections = (
        Section(name="scores", title="What was chosen, and how it did", blocks=_chosen(record, scores, best)),
        Section(name="history", title="How the search went", blocks=_history(record, trials, importance)),
        Section(name="failed", title="Trials that failed or do not count", blocks=_failed(trials)),
        Section(name="space", title="What was searched", blocks=_space(record)),
    )
    drawings = {}
    for picture in pictures(sections):
        save_figure(picture.figure, folder / "figures" / picture.name)
        drawings[picture.name] = svg_text(picture.figure, label=picture.label)
    atomic_write(folder / PAGE, page_html(_page(record, sections, drawings)))
    return folder / PAGE


def _page(record: dict[str, Any], sections: tuple[Section, ...], drawings: dict[str, str]) -> Page:
    banners = [
        *([("alarm", _words(record).simulated())] if record["simulated"] else []),
        *([] if record["nested"] else [("alarm", OPTIMISTIC)]),
        ("plain", NOT_FOR_DIAGNOSIS),
    ]
    return Page(
        title="Search for settings",
        subtitle=record["protocol"],
        banners=tuple(banners),
        sections=sections,
        drawings=drawings,
        made_with=f"Made with xattn-bmd and Optuna {record['optuna']} from the tables beside this file.",
    )


def _chosen(record: dict[str, Any], scores: pd.DataFrame, best: str) -> tuple[Block, ...]:
    said = (
        "Every outer fold is scored by a configuration whose search never saw it; 'searched' is what that search saw."
        if record["nested"]
        else "The scored folds chose the configuration: the figures are too good."
    )
    columns = [name for name in scores.columns if name != "protocol"]
    words = _words(record)
    places = [words.scale.decimals + 1 if name.endswith(_DENSITIES) else _PLACES for name in columns]
    rows = tuple(tuple(map(_cell, row, places)) for row in scores[columns].itertuples(index=False))
    caption = f"Scores by outer fold; {int(scores['n'].sum())} {words.images}."
    table = Table(name="outer-folds", caption=caption, columns=tuple(columns), rows=rows, words=(1, 2))
    return Prose(text=said, tone="key"), table, Code(label="The configuration to use, best.yaml", text=best)


def _history(record: dict[str, Any], trials: pd.DataFrame, importance: pd.DataFrame) -> tuple[Block, ...]:
    name = str(trials["search"].iloc[-1])
    counted = trials[(trials["search"] == name) & trials["counts"]]
    objective = record["objectives"][0]
    drawn = search_history(
        counted,
        objective=objective,
        words=_words(record).objective(objective),
        maximize=record["directions"][0] == "maximize",
    )
    fits, every = (int(trials.loc[trials["counts"], column].sum()) for column in ("folds_scored", "folds"))
    return (
        Prose(text=f"{fits} of {every} fold scores were needed; stopped, refused and failed trials spared the rest."),
        Picture(name="search-history", caption=f"Trials of the study '{name}'.", label="Value by trial", figure=drawn),
        Picture(
            name="search-importance",
            caption=f"Settings that mattered in the study '{name}'.",
            label="Importance of each setting",
            figure=search_importance(importance),
        ),
    )


def _failed(trials: pd.DataFrame) -> tuple[Block, ...]:
    failed = trials[trials["reason"].notna()]
    if not len(failed):
        return (Prose(text="None."),)
    columns = ("search", "trial", "state", "reason")
    shown = failed.head(_MOST_FAILED)
    rows = tuple(tuple(Cell(str(value)) for value in row) for row in shown[list(columns)].itertuples(index=False))
    caption = f"{len(shown)} of {len(failed)} trials; trials.csv holds all."
    return (Table(name="failed-trials", caption=caption, columns=columns, rows=rows, words=(0, 2, 3), wording=True),)


def _space(record: dict[str, Any]) -> tuple[Block, ...]:
    return (Terms(items=tuple((name, json.dumps(values)) for name, values in record["space"].items())),)


def _words(record: dict[str, Any]) -> Words:
    begun = record["begins_with"]
    return words_of(get_reference(begun["reference"]), begun["image"])


def _cell(value: object, places: int) -> Cell:
    return Cell(f"{value:.{places}f}" if isinstance(value, float) else str(value))
