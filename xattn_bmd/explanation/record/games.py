"""The games that explain a cohort: a fold model, the radiographs it explains and the people they are compared with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xattn_bmd.data.cohort import Cohort
from xattn_bmd.explanation.fold_models import Explained
from xattn_bmd.explanation.record.comparisons import Comparison, comparisons
from xattn_bmd.explanation.record.pairs import Pairs
from xattn_bmd.explanation.record.panel import Panel
from xattn_bmd.explanation.record.readers import FoldReaders, Reader


@dataclass(frozen=True, eq=False)
class Game:
    """A fold model, the radiographs it explains and the people they are compared with.

    Attributes:
        reader: the fold model.
        comparison: who is compared with whom.
    """

    reader: Reader
    comparison: Comparison

    def blocks(self, size: int) -> Iterator[tuple[slice, Pairs]]:
        """Yield pairs of some radiographs with all people, ``size`` radiographs at a time."""
        rows = self.comparison.rows
        for start in range(0, len(rows), size):
            some = slice(start, start + size)
            yield some, Pairs.of(self.reader, rows[some], self.comparison.people)


def games(
    explained: Explained,
    cohort: Cohort,
    *,
    background: Cohort | None,
    people: int,
    seed: int,
    cache: str | Path | None,
) -> Iterator[Game]:
    """Yield a game for each fold model that explains somebody.

    Args:
        explained: the model and its plan.
        cohort: radiographs to explain.
        background: people they are compared with; None takes the cohort itself.
        people: how many of them are drawn for each fold model.
        seed: of their drawing.
        cache: folder of decoded images; None takes the user's cache folder.

    Raises:
        CohortError: if a cohort has problems, or other variables than the model.
        RunError: if somebody can be compared with fewer than two people.
    """
    predictor = explained.predictor
    panel = Panel.open(predictor, cohort, background, cache=Path(cache) if cache else None)
    each = comparisons(
        panel,
        predictor.estimators,
        models=explained.models_of(cohort),
        plan=explained.plan,
        people=people,
        seed=seed,
    )
    asked = [np.union1d(one.rows, one.people) for one in each]
    readers = FoldReaders(predictor.ensemble, panel, rows=np.unique(np.concatenate(asked)))
    for one, rows in zip(each, asked, strict=True):
        yield Game(readers.of(one.fold, rows), one)
