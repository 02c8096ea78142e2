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
        absolute: sum of absolute errors, g/cm².
        squared: sum of squared errors, (g/cm²)².
        low: radiographs of low density (T < -1).
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
        words: what it is, for tables and figures.
    """

    direction: Literal["minimize", "maximize"]
    of: Callable[[Sequence[FoldScore]], float]
    foldwise: bool
    words: str


def mean_absolute_error(folds: Sequence[FoldScore]) -> float:
    """Return the mean over folds of the mean absolute error, g/cm²."""
    return float(np.mean([fold.absolute / fold.n for fold in folds]))


def mean_squared_error(folds: Sequence[FoldScore]) -> float:
    """Return the mean over folds of the mean squared error, (g/cm²)²."""
    return float(np.mean([fold.squared / fold.n for fold in folds]))


def f1_low(folds: Sequence[FoldScore]) -> float:
    """Return F1 for low density (T < -1) over all folds together; 0 where nobody is low and nobody called so."""
    both = sum(fold.low + fold.called for fold in folds)
    return 2.0 * sum(fold.found for fold in folds) / both if both else 0.0


OBJECTIVES: dict[ObjectiveName, Objective] = {
    "mae": Objective("minimize", mean_absolute_error, True, "MAE (g/cm²)"),
    "mse": Objective("minimize", mean_squared_error, True, "MSE (g²/cm⁴)"),
    "f1": Objective("maximize", f1_low, False, "F1 at T < -1"),
}
"""The objectives by name; a new one is a function of the folds' scores and a line here."""


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
