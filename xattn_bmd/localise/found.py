"""What a detector finds, as a table of boxes, and the rules for too few and too many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from xattn_bmd.data.checks.problem import Problem, listed
from xattn_bmd.errors import ConfigError
from xattn_bmd.localise.detectors.detector import Detector
from xattn_bmd.localise.pictures import SeenRadiograph
from xattn_bmd.metrics.detection import match_boxes
from xattn_bmd.types import BOX_COLUMNS

FOUND_COLUMNS = (*BOX_COLUMNS, "score")
_AT_ONCE = 4
_HIT = np.array([0.5])


def find_boxes(
    detector: Detector, seen: Mapping[str, SeenRadiograph], *, labels: Sequence[str], device: torch.device
) -> pd.DataFrame:
    """Return every detection above the detector's floor, in pixels of the radiographs.

    Args:
        detector: in evaluation mode.
        seen: radiographs by id.
        labels: names of the detector's labels.
        device: where it runs.

    Returns:
        One row per detection with :data:`FOUND_COLUMNS`; radiographs in the given order, the most certain box first.
    """
    names = list(seen)
    tables = []
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        answers = detector.find([seen[name].tensor().to(device) for name in some])
        for name, boxes in zip(some, answers, strict=True):
            corners = seen[name].in_radiograph(boxes.corners.cpu().numpy().astype(np.float64))
            scores = boxes.scores.cpu().numpy().astype(np.float64) if boxes.scores is not None else np.empty(0)
            table = pd.DataFrame(corners, columns=list(BOX_COLUMNS[2:]))
            table.insert(0, "label", [labels[place] for place in boxes.labels.tolist()])
            table.insert(0, "radiograph_id", name)
            tables.append(table.assign(score=scores))
    everything = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(FOUND_COLUMNS))
    whole = (everything["x1"] > everything["x0"]) & (everything["y1"] > everything["y0"])
    return everything[whole].sort_values("score", ascending=False, kind="stable").pipe(_by_radiograph, names)


def best_threshold(truth: pd.DataFrame, found: pd.DataFrame) -> float:
    """Return the score from which detections are kept: the one with the highest F1 at an overlap of 0.5.

    Args:
        truth: table of true boxes.
        found: table of detections, each radiograph's most certain first.

    Returns:
        A score between two neighbouring detections', or the detector's floor where nothing hits.
    """
    corners = list(BOX_COLUMNS[2:])
    hits = pd.Series(False, index=found.index)
    true = dict(iter(truth.groupby(["radiograph_id", "label"])[corners]))
    for key, part in found.groupby(["radiograph_id", "label"]):
        if key in true:
            boxes = part[corners].to_numpy(np.float64), true[key].to_numpy(np.float64)
            hits[part.index] = match_boxes(*boxes, thresholds=_HIT)[0]
    order = np.argsort(-found["score"].to_numpy(np.float64), kind="stable")
    scores, right = found["score"].to_numpy(np.float64)[order], np.cumsum(hits.to_numpy()[order])
    if not len(right) or not right[-1]:
        return 0.0
    f1 = 2 * right / (np.arange(1, len(right) + 1) + len(truth))
    last = int(np.argmax(f1))
    below = scores[last + 1] if last + 1 < len(scores) else 0.0
    return float((scores[last] + below) / 2)


def keep_expected(
    found: pd.DataFrame, *, radiographs: Sequence[str], labels: Sequence[str], expected: Mapping[str, tuple[int, int]]
) -> tuple[pd.DataFrame, list[Problem]]:
    """Apply the rules for the number of boxes of a label in one radiograph.

    More than the highest number: the most certain are kept.  Fewer than the lowest, or no box of any label: all are
    kept and the radiograph is listed.

    Args:
        found: table of detections, each radiograph's most certain first.
        radiographs: every radiograph that was looked at.
        labels: names of the labels.
        expected: lowest and highest number by label; labels that are not named may occur any number of times.

    Returns:
        the kept boxes, and one problem of each kind with its radiographs.

    Raises:
        ConfigError: if a label is unknown or its two numbers do not rise from 0.
    """
    _check_expected(expected, labels)
    number = found.groupby(["radiograph_id", "label"]).cumcount()
    highest = found["label"].map({label: high for label, (_, high) in expected.items()}).fillna(np.inf)
    many = found[number >= highest]
    problems = []
    for label, (low, high) in expected.items():
        counts = found[found["label"] == label].groupby("radiograph_id").size().reindex(list(radiographs), fill_value=0)
        few = [str(name) for name in radiographs if counts[name] < low]
        if few:
            problems.append(Problem("too_few", _few(few, counts, label=label, low=low), tuple(few)))
        surplus = [str(name) for name in radiographs if counts[name] > high]
        if surplus:
            problems.append(Problem("too_many", _many(surplus, counts, label=label, high=high), tuple(surplus)))
    boxed = set(found["radiograph_id"])
    without = tuple(name for name in radiographs if name not in boxed)
    if without:
        message = (
            f"Every radiograph shows one box or more, but in {len(without)} none was found: {listed(without)}; look at "
            "them, box them by hand, lower the threshold or leave them out."
        )
        problems.insert(0, Problem("none_found", message, without))
    return found.drop(many.index), problems


def _few(names: Sequence[str], counts: pd.Series, *, label: str, low: int) -> str:
    shown = listed([f"{name} ({counts[name]})" for name in names])
    return (
        f"A radiograph shows {low} or more boxes {label!r}, but in {len(names)} fewer were found: {shown}; look at "
        "them, or box them by hand."
    )


def _many(names: Sequence[str], counts: pd.Series, *, label: str, high: int) -> str:
    shown = listed([f"{name} ({counts[name]})" for name in names])
    return (
        f"A radiograph shows at most {high} boxes {label!r}, but in {len(names)} more were found: {shown}; the {high} "
        "most certain of each were kept: look at them."
    )


def _check_expected(expected: Mapping[str, tuple[int, int]], labels: Sequence[str]) -> None:
    for label, (low, high) in expected.items():
        if label not in labels:
            raise ConfigError(f"expected names labels of the localiser {list(labels)}, but {label!r} is none; mend it.")
        if not 0 <= low <= high or high < 1:
            raise ConfigError(
                f"expected gives the lowest and the highest number of {label!r}, but {(low, high)} was given; give two "
                "numbers that rise, such as (1, 5)."
            )


def _by_radiograph(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    place = {name: row for row, name in enumerate(names)}
    order = table["radiograph_id"].map(place)
    return table.iloc[np.argsort(order.to_numpy(), kind="stable")].reset_index(drop=True)
