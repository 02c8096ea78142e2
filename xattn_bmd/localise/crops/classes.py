"""A cohort of crops with a class each: boxes, drawn or found, joined with a table of what every box shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from xattn_bmd.data.checks.problem import Problem, listed
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.roles import ClassRole
from xattn_bmd.errors import ConfigError, LocaliseError
from xattn_bmd.localise.boxes.table import CORNERS, require_boxes
from xattn_bmd.localise.crops.cohort import crop_cohort
from xattn_bmd.localise.problems import OnProblem, tell
from xattn_bmd.metrics.detection import assign_boxes
from xattn_bmd.types import BOX_COLUMNS

_KEY, _LABEL = BOX_COLUMNS[0], "label"


def crop_classes(
    cohort: Cohort,
    truth: pd.DataFrame,
    *,
    target: ClassRole,
    out: str | Path,
    named_by: str = "level",
    found: pd.DataFrame | None = None,
    overlap: float = 0.5,
    margin: float = 0.1,
    on_problem: OnProblem = "raise",
) -> Cohort:
    """Cut out every vertebra, say, whose class is known, and make a cohort of the crops with that class as target.

    With ``found``, what a detector found is cut out instead of what was drawn: a detection takes the class of the true
    box that it overlaps most, each true box once, the most certain detection first.  Detections of nothing true have no
    class and are left out; true boxes that were missed are a problem, for a study without them would flatter the
    detector: mend it, or warn and report how many.

    Args:
        cohort: radiographs with their images.
        truth: one row per box: ``radiograph_id``, the corners ``x0, y0, x1, y1`` (pixels), ``named_by``, the class,
            and whatever else should come along; ``vertebrae.csv`` of simulated spines is such a table.
        target: column of the class in ``truth`` and all classes.
        out: new folder: ``images/``, ``cohort.csv`` and ``cohort.yaml``; whole or absent.
        named_by: column that names a box within its radiograph; a crop is called ``RADIOGRAPH-NAME``.
        found: table of detections with a ``score``, or None.
        overlap: smallest intersection over union with which a detection is of a true box.
        margin: share of a box's width and height that is added on each side.
        on_problem: what happens where true boxes were missed or a radiograph has no box: ``"raise"``, or ``"warn"``.

    Returns:
        The cohort in ``out``; a crop keeps the patient of its radiograph.

    Raises:
        LocaliseError: listing every problem of the boxes, or if a column is absent, a name occurs twice in a
            radiograph, a class is unknown or nothing true was found.
        CohortError: listing every problem of the cohort and its images.
        ConfigError: if a setting is impossible.
    """
    truth = _checked(truth, cohort, target=target, named_by=named_by)
    if found is None:
        boxes = truth
    else:
        boxes, problems = match_classes(found, truth, named_by=named_by, overlap=overlap)
        tell([problem.message for problem in problems], on_problem=on_problem, what="The detections")
        if boxes.empty:
            raise LocaliseError(
                f"A cohort of crops has a row or more, but of the true boxes none of {len(truth)} was found; look at "
                "the detections, lower the threshold or the overlap."
            )
    return crop_cohort(cohort, boxes, out=out, margin=margin, named_by=named_by, target=target, on_problem=on_problem)


def match_classes(
    found: pd.DataFrame, truth: pd.DataFrame, *, named_by: str = "level", overlap: float = 0.5
) -> tuple[pd.DataFrame, list[Problem]]:
    """Return the detections of true boxes, with all that is known of these, and the true boxes that were missed.

    Args:
        found: table of boxes with a ``score``.
        truth: table of boxes and what is known of them.
        named_by: column of ``truth`` that names a box within its radiograph.
        overlap: smallest intersection over union with which a detection is of a true box.

    Example:
        >>> truth = pd.DataFrame([["a", 0, 0, 10, 10, "L1"], ["a", 0, 20, 10, 30, "L2"]],
        ...                      columns=["radiograph_id", "x0", "y0", "x1", "y1", "level"])
        >>> found = pd.DataFrame([["a", "vertebra", 1, 0, 10, 10, 0.9]], columns=[*BOX_COLUMNS, "score"])
        >>> boxes, problems = match_classes(found, truth)
        >>> boxes["level"].tolist(), [problem.radiographs for problem in problems]
        (['L1'], [('a',)])
    """
    if not 0 < overlap <= 1:
        raise ConfigError(f"overlap is a share above 0, at most 1, but {overlap} was given; 0.5 is usual.")
    require_boxes(found)
    if "score" not in found.columns:
        raise LocaliseError("Detections have a score, which decides who takes a true box, but there is none; add it.")
    known = [name for name in truth.columns if name not in (_LABEL, *CORNERS)]
    rows, missed = [], []
    by_radiograph = dict(iter(found.sort_values("score", ascending=False, kind="stable").groupby(_KEY, sort=False)))
    for name, true in truth.groupby(_KEY, sort=False):
        part = by_radiograph.get(name, found.iloc[:0])
        places = assign_boxes(part[CORNERS].to_numpy(np.float64), true[CORNERS].to_numpy(np.float64), threshold=overlap)
        hit = part[places >= 0].drop(columns=_KEY).reset_index(drop=True)
        rows.append(pd.concat([true.iloc[places[places >= 0]][known].reset_index(drop=True), hit], axis=1))
        lost = np.setdiff1d(np.arange(len(true)), places)
        missed += [(str(name), f"{name}-{which}") for which in true.iloc[lost][named_by]]
    return pd.concat(rows, ignore_index=True), _missed(missed, total=len(truth))


def _missed(missed: list[tuple[str, str]], *, total: int) -> list[Problem]:
    if not missed:
        return []
    message = (
        f"Every true box is found, but {len(missed)} of {total} were missed: {listed([which for _, which in missed])}; "
        "report them beside the result, or lower the detector's threshold."
    )
    return [Problem("missed", message, tuple(dict.fromkeys(name for name, _ in missed)))]


def _checked(truth: pd.DataFrame, cohort: Cohort, *, target: ClassRole, named_by: str) -> pd.DataFrame:
    """Return the table with a label, without the patient, who is known from the radiograph."""
    needed = [_KEY, *CORNERS, named_by, target.column]
    if absent := [name for name in dict.fromkeys(needed) if name not in truth.columns]:
        raise LocaliseError(
            f"A table of classes has the columns {', '.join(dict.fromkeys(needed))}, but {absent} is missing; add it."
        )
    unknown = sorted(set(truth[target.column].astype(str)) - set(target.classes))
    if unknown:
        raise LocaliseError(
            f"A class is one of {', '.join(target.classes)}, but {listed(unknown)} was found; mend it, or name it."
        )
    twice = truth[truth.duplicated([_KEY, named_by])]
    if len(twice):
        shown = listed([f"{row[_KEY]}-{row[named_by]}" for _, row in twice.iterrows()])
        raise LocaliseError(f"A {named_by} occurs once in a radiograph, but {shown} comes twice; mend it.")
    _same_patients(truth, cohort)
    labelled = truth if _LABEL in truth.columns else truth.assign(**{_LABEL: "vertebra"})
    require_boxes(labelled)
    return labelled.drop(columns=cohort.roles.patient, errors="ignore")


def _same_patients(truth: pd.DataFrame, cohort: Cohort) -> None:
    if cohort.roles.patient not in truth.columns or cohort.roles.patient == _KEY:
        return
    patients = dict(zip(cohort.radiograph_ids, cohort.patient_ids, strict=True))
    given = zip(truth[_KEY].astype(str), truth[cohort.roles.patient].astype(str), strict=True)
    wrong = sorted({name for name, patient in given if name in patients and patients[name] != patient})
    if wrong:
        raise LocaliseError(
            f"A box has the patient of its radiograph, but in {listed(wrong)} it has another; mend the table."
        )
