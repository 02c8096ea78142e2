"""How much two clinical variables add together beyond what each adds alone.

Axes: ``N`` radiographs, ``V`` clinical variables.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xattn_bmd.config_checks import at_least
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.explanation.fold_models import Explained
from xattn_bmd.explanation.record.comparisons import FEWEST_PEOPLE
from xattn_bmd.explanation.record.contributions import Values
from xattn_bmd.explanation.record.exact import exact_interactions, require_few
from xattn_bmd.explanation.record.games import games
from xattn_bmd.explanation.record.pairs import Corners
from xattn_bmd.explanation.record.parts import over_people

if TYPE_CHECKING:
    import pandas as pd

    from xattn_bmd.training.prediction.predictor import Predictor
    from xattn_bmd.training.runs.run import Run

PEOPLE = 8
"""People that each radiograph is compared with, unless stated; every one plays all coalitions."""


@dataclass(frozen=True, eq=False)
class Interactions:
    """Exact Shapley interactions of the clinical variables, given the picture; g/cm².

    Attributes:
        radiograph_ids: ``N`` ids.
        variables: ``V`` names.
        values: ``(N, V, V)`` symmetric: half the interaction of two variables on either side of the diagonal, on it
            what a variable adds by itself; each row adds up to the variable's contribution given the picture.
    """

    radiograph_ids: tuple[str, ...]
    variables: tuple[str, ...]
    values: Values

    def table(self) -> pd.DataFrame:
        """Return one row for each pair, the strongest first: mean size of the whole interaction over radiographs."""
        import pandas as pd

        first, second = np.triu_indices(len(self.variables), k=1)
        both = 2.0 * self.values[:, first, second]
        table = pd.DataFrame(
            {
                "variable": np.array(self.variables)[first],
                "with": np.array(self.variables)[second],
                "mean_size": np.abs(both).mean(axis=0),
                "mean": both.mean(axis=0),
            }
        )
        return table.sort_values("mean_size", ascending=False, kind="stable", ignore_index=True)


def record_interactions(
    source: Run | Predictor | Explained | str | Path,
    cohort: Cohort,
    *,
    model: str | None = None,
    background: Cohort | None = None,
    people: int = PEOPLE,
    seed: int = 0,
    cache: str | Path | None = None,
) -> Interactions:
    """Return the exact interactions of every two clinical variables, given the picture.

    All coalitions are played, 1,024 for ten variables and each person: take few radiographs or few people.

    Args:
        source: as :func:`~xattn_bmd.explanation.record.shapley.record_contributions`, and so the other arguments.
        cohort: radiographs to explain.
        model: model of a run.
        background: people they are compared with.
        people: how many of them.
        seed: of their drawing.
        cache: folder of decoded images.

    Raises:
        ConfigError: if there are more than 12 variables.
        CohortError: as :func:`~xattn_bmd.explanation.record.shapley.record_contributions`.
        RunError: the same.

    Example:
        ``record_interactions("RUN", cohort.subset(ids), background=cohort).table()``
    """
    at_least("people", people, FEWEST_PEOPLE)
    explained = Explained.of(source, model=model)
    names = explained.predictor.needs.encoder.schema.names
    require_few(len(names))
    total, models = np.zeros((len(cohort), len(names), len(names))), np.zeros(len(cohort))
    for game in games(explained, cohort, background=background, people=people, seed=seed, cache=cache):
        for some, pairs in game.blocks(1):
            each = pairs.shaped(exact_interactions(pairs, Corners.of(pairs)))
            total[pairs.rows] += over_people(each, game.comparison.counts[some])[0]
            models[pairs.rows] += 1.0
    return Interactions(cohort.radiograph_ids, names, total / models[:, None, None])
