"""How well boxes were found: mAP@0.5 and mAP@0.5:0.95 with patient-level intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.detection import MOST_DETECTIONS, THRESHOLDS, average_precision, match_boxes
from xattn_bmd.metrics.intervals import REPLICATES, Draws, blocks, patient_draws, split_draws
from xattn_bmd.metrics.tables.layout import INTERVAL_COLUMNS, frame, valued
from xattn_bmd.types import BOX_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

DETECTION_COLUMNS = ("metric", "label", *INTERVAL_COLUMNS, "boxes", "n", "patients", "method")
METHOD = "COCO 101-point, patient bootstrap 95 % (BCa)"
ALL = "all"
"""Label of the rows that average over the labels."""

_CORNERS = list(BOX_COLUMNS[2:])


def detection_table(
    truth: pd.DataFrame,
    found: pd.DataFrame,
    *,
    patients: Mapping[str, str],
    seed: int = 0,
    replicates: int = REPLICATES,
) -> pd.DataFrame:
    """Return average precision of each label and its mean over the labels (mAP).

    A detection that overlaps a true box of its label by the threshold is a hit, each true box at most once; of each
    radiograph and label the 100 most certain count.  Intervals draw patients, each with all radiographs and boxes.

    Args:
        truth: table of true boxes.
        found: table of detected boxes, with ``score``.
        patients: patient of every radiograph that was looked at, also of those in which nothing was found.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (metric, label) with :data:`DETECTION_COLUMNS`; ``n`` counts radiographs.  The metric is ``map50``
        (overlap 0.5) or ``map50_95`` (mean over 0.5, 0.55, ... 0.95).

    Raises:
        MetricError: if a column is missing, a radiograph has no patient, or there is no true box.

    Example:
        >>> import pandas as pd
        >>> truth = pd.DataFrame([["a", "femur", 0, 0, 10, 10], ["b", "femur", 0, 0, 10, 10]], columns=BOX_COLUMNS)
        >>> found = truth.assign(score=[0.9, 0.8], x1=[10, 8])
        >>> table = detection_table(truth, found, patients={"a": "1", "b": "2"}, replicates=10)
        >>> table[["metric", "label", "value"]].round(3).to_numpy().tolist()
        [['map50', 'all', 1.0], ['map50_95', 'all', 0.851]]
    """
    _require(truth, found, patients)
    names = sorted(set(patients.values()))
    place = {patient: row for row, patient in enumerate(names)}
    code = {radiograph: place[patient] for radiograph, patient in patients.items()}
    draws = patient_draws(len(names), seed=seed, replicates=replicates)
    labels = list(dict.fromkeys(truth["label"]))
    counted = [_counted(truth, found, label, code=code, n_patients=len(names)) for label in labels]
    shared = {"n": len(patients), "patients": len(names), "method": METHOD}
    return frame((shared | row for row in _rows(counted, draws)), DETECTION_COLUMNS)


@dataclass(frozen=True, eq=False)
class _Counted:
    """Detections of one label, the most certain first.

    Attributes:
        label: their name.
        hits: (T, D) bool.
        patients: (D,) patient of each.
        truth: (P,) true boxes of each patient.
    """

    label: str
    hits: NDArray[np.bool_]
    patients: NDArray[np.int64]
    truth: NDArray[np.float64]


def _counted(
    truth: pd.DataFrame, found: pd.DataFrame, label: str, *, code: Mapping[str, int], n_patients: int
) -> _Counted:
    true = {name: part for name, part in truth[truth["label"] == label].groupby("radiograph_id", sort=False)}
    number = np.zeros(n_patients)
    for name, part in true.items():
        number[code[str(name)]] += len(part)
    none = np.empty((0, 4))
    hits, scores, patients = [np.empty((len(THRESHOLDS), 0), dtype=np.bool_)], [np.empty(0)], [np.empty(0, np.int64)]
    for name, part in sorted(found[found["label"] == label].groupby("radiograph_id"), key=lambda item: str(item[0])):
        best = part.sort_values("score", ascending=False, kind="stable").head(MOST_DETECTIONS)
        boxes = true[name][_CORNERS].to_numpy(np.float64) if name in true else none
        hits.append(match_boxes(best[_CORNERS].to_numpy(np.float64), boxes))
        scores.append(best["score"].to_numpy(np.float64))
        patients.append(np.full(len(best), code[str(name)]))
    order = np.argsort(-np.concatenate(scores), kind="stable")
    return _Counted(label, np.concatenate(hits, axis=1)[:, order], np.concatenate(patients)[order], number)


def _rows(counted: list[_Counted], draws: Draws) -> Iterator[dict[str, Any]]:
    for metric, levels in (("map50", [0]), ("map50_95", list(range(len(THRESHOLDS))))):
        by_label = [_precision(part, levels, draws) for part in counted]
        with np.errstate(invalid="ignore"):
            defined = ~np.isnan(by_label)
            mean = np.nansum(by_label, axis=0) / defined.sum(axis=0)
        boxes = [int(part.truth.sum()) for part in counted]
        yield valued(split_draws(mean, draws)) | {"metric": metric, "label": ALL, "boxes": sum(boxes)}
        for part, values, number in zip(counted, by_label, boxes, strict=True) if len(counted) > 1 else ():
            yield valued(split_draws(values, draws)) | {"metric": metric, "label": part.label, "boxes": number}


def _precision(part: _Counted, levels: list[int], draws: Draws) -> NDArray[np.float64]:
    """Return average precision of one label under every weighting, (1 + R + G,), mean over levels of overlap."""
    values = []
    for block in blocks(draws.weights):
        weights = np.take(block, part.patients, axis=1).astype(np.float64)
        truth = block.astype(np.float64) @ part.truth
        each = [average_precision(part.hits[level], weights=weights, truth=truth) for level in levels]
        values.append(np.mean(each, axis=0))
    return np.concatenate(values)


def _require(truth: pd.DataFrame, found: pd.DataFrame, patients: Mapping[str, str]) -> None:
    for table, wanted in ((truth, BOX_COLUMNS), (found, (*BOX_COLUMNS, "score"))):
        if missing := [name for name in wanted if name not in table.columns]:
            raise MetricError(
                f"Boxes are scored by the columns {', '.join(wanted)}, but {', '.join(missing)} is missing; add it."
            )
        if unknown := sorted(set(table["radiograph_id"]) - set(patients)):
            raise MetricError(
                f"The patient of every radiograph with boxes must be known, but {unknown[:5]} have none; add them."
            )
    if not len(truth):
        raise MetricError("Detections are scored against one or more true boxes, but there is none; give them.")
