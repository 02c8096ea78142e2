"""What the predictions are good for: who can be decided at once, and the net benefit of acting on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xattn_bmd.report.figures.decision_curve import decision_curve
from xattn_bmd.report.material import THRESHOLDS, Material, reasons
from xattn_bmd.report.numbers import percent
from xattn_bmd.report.page import Block, Gallery, Picture, Prose, Section
from xattn_bmd.report.sections.grid import by_model

if TYPE_CHECKING:
    import pandas as pd

NOTHING_TO_FIT = (
    "Not available: it needs something fitted on {} that are not scored, and a single fold without "
    "calibration.csv has none."
)
_TRIAGE = ("decided", "rule_in", "rule_out", "ppv", "npv")


def section(material: Material) -> Section:
    """Return the section."""
    return Section(
        name="utility",
        title="Clinical utility",
        parts=(
            Section(name="triage", title="Rule-in and rule-out triage", blocks=_triage(material)),
            Section(name="decision-curve", title="Decision curve", blocks=_decision_curves(material)),
        ),
    )


def _triage(material: Material) -> tuple[Block, ...]:
    table = material.evidence.triage
    if table.empty:
        return (Prose(text=NOTHING_TO_FIT.format(material.words.images)),)
    words = material.words
    wanted = percent(float(table["wanted"].iloc[0]), digits=0)
    text = (
        f"Share of {words.images} that are decided at once by two cut-offs on predicted density, fitted to reach PPV "
        f"and NPV of {wanted}; the others would go to {words.scale.method}. The achieved values are those of the "
        f"scored {words.images}."
    )
    tables = tuple(
        by_model(
            material,
            table[table["threshold"] == threshold],
            _TRIAGE,
            name=f"triage-{words.scale.anchors[threshold]}",
            caption=f"Triage for low density at {words.at(threshold)}, cut-offs fitted {material.fitted}.",
            notes=fitted_notes(table),
        )
        for threshold in THRESHOLDS
    )
    return Prose(text=text), *tables


def _decision_curves(material: Material) -> tuple[Block, ...]:
    table, words = material.evidence.decision_curve, material.words
    if table.empty:
        return (Prose(text=NOTHING_TO_FIT.format(material.words.images)),)
    text = (
        "Net benefit of acting on those whose risk of low density is at least the threshold probability, beside "
        "acting on all and on none. It weighs a needless examination by the odds of that probability."
    )
    drawn = tuple(
        Picture(
            name=f"decision-curve-{words.scale.anchors[threshold]}",
            caption=material.caption(f"Decision curves for low density at {words.at(threshold)}."),
            label=f"Decision curves at {words.at(threshold)}",
            figure=decision_curve(table, threshold=threshold, models=material.models, words=words),
        )
        for threshold in THRESHOLDS
    )
    notes = (*fitted_notes(table), *reasons(table.to_dict("records")))
    return Prose(text=text), Gallery(pictures=drawn), *(Prose(text=words.reason(note), tone="note") for note in notes)


def fitted_notes(table: pd.DataFrame) -> tuple[str, ...]:
    """Return what was fitted on what, each once."""
    texts = dict.fromkeys(str(on) for on in table["fitted_on"] if str(on) not in ("", "nan"))
    return tuple(f"Fitted on: {on}." for on in texts)
