"""What every section of a report is written from, and the words that all of them share."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from xattn_bmd.bone.tscore import WHO_THRESHOLDS
from xattn_bmd.report.evidence import Evidence
from xattn_bmd.report.source import ReportSource
from xattn_bmd.report.words import Words

if TYPE_CHECKING:
    import pandas as pd

Row = dict[Hashable, Any]


class Captioned(Protocol):
    """What a table of models needs to know of a report."""

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models, in the order of the table."""

    @property
    def words(self) -> Words:
        """What images are called, and how densities are written."""

    def caption(self, text: str, *, counted: str = "") -> str:
        """Return a caption that ends with n and with what is simulated."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """The source of a report and what was computed from it."""

    source: ReportSource
    evidence: Evidence

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models, in the order of the table."""
        return self.source.models

    @property
    def words(self) -> Words:
        """What images are called, and how densities are written."""
        return self.source.words

    @property
    def counted(self) -> str:
        """How many images and patients were scored."""
        grid = self.evidence.grid
        return f"n = {self.words.counted(len(grid.target), grid.n_patients).replace(', ', ' of ')}"

    @property
    def kind(self) -> str:
        """Whether the radiographs are simulated, for captions."""
        words = {True: "simulated", False: "", None: "not stated whether simulated"}
        return words[self.source.simulated]

    @property
    def pooled(self) -> str:
        """How the predictions of a metric were put together, for captions."""
        return "on a cohort that took no part in development" if self.source.is_external else "pooled over scored folds"

    @property
    def fitted(self) -> str:
        """Which fits a table rests on, for captions."""
        return "in the development cohort" if self.source.is_external else "without the scored fold"

    def caption(self, text: str, *, counted: str = "") -> str:
        """Return a caption that ends with n and with what is simulated.

        Args:
            text: whole sentences.
            counted: n in words where it is not that of the whole table.
        """
        return f"{text} {'; '.join(filter(None, (counted or self.counted, self.kind)))}."


THRESHOLDS = WHO_THRESHOLDS


def rows(table: pd.DataFrame, **where: object) -> list[Row]:
    """Return the rows of a table in which each named column has the given value."""
    wanted = np.ones(len(table), dtype=bool)
    for name, value in where.items():
        wanted &= (table[name] == value).to_numpy(dtype=bool)
    places = np.flatnonzero(wanted)  # a report asks hundreds of times; `to_dict("records")` takes thrice as long
    columns = [table[name].to_numpy()[places].tolist() for name in table.columns]
    return [dict(zip(table.columns, values, strict=True)) for values in zip(*columns, strict=True)]


def one(table: pd.DataFrame, **where: object) -> Row | None:
    """Return the first such row; None where there is none."""
    found = rows(table, **where)
    return found[0] if found else None


def reasons(found: list[Row]) -> tuple[str, ...]:
    """Return the different reasons that rows give, each once, in order."""
    texts = (str(row.get("reason") or "") for row in found)
    return tuple(dict.fromkeys(text for text in texts if text and text != "nan"))
