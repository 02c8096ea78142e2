"""What a search makes small or large, from counts and sums of each fold that any machine can add up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from xattn_bmd.bone.reference import Reference
from xattn_bmd.bone.tscore import NORMAL_EDGE
from xattn_bmd.errors import ConfigError
from xattn_bmd.metrics.screening import low_density

if TYPE_CHECKING:
    import pandas as pd

ObjectiveName = Literal["mae", "mse", "f1"]


@dataclass(frozen=True, kw_only=True)
class FoldScore:
    """How a model did on one scored fold.

    Attributes:
        n: radiographs.
        absolute: sum of absolute errors, in the unit of the density.
        squared: sum of squared errors, in its square.
        low: images of low density (T < -1, or 120 mg/cm³ and below).
        called: radiographs called low.
        found: radiographs that are low and called so.
    """

    n: int
    absolute: float
    squared: float
    low: int
    called: int
    found: int

    def to_dict(self) -> dict[str, Any]:
        """Return the score as JSON has it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FoldScore:
        """Return the score that :meth:`to_dict` wrote; other entries are left alone."""
        return cls(**{name: values[name] for name in cls.__dataclass_fields__})


def fold_score(predictions: pd.DataFrame, *, reference: Reference) -> FoldScore:
    """Return the score of a fold's predictions.

    Args:
        predictions: a predictions table of one model and fold.
        reference: population of the T-scores.

    Example:
        >>> import pandas as pd
        >>> from xattn_bmd.bone.reference import get_reference
        >>> table = pd.DataFrame({"target": [0.8, 1.0], "prediction": [0.7, 0.8]})
        >>> fold_score(table, reference=get_reference("lunar_femoral_neck_white_female")).called
        2
    """
    target = predictions["target"].to_numpy(dtype=float)
    prediction = predictions["prediction"].to_numpy(dtype=float)
    error = prediction - target
    low, called = (low_density(each, reference=reference, threshold=NORMAL_EDGE) for each in (target, prediction))
    return FoldScore(
        n=len(target),
        absolute=float(np.abs(error).sum()),
        squared=float((error**2).sum()),
        low=int(low.sum()),
        called=int(called.sum()),
        found=int((low & called).sum()),
    )


@dataclass(frozen=True)
class Objective:
    """One objective.

    Attributes:
        direction: which way is better.
        of: value of the scored folds, one or more.
        foldwise: whether it is a mean over folds, so that a trial can be stopped between them.
    """

    direction: Literal["minimize", "maximize"]
    of: Callable[[Sequence[FoldScore]], float]
    foldwise: bool


def mean_absolute_error(folds: Sequence[FoldScore]) -> float:
    """Return the mean over folds of the mean absolute error."""
    return float(np.mean([fold.absolute / fold.n for fold in folds]))


def mean_squared_error(folds: Sequence[FoldScore]) -> float:
    """Return the mean over folds of the mean squared error."""
    return float(np.mean([fold.squared / fold.n for fold in folds]))


def f1_low(folds: Sequence[FoldScore]) -> float:
    """Return F1 for low density over all folds together; 0 where nobody is low and nobody called so."""
    both = sum(fold.low + fold.called for fold in folds)
    return 2.0 * sum(fold.found for fold in folds) / both if both else 0.0


OBJECTIVES: dict[ObjectiveName, Objective] = {
    "mae": Objective("minimize", mean_absolute_error, True),
    "mse": Objective("minimize", mean_squared_error, True),
    "f1": Objective("maximize", f1_low, False),
}
"""The objectives by name; a new one is a function of the folds' scores, a line here and its words in
:meth:`~xattn_bmd.report.words.Words.objective`."""


def check_objectives(names: Sequence[str]) -> tuple[ObjectiveName, ...]:
    """Return the names of objectives, each known and named once.

    Raises:
        ConfigError: naming the one that is not.

    Example:
        >>> check_objectives(["mae", "f1"])
        ('mae', 'f1')
    """
    known = get_args(ObjectiveName)
    wrong = [name for name in names if name not in known]
    if wrong or not names or len(set(names)) < len(names):
        raise ConfigError(
            f"The objectives of a search are one or more of {', '.join(known)}, each once, but {list(names)} was "
            "given; mend the list."
        )
    return tuple(names)  # type: ignore[arg-type]
