"""What is predicted: a measured density, or a class out of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.data.checks.role_values import (
    boolean_of,
    is_filled,
    limits_of,
    list_of,
    mapping_of,
    refuse_unknown,
    text_of,
)
from xattn_bmd.errors import ConfigError

DensityUnit = Literal["g/cm2", "mg/cm3"]

DEFAULT_TARGET_RANGE: dict[DensityUnit, tuple[float, float]] = {"g/cm2": (0.2, 2.0), "mg/cm3": (-50.0, 500.0)}
"""Plausible densities where the yaml gives none: areal (DXA) and volumetric (QCT, which can be below 0 in fat)."""

TAKEN_NAMES = ("all", "macro")
"""Words that result tables use in place of a class."""


@dataclass(frozen=True, kw_only=True)
class TargetRole:
    """The measured density.

    Attributes:
        column: name of its column.
        unit: ``"g/cm2"`` (DXA) or ``"mg/cm3"`` (QCT).
        range: lowest and highest plausible value, in that unit.
    """

    column: str
    unit: DensityUnit = "g/cm2"
    range: tuple[float, float] = DEFAULT_TARGET_RANGE["g/cm2"]

    @property
    def classes(self) -> tuple[str, ...]:
        """No class: a density is a number."""
        return ()

    def to_dict(self) -> dict[str, Any]:
        """Return the layout of ``cohort.yaml``."""
        return {"column": self.column, "unit": self.unit, "range": list(self.range)}


@dataclass(frozen=True, kw_only=True)
class ClassRole:
    """A class, such as the state of a vertebra.

    Attributes:
        column: name of its column.
        classes: all classes; where they are ordered, in their order.
        ordered: whether the order means something.

    Example:
        >>> ClassRole(column="fracture", classes=("normal", "old", "fresh")).to_dict()
        {'column': 'fracture', 'classes': ['normal', 'old', 'fresh'], 'ordered': False}
    """

    column: str
    classes: tuple[str, ...]
    ordered: bool = False

    def __post_init__(self) -> None:
        names = self.classes
        if len(names) < 2 or len(set(names)) < len(names) or {"", *TAKEN_NAMES} & set(names):
            raise ConfigError(
                f"target.classes lists two or more different classes, none called {' or '.join(TAKEN_NAMES)}, but "
                f"{list(names)} was given; list them all, each once."
            )

    def places(self, names: Sequence[str | None]) -> NDArray[np.float64]:
        """Return the place of each class, from 0; NaN for a name that is none.

        Example:
            >>> ClassRole(column="fracture", classes=("normal", "old", "fresh")).places(["fresh", None, "normal"])
            array([ 2., nan,  0.])
        """
        place = {name: float(code) for code, name in enumerate(self.classes)}
        return np.array([place.get(name or "", np.nan) for name in names], dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Return the layout of ``cohort.yaml``."""
        return {"column": self.column, "classes": list(self.classes), "ordered": self.ordered}


Target: TypeAlias = TargetRole | ClassRole


def target_of(value: Any) -> Target | None:  # noqa: ANN401
    """Return what the key ``target`` of ``cohort.yaml`` declares; None where it is absent.

    Raises:
        ConfigError: if a key is unknown, or a value has the wrong form.

    Example:
        >>> target_of({"column": "fracture", "classes": ["normal", "old", "fresh"]}).classes
        ('normal', 'old', 'fresh')
    """
    if not is_filled(value):
        return None
    values = mapping_of(value, where="target")
    refuse_unknown(values, known=("column", "unit", "range", "classes", "ordered"), where="target")
    column = text_of(values.get("column"), where="target.column")
    if "classes" in values or "ordered" in values:
        if given := sorted({"unit", "range"} & set(values)):
            raise ConfigError(
                f"A target of classes has neither unit nor range, but target.{given[0]} was given; remove it, or "
                "remove target.classes if the column holds densities."
            )
        return ClassRole(
            column=column,
            classes=tuple(list_of(values.get("classes"), where="target.classes")),
            ordered=boolean_of(values.get("ordered"), where="target.ordered"),
        )
    unit = _unit(values.get("unit", "g/cm2"))
    given_range = limits_of(values.get("range"), where="target")
    return TargetRole(column=column, unit=unit, range=given_range or DEFAULT_TARGET_RANGE[unit])


def _unit(value: Any) -> DensityUnit:  # noqa: ANN401
    plain = str(value).replace("²", "2").replace("³", "3").replace("^", "").replace(" ", "")
    for unit in get_args(DensityUnit):
        if plain == unit:
            return unit  # type: ignore[no-any-return]
    hint = "; divide mg/cm2 by 1000 to get g/cm2" if plain == "mg/cm2" else ""
    raise ConfigError(f"The target's unit is g/cm2 (DXA) or mg/cm3 (QCT), but {str(value)!r} was given{hint}.")
