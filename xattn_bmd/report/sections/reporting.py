"""The reporting checklists, filled where the run knows the answer."""

from __future__ import annotations

from collections.abc import Sequence

from xattn_bmd.report.checklist import CLAIM, TRIPOD_AI, Item
from xattn_bmd.report.material import Material
from xattn_bmd.report.page import Cell, Prose, Section, Table

TO_FILL = "author to fill"
_GOVERNS = (
    "Wording and selection are ours and short; the published checklists govern. Answers come from the run and are a "
    "start, not a finished report."
)


def section(material: Material) -> Section:
    """Return the section."""
    return Section(
        name="checklists",
        title="Reporting checklists",
        blocks=(Prose(text=_GOVERNS),),
        parts=(
            Section(
                name="tripod-ai",
                title="TRIPOD+AI",
                blocks=(
                    _table(
                        material,
                        TRIPOD_AI,
                        name="tripod-ai",
                        caption="All 27 items of TRIPOD+AI (Collins et al. 2024, BMJ 385:e078378).",
                    ),
                ),
            ),
            Section(
                name="claim",
                title="CLAIM",
                blocks=(
                    _table(
                        material,
                        CLAIM,
                        name="claim",
                        caption="Items of CLAIM specific to images, in the numbers of 2020 (Mongan et al., Radiol "
                        "Artif Intell 2:e200029); the 2024 update renumbers and rewords.",
                    ),
                ),
            ),
        ),
    )


def filled(item: Item, material: Material) -> str:
    """Return what the run knows about an item, or that the author must fill it in."""
    known = "" if item.answer is None else item.answer(material)
    return known or TO_FILL


def _table(material: Material, items: Sequence[Item], *, name: str, caption: str) -> Table:
    answered = [filled(item, material) for item in items]
    known = sum(text != TO_FILL for text in answered)
    return Table(
        name=name,
        caption=f"{caption} {known} of {len(items)} parts are filled from the run.",
        columns=("item", "topic", "what to report", "answer"),
        rows=tuple(
            (Cell(item.number), Cell(item.topic), Cell(item.wording), Cell(text))
            for item, text in zip(items, answered, strict=True)
        ),
        wording=True,
    )
