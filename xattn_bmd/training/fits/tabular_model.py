"""What a baseline on the clinical record is: choices, a fit to plain arrays, a prediction from them, and a loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Arrays = dict[str, Array]


@dataclass(frozen=True)
class TabularData:
    """Design matrices of one fold.

    Attributes:
        train: ``(N, K)`` design matrix of the rows to fit on.
        target: ``(N,)`` density, g/cm², or place of the class.
        patients: ``(N,)`` patient of each row.
        choose_on: ``(x (M, K), y (M,))`` to choose the hyper-parameter on, or None for grouped inner folds.
        seed: seed of the trees.
        classes: number of classes; 0 for a density.
    """

    train: Array
    target: Array
    patients: Sequence[str]
    choose_on: tuple[Array, Array] | None
    seed: int
    classes: int = 0


@dataclass(frozen=True)
class TabularModel:
    """One kind of baseline.

    Attributes:
        choices: hyper-parameter values that are tried.
        fit: ``(x, y, values, seed) -> arrays of each value``; the arrays are all that is stored.
        predict: ``(arrays, x (M, K)) -> (M,)`` density in g/cm², or ``(M, C)`` probabilities of classes.
        loss: ``(predicted, y (M,)) -> (M,)`` what decides between the choices.
    """

    choices: tuple[float, ...]
    fit: Callable[[Array, Array, Sequence[float], int], list[Arrays]]
    predict: Callable[[Arrays, Array], Array]
    loss: Callable[[Array, Array], Array]
