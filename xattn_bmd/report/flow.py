"""How many radiographs and patients there were at each step from the image folder to the analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from xattn_bmd.report.figures.style import GREY, PALE, look, new_figure, sentence, wrapped
from xattn_bmd.report.words import RADIOGRAPHS, Words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NOT_RECORDED = "not recorded"
"""Stands for a number that the run does not know."""

FROM_PREDICTIONS = "a table of predictions alone: the steps before are not recorded"

_STEP, _BOX = 1.0, 0.62


class FlowStep(NamedTuple):
    """What is left at one step.

    Attributes:
        label: what these radiographs are.
        radiographs: how many; None where not recorded.
        patients: how many they belong to; None where not recorded.
        note: how many were lost on the way here, and why; empty where none was or nothing is recorded.
    """

    label: str
    radiographs: int | None
    patients: int | None
    note: str


def flow(cohort_record: Mapping[str, Any], predictions: pd.DataFrame, *, target: str = "density") -> list[FlowStep]:
    """Return the steps from the image folder to the analysis.

    Args:
        cohort_record: content of a run's ``cohort.json``; what it lacks is not recorded.  Empty for a predictions table
            that came without a run: then only the last step is known, and its note says so.
        predictions: a predictions table.
        target: what a radiograph needs beside its picture.

    Returns:
        Four steps: in the image folder, with a row in the clinical table, with target and picture, analysed.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"radiograph_id": ["a", "b"], "patient_id": ["p", "p"]})
        >>> [(step.radiographs, step.patients) for step in flow({}, table)]
        [(None, None), (None, None), (None, None), (2, 1)]
    """
    rows, unused = _count(cohort_record, "rows"), _count(cohort_record, "images_without_row")
    usable, patients = _count(cohort_record, "radiographs"), _count(cohort_record, "patients")
    analysed = predictions["radiograph_id"].nunique()
    owners = predictions["patient_id"].nunique()
    folder = None if rows is None or unused is None else rows + unused
    lost = FROM_PREDICTIONS if not cohort_record else _lost(usable, analysed, "without predictions")
    return [
        FlowStep("In the image folder", folder, None, ""),
        FlowStep(
            "With a row in the clinical table",
            rows,
            patients if rows == usable else None,
            _lost(folder, rows, "without a row in the table"),
        ),
        FlowStep(f"With {target} and picture", usable, patients, _lost(rows, usable, f"without {target} or picture")),
        FlowStep("Analysed", analysed, owners, lost),
    ]


@look()
def flow_figure(steps: Sequence[FlowStep], *, words: Words = RADIOGRAPHS) -> Figure:
    """Draw the steps as boxes from top to bottom, and beside the arrows who was lost on the way.

    Args:
        steps: from :func:`flow`.
        words: of the report.
    """
    if not steps:
        return sentence("No step of the cohort is recorded.")
    figure = new_figure(_STEP * (len(steps) - 1) + _BOX + 0.1)
    axes = figure.add_subplot()
    axes.set(xlim=(0.0, 1.0), ylim=(-_STEP * (len(steps) - 1) - _BOX / 2 - 0.02, _BOX / 2 + 0.02))
    axes.set_axis_off()
    for place, step in enumerate(steps):
        _draw_step(axes, step, -_STEP * place, first=place == 0, words=words)
    return figure


def _count(record: Mapping[str, Any], name: str) -> int | None:
    value = record.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _lost(before: int | None, after: int | None, why: str) -> str:
    """Return a note on the radiographs between two steps; two tables that contradict each other are not hidden."""
    if before is None or after is None or before == after:
        return ""
    if after > before:
        return f"{after - before:,} more than the step before: the records do not belong together"
    return f"{before - after:,} {why}"


def _draw_step(axes: Axes, step: FlowStep, height: float, *, first: bool, words: Words) -> None:
    known = step.radiographs is not None
    box = {"boxstyle": "square,pad=0.45", "facecolor": "white" if known else "#F2F2F2", "edgecolor": GREY}
    axes.text(0.29, height, f"{step.label}\n{_numbers(step, words)}", ha="center", va="center", bbox=box)
    if not first:
        arrow = {"arrowstyle": "-|>", "color": GREY, "linewidth": 1.2}
        axes.annotate("", xy=(0.29, height + _BOX / 2), xytext=(0.29, height + _STEP - _BOX / 2), arrowprops=arrow)
    if step.note:
        middle = height + _STEP / 2
        axes.plot([0.29, 0.62], [middle, middle], color=GREY, linewidth=1.0)
        text = wrapped(step.note, width=20)
        axes.text(0.63, middle, text, va="center", bbox={"boxstyle": "square,pad=0.3", "facecolor": PALE, "lw": 0})


def _numbers(step: FlowStep, words: Words) -> str:
    if step.radiographs is None:
        return NOT_RECORDED
    if step.patients is None:
        return f"{step.radiographs:,} {words.images}"
    return words.counted(step.radiographs, step.patients)
