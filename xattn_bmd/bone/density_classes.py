"""The three classes of density: their names, and the densities at which one becomes the next, by reference."""

from __future__ import annotations

from xattn_bmd.bone.reference import Reference, Unit
from xattn_bmd.bone.tscore import EDGE_TOLERANCE, NORMAL_EDGE, OSTEOPOROSIS_EDGE, density_at

CLASS_NAMES: dict[Unit, tuple[str, str, str]] = {
    "g/cm2": ("normal", "osteopenia", "osteoporosis"),
    "mg/cm3": ("normal", "low", "osteoporosis"),
}
"""Names in their order, from high to low density: those of ``who_class``, and those of ``qct_class``."""


def class_names(reference: Reference) -> tuple[str, str, str]:
    """Return the names of the classes, from high to low density.

    Example:
        >>> from xattn_bmd.bone.reference import QCT_SPINE
        >>> class_names(QCT_SPINE)
        ('normal', 'low', 'osteoporosis')
    """
    return CLASS_NAMES[reference.unit]


def class_edges(reference: Reference) -> tuple[float, float]:
    """Return the densities below which the second and the third class begin, in the unit of the reference.

    They lie off the cut-offs by the tolerance of :func:`~xattn_bmd.bone.tscore.is_low_density`, on the side that leaves
    a density on the cut-off in its class: "below" then says what ``who_class`` and ``qct_class`` say.

    Args:
        reference: the young-adult population, or the scale of QCT.

    Example:
        >>> from xattn_bmd.bone.reference import QCT_SPINE
        >>> [round(edge, 3) for edge in class_edges(QCT_SPINE)]
        [120.0, 80.0]
    """
    inwards = 1.0 if reference.unit == "g/cm2" else -1.0
    steps = (NORMAL_EDGE - inwards * EDGE_TOLERANCE, OSTEOPOROSIS_EDGE + inwards * EDGE_TOLERANCE)
    first, second = (float(density_at(step, reference=reference)) for step in steps)
    return first, second
