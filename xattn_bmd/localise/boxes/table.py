"""What must hold for a table of boxes; every problem is listed at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xattn_bmd.data.checks.problem import Problem, listed
from xattn_bmd.errors import LocaliseError
from xattn_bmd.metrics.detection import box_overlap
from xattn_bmd.types import BOX_COLUMNS

CORNERS = list(BOX_COLUMNS[2:])

SAME_BOX = 0.8
"""Overlap above which two boxes of one label in one radiograph are one box drawn twice."""

_SLACK = 0.5  # pixels: drawing tools round to pixel centres


def check_boxes(
    boxes: pd.DataFrame,
    *,
    labels: Sequence[str] | None = None,
    sizes: Mapping[str, tuple[int, int]] | None = None,
    all_boxed: bool = False,
) -> list[Problem]:
    """Return every problem of a table of boxes.

    Args:
        boxes: table with the columns of :data:`~xattn_bmd.types.BOX_COLUMNS`, and ``score`` or not.
        labels: allowed labels; None allows any.
        sizes: rows and columns of each radiograph; None leaves unchecked whether boxes lie inside.
        all_boxed: whether each radiograph of ``sizes`` must have a box.

    Example:
        >>> boxes = pd.DataFrame([["a", "femur", 5.0, 5.0, 5.0, 9.0]], columns=BOX_COLUMNS)
        >>> [problem.kind for problem in check_boxes(boxes, labels=["vertebra"], sizes={"b": (64, 64)})]
        ['size', 'label', 'picture']
    """
    if missing := [name for name in BOX_COLUMNS if name not in boxes.columns]:
        message = f"A table of boxes has the columns {', '.join(BOX_COLUMNS)}, but {missing} is missing; add it."
        return [Problem("columns", message)]
    names = [f"box {row} ({name})" for row, name in enumerate(boxes["radiograph_id"], start=1)]
    corners = np.column_stack([pd.to_numeric(boxes[name], errors="coerce") for name in CORNERS]).astype(np.float64)
    numbers: NDArray[np.bool_] = np.all(np.isfinite(corners), axis=1)
    sized: NDArray[np.bool_] = numbers & np.all(corners[:, 2:] > corners[:, :2], axis=1)
    nameless = boxes[list(BOX_COLUMNS[:2])].isna().any(axis=1).to_numpy()
    found = [
        _of(names, nameless, "empty", "A box has a radiograph_id and a label", "complete"),
        _of(names, ~numbers, "number", "The corners of a box are finite numbers", "mend"),
        _of(names, numbers & ~sized, "size", "A box has x0 < x1 and y0 < y1", "mend or remove"),
        _unknown_label(boxes, labels),
        _of(names, _scores_wrong(boxes), "score", "A score is a number from 0 to 1", "mend"),
        *_inside(boxes, corners, names, sized, sizes),
        _twice(boxes, corners, names, sized),
        _unboxed(boxes, sizes) if all_boxed and sizes is not None else None,
    ]
    return [problem for problem in found if problem is not None]


def require_boxes(
    boxes: pd.DataFrame,
    *,
    labels: Sequence[str] | None = None,
    sizes: Mapping[str, tuple[int, int]] | None = None,
    all_boxed: bool = False,
) -> None:
    """Raise one error that numbers every problem; arguments as in :func:`check_boxes`.

    Raises:
        LocaliseError: if there is a problem, or a label occurs twice among the allowed ones.
    """
    if labels is not None and (not labels or len(set(labels)) < len(labels)):
        raise LocaliseError(f"Labels are one or more different names, but {list(labels)} was given; mend them.")
    raise_problems([each.message for each in check_boxes(boxes, labels=labels, sizes=sizes, all_boxed=all_boxed)])


def in_reading_order(
    boxes: pd.DataFrame, radiographs: Sequence[str], labels: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return the boxes in the order of the radiographs, then of the labels, then from top to bottom and left to right.

    Args:
        boxes: checked table.
        radiographs: ids of all radiographs, in order.
        labels: names of the labels, in order; None takes the alphabet.
    """
    places = {name: row for row, name in enumerate(radiographs)}
    ranks = {label: row for row, label in enumerate(labels or sorted(set(boxes["label"])))}
    keys = {
        "row": boxes["radiograph_id"].map(places),
        "label": boxes["label"].map(ranks),
        "down": boxes["y0"] + boxes["y1"],
        "right": boxes["x0"] + boxes["x1"],
    }
    order = np.lexsort([np.asarray(keys[name], dtype=np.float64) for name in reversed(keys)])
    return boxes.iloc[order].reset_index(drop=True)


