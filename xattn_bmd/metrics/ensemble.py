"""Several models as one: their class probabilities averaged, or their classes put to the vote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.class_checks import named_classes, probability_columns
from xattn_bmd.metrics.class_predictions import validate_class_predictions

if TYPE_CHECKING:
    import pandas as pd

_SAME = 12
"""Decimals to which means of probabilities are compared, so that the order of the members decides nothing."""


def soft_vote(
    predictions: pd.DataFrame,
    *,
    members: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    name: str = "soft_vote",
) -> pd.DataFrame:
    """Return the ensemble of models whose probabilities are the mean of its members'.

    It predicts the class of the highest mean, the first of several as high.  Members are averaged within a repeat.

    Args:
        predictions: a table of class predictions (:mod:`xattn_bmd.metrics.class_predictions`).
        members: its models; None takes all of the table.
        classes: all classes in their order; None takes those of the columns ``probability_CLASS``, in theirs.
        name: what the ensemble is called in the column ``model``.

    Returns:
        The ensemble's rows alone, one per (radiograph, repeat) in the order of the first member's; the columns of a
        table of class predictions, and ``site`` where the table has it.

    Raises:
        MetricError: if the table cannot be scored, a member is unknown, there are fewer than two, or the name is taken.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"radiograph_id": "a", "patient_id": "p", "model": ["m", "n", "o"], "repeat": 0,
        ...     "fold": 0, "target": "old", "probability_old": [0.45, 0.4, 0.9], "probability_fresh": [0.55, 0.6, 0.1]})
        >>> soft_vote(table)["prediction"].item(), hard_vote(table)["prediction"].item()
        ('old', 'fresh')
    """
    first, stacked, _ = _members(predictions, members, classes, name)
    names = named_classes(predictions, classes)
    mean = stacked.mean(axis=0)
    return _voted(first, names, name, probabilities=mean, chosen=np.round(mean, _SAME).argmax(axis=1))


def hard_vote(
    predictions: pd.DataFrame,
    *,
    members: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    name: str = "hard_vote",
) -> pd.DataFrame:
    """Return the ensemble of models that predicts the class most of its members predict.

    Among classes with as many votes the highest mean probability decides, then the order of the classes.  Its
    probabilities are the shares of the votes: a hard vote knows no more, and its areas are coarser than a soft one's.

    Args:
        predictions: as in :func:`soft_vote`; a member votes for its ``prediction``.
        members: its models; None takes all of the table.
        classes: all classes in their order; None takes those of the columns ``probability_CLASS``, in theirs.
        name: what the ensemble is called in the column ``model``.

    Returns:
        As :func:`soft_vote`.

    Raises:
        MetricError: if the table cannot be scored, a member is unknown, there are fewer than two, or the name is taken.
    """
    first, stacked, votes = _members(predictions, members, classes, name)
    names = named_classes(predictions, classes)
    leading = votes == votes.max(axis=1, keepdims=True)
    chosen = np.where(leading, np.round(stacked.mean(axis=0), _SAME), -1.0).argmax(axis=1)
    return _voted(first, names, name, probabilities=votes / len(stacked), chosen=chosen)


def _members(
    predictions: pd.DataFrame, given: Sequence[str] | None, classes: Sequence[str] | None, name: str
) -> tuple[pd.DataFrame, NDArray[np.float64], NDArray[np.float64]]:
    """Return the first member's rows, all members' probabilities (M, N, K) and the votes for each class (N, K)."""
    checked = validate_class_predictions(predictions, classes=classes)
    names = named_classes(predictions, classes)
    known = list(dict.fromkeys(checked["model"]))
    members = known if given is None else list(given)
    _require_members(members, known, name)
    key = ["radiograph_id", "repeat"]
    first = checked[checked["model"] == members[0]].reset_index(drop=True)
    rows = [
        first[key].merge(checked[checked["model"] == member], how="left", on=key, validate="one_to_one")
        for member in members
    ]
    stacked = np.stack([one[probability_columns(names)].to_numpy(dtype=np.float64) for one in rows])
    votes = np.sum([one["prediction"].to_numpy()[:, None] == np.array(names) for one in rows], axis=0)
    return first, stacked, votes.astype(np.float64)


def _require_members(members: list[str], known: list[str], name: str) -> None:
    unknown = [member for member in members if member not in known]
    if len(members) < 2 or len(set(members)) < len(members) or unknown:
        raise MetricError(
            f"An ensemble has at least two different models of the table, which has {', '.join(known)}, but "
            f"{', '.join(members) or 'none'} was given; name others."
        )
    if name in known:
        raise MetricError(f"An ensemble has a name of its own, but the table has a model {name}; choose another name.")


def _voted(
    first: pd.DataFrame,
    classes: tuple[str, ...],
    name: str,
    *,
    probabilities: NDArray[np.float64],
    chosen: NDArray[np.intp],
) -> pd.DataFrame:
    kept = [
        *("radiograph_id", "patient_id", *(["site"] if "site" in first.columns else [])),
        *("model", "repeat", "fold", "target", "prediction", *probability_columns(classes)),
    ]
    columns = dict(zip(probability_columns(classes), probabilities.T, strict=True))
    return first.assign(model=name, prediction=np.array(classes, dtype=object)[chosen], **columns)[kept]
