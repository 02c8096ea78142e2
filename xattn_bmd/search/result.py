"""A finished search, read from its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from xattn_bmd.config import CompareConfig, load_config
from xattn_bmd.errors import RunError
from xattn_bmd.metrics.predictions import read_predictions
from xattn_bmd.metrics.tables.layout import POOLED
from xattn_bmd.search.files import BEST, IMPORTANCE, PREDICTIONS, SCORES, SEARCH, TRIALS


@dataclass(frozen=True)
class SearchResult:
    """A finished search.

    Attributes:
        folder: its folder.
    """

    folder: Path

    @cached_property
    def record(self) -> dict[str, Any]:
        """What was asked: space, objectives, fingerprint, storage."""
        found: dict[str, Any] = json.loads((self.folder / SEARCH).read_text())
        return found

    @property
    def nested(self) -> bool:
        """Whether each outer fold had a search of its own, which never saw it."""
        return bool(self.record["nested"])

    @property
    def optimistic(self) -> bool:
        """Whether the scores are those of the folds that chose the configuration."""
        return not self.nested

    @cached_property
    def best(self) -> CompareConfig:
        """The configuration to use: chosen on all radiographs, so a comparison on the same cohort is optimistic."""
        return load_config(self.folder / BEST)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """Every trial of every study, with its state, values, parameters, and why it failed or does not count."""
        return pd.read_csv(self.folder / TRIALS)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """For each outer fold what the search saw and what the fold says."""
        return pd.read_csv(self.folder / SCORES)

    @cached_property
    def importance(self) -> pd.DataFrame:
        """Share of the variation of the first objective that each parameter explains."""
        return pd.read_csv(self.folder / IMPORTANCE)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Predictions of the outer folds by the configuration that was chosen for each."""
        return read_predictions(self.folder / PREDICTIONS)

    def metrics(self) -> pd.DataFrame:
        """Regression metrics of the outer folds, with patient-bootstrap 95 % intervals."""
        return pd.read_csv(self.folder / "metrics.csv")

    def report(self) -> Path:
        """Write the page of the search, ``search.html``, with history and importance, and return it."""
        from xattn_bmd.report.search_page import write_search_page

        return write_search_page(self.folder)

    def summary(self) -> list[str]:
        """Return in a few lines what the outer folds say of the search."""
        objective, table = self.record["objectives"][0], self.metrics()
        lines = [f"{self.record['protocol']}; configuration to use: {self.folder / BEST}"]
        found = table[(table["metric"] == objective) & (table["method"] == POOLED)]
        for row in found.to_dict("records"):
            lines.append(f"{objective} on the outer folds {row['value']:.4f} [{row['low']:.4f}, {row['high']:.4f}]")
        seen = self.scores[f"searched_{objective}"].mean()
        default = self.scores.get(f"searched_default_{objective}")
        of_default = "" if default is None else f", default configuration {default.mean():.4f}"
        return [*lines, f"{objective} on the folds of the searches {seen:.4f} (mean of the chosen trials{of_default})"]


def load_search(folder: str | Path) -> SearchResult:
    """Open the folder of a finished search.

    Raises:
        RunError: if it is none, or the search is not finished.
    """
    folder = Path(folder)
    for name in (SEARCH, SCORES, BEST):
        if not (folder / name).is_file():
            raise RunError(
                f"The folder of a finished search holds {name}, but {folder} does not; give the folder that `tune` "
                "wrote, or run the same `tune` command again to finish it."
            )
    return SearchResult(folder)


def optimism(*, flat: SearchResult, nested: SearchResult) -> pd.DataFrame:
    """Return by how much a flat search looks better than the nested one of the same cohort and outer folds.

    Args:
        flat: its folds chose the configuration and score it.
        nested: its outer folds were never seen by the search that they score.

    Returns:
        one row a metric of the pooled predictions: ``metric, flat, nested, optimism`` (flat minus nested).

    Raises:
        RunError: if one is not of its kind, or they have other cohorts, folds or spaces.
    """
    if flat.nested or not nested.nested:
        raise RunError(
            f"Optimism is a flat search minus a nested one, but {flat.folder} and {nested.folder} were given; name the "
            "flat one first."
        )
    for part in ("cohort", "fold plan", "space", "seed", "configuration"):
        if flat.record["fingerprint"][part] != nested.record["fingerprint"][part]:
            raise RunError(
                f"Two searches are compared where only their kind differs, but these have another {part}; run both "
                "with the same one."
            )
    both = {name: _pooled(found) for name, found in (("flat", flat), ("nested", nested))}
    table = pd.DataFrame(both).rename_axis("metric").reset_index()
    return table.assign(optimism=table["flat"] - table["nested"])


def _pooled(found: SearchResult) -> pd.Series:
    table = found.metrics()
    values: pd.Series = table[table["method"] == POOLED].set_index("metric")["value"]
    return values
