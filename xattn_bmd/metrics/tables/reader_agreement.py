"""Agreement of readers with each other and with themselves, with patient-bootstrap intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.metrics.confusion import confusion_cells
from xattn_bmd.metrics.fleiss import fleiss_from_sums, fleiss_terms
from xattn_bmd.metrics.intervals import REPLICATES, patient_draws, split_draws, sums_of_draws
from xattn_bmd.metrics.kappa import kappa_from_matrix
from xattn_bmd.metrics.readings import MISSING, Readings, arranged_readings
from xattn_bmd.metrics.tables.layout import INTERVAL_COLUMNS, NAN, frame, interval_reason, valued, without_interval

if TYPE_CHECKING:
    import pandas as pd

READER_AGREEMENT_COLUMNS = (
    *("kind", "reader_a", "reader_b", "reading_a", "reading_b", "metric"),
    *(*INTERVAL_COLUMNS, "items", "patients", "left_out", "reason"),
)
INTER, INTRA, ALL_READERS = "inter", "intra", "all readers"

NO_COMMON_ITEM = "no item was read in all of these readings"
ONE_CLASS_USED = "every reading is of one class, so that agreement cannot be told from chance"


def reader_agreement(
    table: pd.DataFrame,
    *,
    classes: Sequence[str] | None = None,
    ordered: bool = False,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> pd.DataFrame:
    """Return how well readers agree with each other and with themselves.

    Readers are compared in pairs by their first readings (``inter``), a reader's readings in pairs (``intra``), and
    more than two readers' first readings all at once by Fleiss' kappa (``all readers``).  Each comparison takes the
    items that are in all of its readings; ``left_out`` counts those in some of them only.  Intervals draw patients,
    each with all items: two vertebrae of one patient are not two patients.

    Args:
        table: one row per (item, reader, reading) with ``item_id, patient_id, reader, class`` and, where a reader read
            more than once, ``reading`` (1, 2, ...); an item is known by patient and item together, and an empty class
            is an item not read.
        classes: all classes, from the lowest to the highest where ``ordered``; None takes those found.
        ordered: adds the weighted kappas, which charge a disagreement its distance in classes or the square of it.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (comparison, metric) with :data:`READER_AGREEMENT_COLUMNS`.  Metrics: ``agreement`` (share of items
        with the same class), ``kappa`` (Cohen's), ``kappa_linear`` and ``kappa_quadratic``; ``agreement`` (mean share
        of agreeing pairs) and ``fleiss_kappa`` of all readers.  ``reason`` says why a value or its interval is NaN: a
        kappa is where all readings are of one and the same class.

    Raises:
        MetricError: listing all that is wrong with the table.

    Example:
        >>> import pandas as pd
        >>> items = pd.DataFrame({"item_id": ["L1", "L2", "L3", "L4"], "patient_id": ["p", "p", "q", "r"]})
        >>> first = items.assign(reader="A", **{"class": ["old", "fresh", "none", "none"]})
        >>> second = items.assign(reader="B", **{"class": ["old", "fresh", "none", "old"]})
        >>> found = reader_agreement(pd.concat([first, second]), replicates=200)
        >>> found.set_index("metric")["value"].round(3).to_dict()
        {'agreement': 0.75, 'kappa': 0.636}
    """
    readings = arranged_readings(table, classes=classes, ordered=ordered)
    rows = [
        row | _named(readings, kind, sessions)
        for kind, sessions in _comparisons(readings)
        for row in _rows(readings, sessions, kind=kind, ordered=ordered, seed=seed, replicates=replicates)
    ]
    return frame(rows, READER_AGREEMENT_COLUMNS).astype({"reading_a": "Int64", "reading_b": "Int64"})


def _comparisons(readings: Readings) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from ((INTER, pair) for pair in readings.inter_pairs())
    yield from ((INTRA, pair) for pair in readings.intra_pairs())
    first = readings.first_readings()
    if len(first) > 2:
        yield ALL_READERS, tuple(first)


def _named(readings: Readings, kind: str, sessions: tuple[int, ...]) -> dict[str, Any]:
    found = [readings.sessions[place] for place in sessions]
    if kind == ALL_READERS:
        names = ", ".join(one.reader for one in found)
        return {"kind": kind, "reader_a": names, "reader_b": "", "reading_a": None, "reading_b": None}
    a, b = found
    readers = {"kind": kind, "reader_a": a.reader, "reader_b": b.reader}
    return readers | {"reading_a": a.reading, "reading_b": b.reading}


def _rows(
    readings: Readings, sessions: tuple[int, ...], *, kind: str, ordered: bool, seed: int, replicates: int
) -> Iterator[dict[str, Any]]:
    common = readings.read_in_all(sessions)
    codes = readings.codes[list(sessions)]
    patients = np.unique(readings.patients[common], return_inverse=True)[1].astype(np.int64)
    n_patients = int(patients.max(initial=-1)) + 1
    counted = {"items": int(common.sum()), "patients": n_patients}
    counted["left_out"] = int((codes != MISSING).any(axis=0).sum()) - counted["items"]
    terms = _terms(codes[:, common], n_classes=len(readings.classes), kind=kind)
    if n_patients == 0:
        for metric in _metrics(terms.sum(axis=0, keepdims=True), kind=kind, ordered=ordered):
            yield {"metric": metric, "reason": NO_COMMON_ITEM} | counted | without_interval(NAN)
        return
    draws = patient_draws(n_patients, seed=seed, replicates=replicates)
    sums = sums_of_draws(terms, draws, patients)
    for metric, values in _metrics(sums, kind=kind, ordered=ordered).items():
        statistic = split_draws(values, draws)
        reason = ONE_CLASS_USED if np.isnan(statistic.value) else interval_reason(statistic)
        yield {"metric": metric, "reason": reason} | counted | valued(statistic)


def _terms(codes: NDArray[np.int64], *, n_classes: int, kind: str) -> NDArray[np.float64]:
    """Return what each item adds to the sums behind the metrics, (N, K²) of a pair, (N, 1 + K) of all readers."""
    if kind != ALL_READERS:
        return confusion_cells(codes[0], codes[1], n_classes=n_classes)
    return fleiss_terms(np.eye(n_classes)[codes].sum(axis=0))


def _metrics(sums: NDArray[np.float64], *, kind: str, ordered: bool) -> dict[str, NDArray[np.float64]]:
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == ALL_READERS:
            return {"agreement": sums[:, 0] / sums[:, 1:].sum(axis=1), "fleiss_kappa": fleiss_from_sums(sums)}
        side = round(sums.shape[1] ** 0.5)
        matrix = sums.reshape(-1, side, side)
        values = {
            "agreement": np.trace(matrix, axis1=1, axis2=2) / sums.sum(axis=1),
            "kappa": kappa_from_matrix(matrix),
        }
    if ordered:
        values["kappa_linear"] = kappa_from_matrix(matrix, charge="linear")
        values["kappa_quadratic"] = kappa_from_matrix(matrix, charge="quadratic")
    return values
