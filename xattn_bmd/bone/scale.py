"""The words and digits of a unit of density: those of DXA, and those of quantitative CT (QCT)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.bone.density_classes import CLASS_NAMES
from xattn_bmd.bone.qct import QCT_NORMAL, QCT_OSTEOPOROSIS, qct_class
from xattn_bmd.bone.reference import Reference, Unit
from xattn_bmd.bone.tscore import NORMAL_EDGE, OSTEOPOROSIS_EDGE, t_score, who_class


@dataclass(frozen=True, kw_only=True)
class DensityScale:
    """How densities of one unit are written, cut and classed.

    Attributes:
        code: the unit as tables have it.
        unit: the unit as a reader sees it.
        squared: that of a squared error.
        decimals: of a density or an error of it.
        squared_decimals: of a squared error.
        method: what measures such densities.
        has_t_scores: whether a T-score is defined.
        lines: what divides the classes, in words.
        cut_offs: both together.
        edges: each threshold of the tables, in words.
        anchors: each as part of a name: letters and digits alone.
        low: low density at the first of them, in plain letters.
        positive_rule: low density at each of them.
        class_kind: what a class is called.
        classes: names of the classes, from the densest.
        class_rule: which densities each has.
    """

    code: Unit
    unit: str
    squared: str
    decimals: int
    squared_decimals: int
    method: str
    has_t_scores: bool
    lines: str
    cut_offs: str
    edges: dict[float, str]
    anchors: dict[float, str]
    low: str
    positive_rule: str
    class_kind: str
    classes: tuple[str, str, str]
    class_rule: str

    def text(self, density: float, *, sign: str = "") -> str:
        """Return a density, or a difference of two, with the digits of its unit.

        Args:
            density: in the unit.
            sign: ``"+"`` writes the sign of positive values too.

        Example:
            >>> AREAL.text(0.8991), VOLUMETRIC.text(103.92, sign="+")
            ('0.899', '+103.9')
        """
        return f"{density:{sign}.{self.decimals}f}"


AREAL = DensityScale(
    code="g/cm2",
    unit="g/cm²",
    squared="(g/cm²)²",
    decimals=3,
    squared_decimals=5,
    method="DXA",
    has_t_scores=True,
    lines="T-scores",
    cut_offs="T = −1 and −2.5",
    edges={NORMAL_EDGE: "T = −1", OSTEOPOROSIS_EDGE: "T = −2.5"},
    anchors={NORMAL_EDGE: "tm1", OSTEOPOROSIS_EDGE: "tm2p5"},
    low="T < -1",
    positive_rule="T < −1 at the threshold −1, T ≤ −2.5 at −2.5",
    class_kind="WHO class",
    classes=CLASS_NAMES["g/cm2"],
    class_rule="Normal: T ≥ −1; osteopenia: −2.5 < T < −1; osteoporosis: T ≤ −2.5",
)
"""Areal density, by DXA."""

VOLUMETRIC = DensityScale(
    code="mg/cm3",
    unit="mg/cm³",
    squared="(mg/cm³)²",
    decimals=1,
    squared_decimals=1,
    method="QCT",
    has_t_scores=False,
    lines="cut-offs",
    cut_offs=f"{QCT_NORMAL:g} and {QCT_OSTEOPOROSIS:g} mg/cm³",
    edges={NORMAL_EDGE: f"{QCT_NORMAL:g} mg/cm³", OSTEOPOROSIS_EDGE: f"{QCT_OSTEOPOROSIS:g} mg/cm³"},
    anchors={NORMAL_EDGE: f"{QCT_NORMAL:g}", OSTEOPOROSIS_EDGE: f"{QCT_OSTEOPOROSIS:g}"},
    low=f"<= {QCT_NORMAL:g} mg/cm³",
    positive_rule=(
        f"{QCT_NORMAL:g} mg/cm³ and below at the cut-off {QCT_NORMAL:g}, below {QCT_OSTEOPOROSIS:g} mg/cm³ at the "
        f"cut-off {QCT_OSTEOPOROSIS:g}"
    ),
    class_kind="QCT class",
    classes=CLASS_NAMES["mg/cm3"],
    class_rule=(
        f"Normal: above {QCT_NORMAL:g} mg/cm³; low (low bone mass): {QCT_OSTEOPOROSIS:g} to {QCT_NORMAL:g} mg/cm³; "
        f"osteoporosis: below {QCT_OSTEOPOROSIS:g} mg/cm³"
    ),
)
"""Volumetric density, by quantitative CT: cut-offs, and no T-score."""

SCALES: dict[Unit, DensityScale] = {scale.code: scale for scale in (AREAL, VOLUMETRIC)}
"""By the unit of tables, references and cohorts."""


def scale_of(reference: Reference) -> DensityScale:
    """Return the words and digits of a reference's unit.

    Example:
        >>> from xattn_bmd.bone.reference import QCT_SPINE
        >>> scale_of(QCT_SPINE).unit
        'mg/cm³'
    """
    return SCALES[reference.unit]


def density_class(density: ArrayLike, *, reference: Reference) -> NDArray[np.str_]:
    """Return the class of each density: that of the WHO by T-score, or that of QCT by its cut-offs.

    Args:
        density: (N,) or scalar, in the unit of the reference.
        reference: the young-adult population, or the scale of QCT.

    Returns:
        Names of ``scale_of(reference).classes`` with the shape of ``density``; ``unknown`` where it is missing.

    Example:
        >>> from xattn_bmd.bone.reference import QCT_SPINE
        >>> density_class([100.0, 130.0], reference=QCT_SPINE).tolist()
        ['low', 'normal']
    """
    if scale_of(reference).has_t_scores:
        return who_class(t_score(density, reference=reference))
    return qct_class(density)


def scale_words(reference: Reference) -> str:
    """Return what densities are cut by, with its source, in a sentence or two.

    Example:
        >>> from xattn_bmd.bone.reference import get_reference
        >>> scale_words(get_reference("hologic_spine_white_female"))[:65]
        'T-scores by hologic_spine_white_female: mean 1.047, SD 0.110 g/cm'
    """
    scale = scale_of(reference)
    if scale.has_t_scores:
        mean, sd = scale.text(reference.mean), scale.text(reference.sd)
        return f"T-scores by {reference.name}: mean {mean}, SD {sd} {scale.unit}; {reference.source}."
    return (
        f"The reference {reference.name} is {reference.source.replace('-', '−')} in the tables beside this page. "
        "T-scores, WHO classes and FRAX are defined for DXA and are not given."
    )
