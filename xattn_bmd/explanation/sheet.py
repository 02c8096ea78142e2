"""One page for one radiograph: picture, heat, estimate with interval, T-score, contributions, and what it is not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.bone.reference import Reference, get_reference
from xattn_bmd.bone.scale import density_class, scale_of
from xattn_bmd.bone.tscore import t_score
from xattn_bmd.explanation.blocks import TRAINED, Arrays
from xattn_bmd.explanation.opened import OpenedCohort
from xattn_bmd.report.figures.heat_overlay import heat_overlay
from xattn_bmd.report.figures.save import svg_text
from xattn_bmd.report.figures.t_scale import t_scale
from xattn_bmd.report.html import Page, page_html
from xattn_bmd.report.page import Bullets, Picture, Prose, Section, Terms

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVEL = 0.9
RESEARCH_ONLY = "RESEARCH ONLY: not for diagnosis or treatment of anybody."
SIMULATED = "SIMULATED radiographs: nothing here is about a patient."
CAVEATS = (
    "Heat shows where the estimate is sensitive, not where bone is weak; it is no finding.",
    "A heat map can look plausible for a model that knows nothing: see overlap.csv, where controls stand beside it.",
    "Attention shows where the network looked for keys, not why it predicted what it did.",
    "The interval holds for people like those of the development cohort, over all of them, not for each person.",
)


def sheet_html(opened: OpenedCohort, arrays: Arrays, row: int, *, contributions: Figure | None = None) -> str:
    """Return the page of one radiograph as HTML that needs no other file.

    Args:
        opened: the cohort.
        arrays: the joined blocks.
        row: row of the radiograph.
        contributions: a figure of what each clinical variable added to the estimate, where that was computed.
    """
    name, simulated = opened.cohort.radiograph_ids[row], _simulated(opened)
    sections = [_picture(opened, arrays, row), _estimate(opened, float(arrays["density"][row]), row)]
    if contributions is not None:
        sections.append(_contributions(name, contributions))
    sections.append(Section(name="caveats", title="What this is not", blocks=(Bullets(items=CAVEATS),)))
    drawings = {
        block.name: svg_text(block.figure, label=block.label)
        for section in sections
        for block in section.blocks
        if isinstance(block, Picture)
    }
    banners = [("alarm", RESEARCH_ONLY), *([("alarm", SIMULATED)] if simulated else [])]
    return page_html(
        Page(
            title=f"Radiograph {name}",
            subtitle=f"explained model: {opened.explained.predictor.model}",
            banners=tuple(banners),
            sections=tuple(sections),
            drawings=drawings,
            made_with="Made with xattn-bmd.",
        )
    )


def error_quantile(errors: NDArray[np.float64], *, level: float = LEVEL) -> float:
    """Return the absolute error that a share of new people stays below, with the correction of split conformal.

    Args:
        errors: ``(M,)`` absolute out-of-fold errors.
        level: wanted coverage.

    Returns:
        infinite where there are too few errors for the level.

    Example:
        >>> error_quantile(np.arange(1.0, 100.0), level=0.9)
        90.0
    """
    rank = math.ceil(level * (len(errors) + 1))
    return float(np.sort(errors)[rank - 1]) if rank <= len(errors) else math.inf


def _picture(opened: OpenedCohort, arrays: Arrays, row: int) -> Section:
    picture = opened.image(np.array([row]))[:, 0].cpu().numpy()
    heat = arrays[f"heat_{TRAINED}"][row].astype(np.float32)
    figure = heat_overlay(
        np.concatenate([picture, picture]),
        np.stack([np.zeros_like(heat), heat]),
        names=("as the model sees it", "heat"),
        title="Right hips are mirrored; red raises the estimate, blue lowers it",
    )
    caption = "The radiograph and the heat over it; the colour says where, on this picture's own scale."
    shown = Picture(name="heat", caption=caption, label="Radiograph beside its heat map", figure=figure)
    return Section(name="picture", title="Radiograph and heat", blocks=(shown,))


def _estimate(opened: OpenedCohort, density: float, row: int) -> Section:
    predictor, measured = opened.explained.predictor, float(opened.cohort.targets[row])
    reference = get_reference(predictor.reference)
    scale = scale_of(reference)
    width = error_quantile(predictor.density_development.residuals.size)
    low, high = density - width, density + width
    held_out = not bool(opened.models[:, row].all())
    own, scales = _t_score(density, low, high, reference=reference) if scale.has_t_scores else ((), ())
    terms = (
        ("estimate", f"{scale.text(density)} {scale.unit}"),
        (f"{100 * LEVEL:.0f} % interval", f"{scale.text(low)} to {scale.text(high)} {scale.unit}"),
        *own,
        (f"{scale.class_kind} of the estimate", str(density_class(density, reference=reference))),
        ("measured", "not given" if math.isnan(measured) else f"{scale.text(measured)} {scale.unit}"),
        ("model", "the fold model that did not train on this patient" if held_out else "mean of the fold models"),
    )
    return Section(name="estimate", title="Estimate", blocks=(Terms(items=terms), *scales))


def _t_score(
    density: float, low: float, high: float, *, reference: Reference
) -> tuple[tuple[tuple[str, str], ...], tuple[Picture, ...]]:
    """Return the T-score of an areal density with its interval, as a term and drawn over the WHO classes."""
    t, least, most = (float(t_score(value, reference=reference)) for value in (density, low, high))
    said = f"{t:.1f} ({least:.1f} to {most:.1f}), reference {reference.name}".replace("-", "−")
    figure = t_scale(t_score=t, low=least, high=most)
    caption = "Estimated T-score with its interval, from the out-of-fold errors of the development cohort."
    drawn = Picture(name="t-score", caption=caption, label=f"T-score {t:.1f} on the WHO scale", figure=figure)
    return (("T-score", said),), (drawn,)


def _contributions(name: str, figure: Figure) -> Section:
    caption = "What each clinical variable, and the picture, added to the estimate."
    shown = Picture(name="contributions", caption=caption, label=f"Contributions for {name}", figure=figure)
    note = Prose(text="Contributions add up to the estimate; they describe the model, not the person.", tone="note")
    return Section(name="contributions", title="Contributions", blocks=(shown, note))


def _simulated(opened: OpenedCohort) -> bool:
    return opened.explained.predictor.simulated or opened.cohort.roles.simulated