def raise_problems(messages: Sequence[str]) -> None:
    """Raise one error that numbers all messages, if there is any.

    Raises:
        LocaliseError: with every message.
    """
    if messages:
        lines = [f"{number}. {message}" for number, message in enumerate(messages, start=1)]
        raise LocaliseError(f"The boxes have {len(messages)} problem(s) to mend:\n" + "\n".join(lines))


def _of(names: Sequence[str], wrong: NDArray[np.bool_], kind: str, rule: str, fix: str) -> Problem | None:
    if not wrong.any():
        return None
    shown = listed([name for name, bad in zip(names, wrong, strict=True) if bad])
    return Problem(kind, f"{rule}, but {int(wrong.sum())} do(es) not comply: {shown}; {fix} them.")


def _unknown_label(boxes: pd.DataFrame, labels: Sequence[str] | None) -> Problem | None:
    unknown = sorted(set(boxes["label"].map(str)) - set(labels)) if labels is not None else []
    if not unknown:
        return None
    message = f"A label is one of {', '.join(labels or ())}, but {listed(unknown)} was found; mend it, or name it."
    return Problem("label", message)


def _scores_wrong(boxes: pd.DataFrame) -> NDArray[np.bool_]:
    if "score" not in boxes.columns:
        return np.zeros(len(boxes), dtype=np.bool_)
    scores = pd.to_numeric(boxes["score"], errors="coerce").to_numpy(np.float64)
    return ~((scores >= 0) & (scores <= 1))


def _inside(
    boxes: pd.DataFrame,
    corners: NDArray[np.float64],
    names: Sequence[str],
    sized: NDArray[np.bool_],
    sizes: Mapping[str, tuple[int, int]] | None,
) -> Iterator[Problem | None]:
    if sizes is None:
        return
    unknown = sorted(set(boxes["radiograph_id"].map(str)) - set(sizes))
    if unknown:
        message = f"Every box belongs to a radiograph with an image, but {listed(unknown)} has none; add or mend it."
        yield Problem("picture", message, tuple(unknown))
    nowhere = (np.nan, np.nan)
    limits = np.array([sizes.get(str(name), nowhere) for name in boxes["radiograph_id"]]).reshape(-1, 2)[:, ::-1]
    beyond = (corners[:, :2] < -_SLACK).any(axis=1) | (corners[:, 2:] > limits + _SLACK).any(axis=1)
    yield _of(names, sized & beyond, "outside", "A box lies inside its radiograph", "mend or remove")


def _twice(
    boxes: pd.DataFrame, corners: NDArray[np.float64], names: Sequence[str], sized: NDArray[np.bool_]
) -> Problem | None:
    if "score" in boxes.columns:  # detections overlap; the detector has its own rule
        return None
    pairs = []
    rows = pd.Series(np.arange(len(boxes)))[sized]
    for _, members in rows.groupby([boxes["radiograph_id"].to_numpy()[sized], boxes["label"].to_numpy()[sized]]):
        places = members.to_numpy()
        overlap = box_overlap(corners[places], corners[places])
        for first, second in combinations(range(len(places)), 2):
            if overlap[first, second] > SAME_BOX:
                pairs.append(f"{names[places[first]]} and {names[places[second]]} ({overlap[first, second]:.2f})")
    if not pairs:
        return None
    message = (
        f"Two boxes of one label overlap by at most {SAME_BOX}, but these do by more: {listed(pairs)}; keep one each."
    )
    return Problem("twice", message)


def _unboxed(boxes: pd.DataFrame, sizes: Mapping[str, tuple[int, int]]) -> Problem | None:
    boxed = set(boxes["radiograph_id"])
    without = [name for name in sizes if name not in boxed]
    if not without:
        return None
    message = (
        f"A radiograph to learn from has every box drawn, but {len(without)} has none: {listed(without)}; draw them, "
        "or leave it out."
    )
    return Problem("unboxed", message, tuple(without))
