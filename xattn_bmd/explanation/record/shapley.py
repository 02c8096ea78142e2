"""Shapley values of the picture and of each clinical variable for every estimate of a model.

Axes: ``N`` radiographs, ``M`` people, ``V`` clinical variables, ``Q`` pairs of both.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.config_checks import at_least, one_of
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.explanation.fold_models import Explained
from xattn_bmd.explanation.record.baselines import play_baseline
from xattn_bmd.explanation.record.comparisons import FEWEST_PEOPLE
from xattn_bmd.explanation.record.contributions import Contributions
from xattn_bmd.explanation.record.exact import play_exact
from xattn_bmd.explanation.record.games import Game, games
from xattn_bmd.explanation.record.orders import play_orders
from xattn_bmd.explanation.record.pairs import Corners, Pairs, Played
from xattn_bmd.explanation.record.parts import Collected, Parts, parts_of
from xattn_bmd.explanation.record.readers import TabularReader
from xattn_bmd.seeds import derive_seed

if TYPE_CHECKING:
    from xattn_bmd.training.prediction.predictor import Predictor
    from xattn_bmd.training.runs.run import Run

Method = Literal["auto", "exact", "orders"]

PEOPLE = 32
"""People that each radiograph is compared with, unless stated."""

EXACT_UP_TO = 6
"""Variables whose coalitions are all played without being asked to: 64, about as many as the orders of the people."""

_PAIRS = 1024
"""Pairs played at a time, so that a large cohort fits in memory; of exact games one radiograph."""


def record_contributions(
    source: Run | Predictor | Explained | str | Path,
    cohort: Cohort,
    *,
    model: str | None = None,
    background: Cohort | None = None,
    people: int = PEOPLE,
    method: Method = "auto",
    seed: int = 0,
    cache: str | Path | None = None,
) -> Contributions:
    """Return what the picture and each clinical variable add to the estimate of every radiograph.

    A patient is compared with other people: a variable's contribution is what the model's estimate changes when the
    variable takes their values instead (interventional, so impossible pairs of values may be asked for), averaged over
    the coalitions of the other variables and over these people.  A missing value is a value like any other.  In a
    cross-validated cohort each radiograph is explained by the fold models that did not train on its patient, against
    people of their training parts; anybody else by the mean of all fold models.

    Args:
        source: a run or its folder, or a predictor or its folder, ``RUN/MODEL`` say; with the run's fold plan where
            there is one.
        cohort: radiographs to explain.
        model: model of a run; None takes its first one that looks at radiographs.
        background: people they are compared with; None takes the cohort itself.  Nobody is compared with himself.
        people: how many of them are drawn for each fold model, one radiograph of each.
        method: ``"exact"`` plays all coalitions of at most 12 variables; ``"orders"`` one random order for each person,
            every second one backwards, whose standard error is told; ``"auto"`` takes shap's own explainers for a
            scikit-learn baseline, all coalitions up to :data:`EXACT_UP_TO` variables, and orders for more.
        seed: of the drawing of people and orders.
        cache: folder of decoded images; None takes the user's cache folder.

    Raises:
        CohortError: if a cohort has problems, or other variables than the model.
        ConfigError: if a setting is impossible, or there are too many variables for all coalitions.
        RunError: if a radiograph can be compared with fewer than two people, or its patient was in training and the
            plan that says where is not at hand.

    Example:
        ``record_contributions("RUN", cohort, model="xattn").table()``
    """
    at_least("people", people, FEWEST_PEOPLE)
    one_of("method", method, get_args(Method))
    explained = Explained.of(source, model=model)
    chosen = _chosen(explained, method)
    schema = explained.predictor.needs.encoder.schema
    collected = Collected.empty(len(cohort), len(schema.names))
    for game in games(explained, cohort, background=background, people=people, seed=seed, cache=cache):
        for rows, part in _played(game, method=chosen, seed=seed):
            collected.add(rows, part)
    return Contributions(
        model=explained.predictor.model,
        radiograph_ids=cohort.radiograph_ids,
        patient_ids=cohort.patient_ids,
        schema=schema,
        record_table=cohort.table,
        people=people,
        method=chosen,
        words=explained.words,
        **collected.means()._asdict(),
    )


def _chosen(explained: Explained, method: Method) -> str:
    if method != "auto":
        return method
    first = explained.predictor.estimators[0]
    if first.network is None and not first.members:
        return "shap"
    return "exact" if len(first.encoder.schema.names) <= EXACT_UP_TO else "orders"


def _played(game: Game, *, method: str, seed: int) -> Iterator[tuple[NDArray[np.int64], Parts]]:
    size = 1 if method == "exact" else max(1, _PAIRS // len(game.comparison.people))
    for some, pairs in game.blocks(size):
        found = Corners.of(pairs)
        yield pairs.rows, parts_of(pairs, found, _play(game, pairs, found, method, seed), game.comparison.counts[some])


def _play(game: Game, pairs: Pairs, found: Corners, method: str, seed: int) -> Played:
    if method == "shap":
        assert isinstance(game.reader, TabularReader)
        return play_baseline(game.reader, pairs)
    if method == "exact":
        return play_exact(pairs, found)
    return play_orders(pairs, found, seed=derive_seed(seed, "orders", game.comparison.fold))
