"""What every column of a cohort table is for: the content of ``cohort.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from xattn_bmd.data.checks.role_values import (
    MINIMAL_EXAMPLE,
    boolean_of,
    is_filled,
    limits_of,
    list_of,
    mapping_of,
    nearest_hint,
    optional_text,
    refuse_unknown,
    text_of,
)
from xattn_bmd.data.target_roles import ClassRole as ClassRole
from xattn_bmd.data.target_roles import DensityUnit, Target, target_of
from xattn_bmd.data.target_roles import TargetRole as TargetRole
from xattn_bmd.errors import ConfigError
from xattn_bmd.types import VariableSchema

SIDES = {"l": "L", "left": "L", "r": "R", "right": "R"}
"""Accepted words for the body side, in lower case."""

_KEYS = (
    "id",
    "patient",
    "image",
    "target",
    "reference",
    "numeric",
    "categorical",
    "site",
    "side",
    "stratify",
    "masks",
    "simulated",
)


@dataclass(frozen=True, kw_only=True)
class NumericRole:
    """One numeric clinical variable.

    Attributes:
        name: name of its column.
        unit: unit in words, for messages and figures; None where not stated.
        range: lowest and highest plausible value, or None for no limit.
    """

    name: str
    unit: str | None = None
    range: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class CohortRoles:
    """Roles of the columns of a cohort table.

    Attributes:
        id: column of the radiograph ids, each of which occurs once.
        patient: column of the patient ids (may be the same column as ``id``).
        target: the measured density or the class, or None for a cohort without one.
        image: column of image file names; None matches files by their name without suffix.
        reference: name of the young-adult reference population.
        numeric: the ``N`` numeric variables, in order.
        categorical: ``(name, categories)`` of the ``C`` categorical variables, in order.
        site: column of the hospital or scanner.
        side: column of the body side, ``L``/``R``/``left``/``right``.
        stratify: categorical variables, or the site column, that stratify folds beside the target.
        masks: folder of masks, relative to the table; it names no column.
        simulated: True for made-up patients; the printed and the stored tables then say so.
    """

    id: str
    patient: str
    target: Target | None = None
    image: str | None = None
    reference: str | None = None
    numeric: tuple[NumericRole, ...] = ()
    categorical: tuple[tuple[str, tuple[str, ...]], ...] = ()
    site: str | None = None
    side: str | None = None
    stratify: tuple[str, ...] = ()
    masks: str | None = None
    simulated: bool = False

    def __post_init__(self) -> None:
        names = list(self.schema.names)
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(f"A column is numeric or categorical, once, but {twice} is declared twice; keep one.")
        reserved = {self.id, self.patient, *((self.target.column,) if self.target else ())}
        if leaking := sorted(reserved & set(names)):
            raise ConfigError(
                f"Ids and the target may not be clinical variables as well, but {leaking} is; "
                "a model would read the answer from it: remove it from numeric or categorical."
            )
        if self.classes and self.reference is not None:
            raise ConfigError(
                f"A reference population turns a density into a T-score, but the target is a class and the reference "
                f"{self.reference!r} was given; remove it."
            )
        allowed = [name for name, _ in self.categorical] + ([self.site] if self.site else [])
        for name in self.stratify:
            if name not in allowed:
                raise ConfigError(
                    f"Folds are stratified on categorical variables or the site column {allowed}, "
                    f"but {name!r} was given{nearest_hint(name, allowed)}."
                )

    @property
    def schema(self) -> VariableSchema:
        """Names and categories of the clinical variables."""
        return VariableSchema(numeric=tuple(role.name for role in self.numeric), categorical=self.categorical)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the target's classes; empty where it is a density, or there is none."""
        return self.target.classes if self.target else ()

    @property
    def unit(self) -> DensityUnit | None:
        """Unit of the measured density; None where the target is a class, or there is none."""
        return self.target.unit if isinstance(self.target, TargetRole) else None

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that has a role, each once, in a fixed order."""
        target = self.target.column if self.target else None
        named = [self.id, self.patient, self.image, target, *self.schema.names, self.site, self.side]
        return tuple(dict.fromkeys(name for name in named if name))

    @classmethod
    def from_yaml(cls, path: str | Path) -> CohortRoles:
        """Read ``cohort.yaml``.

        Values are read as plain text, so that categories such as ``no`` or ``01`` stay what they look like.

        Raises:
            ConfigError: if the file is absent or not YAML, or a value breaks the format.
        """
        path = Path(path)
        try:
            values = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=yaml.BaseLoader)  # builds text only
        except (OSError, UnicodeDecodeError) as cause:
            raise ConfigError(_absent(path)) from cause
        except yaml.YAMLError as cause:
            line = getattr(getattr(cause, "problem_mark", None), "line", None)
            place = "" if line is None else f" near line {line + 1}"
            raise ConfigError(
                f"{path.name} must be YAML, but cannot be read{place}; compare:\n{MINIMAL_EXAMPLE}"
            ) from cause
        return cls.from_dict(values)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CohortRoles:
        """Return the roles in a dictionary of the same layout as ``cohort.yaml``.

        Raises:
            ConfigError: if a key is unknown or missing, or a value has the wrong form.

        Example:
            >>> values = {"id": "scan", "patient": "person", "numeric": {"age": {"unit": "years"}}}
            >>> CohortRoles.from_dict(values).schema.names
            ('age',)
        """
        values = mapping_of(values, where="cohort.yaml")
        refuse_unknown(values, known=_KEYS, where="cohort.yaml")
        if absent := [key for key in ("id", "patient") if not is_filled(values.get(key))]:
            raise ConfigError(
                f"cohort.yaml must name the columns id and patient, but {absent} is absent; compare:\n{MINIMAL_EXAMPLE}"
            )
        return cls(
            id=text_of(values["id"], where="id"),
            patient=text_of(values["patient"], where="patient"),
            target=target_of(values.get("target")),
            numeric=_numeric(values.get("numeric")),
            categorical=_categorical(values.get("categorical")),
            stratify=tuple(list_of(values.get("stratify"), where="stratify")),
            simulated=boolean_of(values.get("simulated"), where="simulated"),
            image=optional_text(values, "image"),
            reference=optional_text(values, "reference"),
            site=optional_text(values, "site"),
            side=optional_text(values, "side"),
            masks=optional_text(values, "masks"),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the layout of ``cohort.yaml`` as plain dictionaries and lists; roles that are None are left out."""
        values: dict[str, Any] = {
            "id": self.id,
            "patient": self.patient,
            "image": self.image,
            "target": self.target and self.target.to_dict(),
            "reference": self.reference,
            "numeric": {role.name: _numeric_dict(role) for role in self.numeric},
            "categorical": {name: list(categories) for name, categories in self.categorical},
            "site": self.site,
            "side": self.side,
            "stratify": list(self.stratify),
            "masks": self.masks,
            "simulated": self.simulated,
        }
        return {key: value for key, value in values.items() if value is not None}


def config_beside(table: Path) -> Path:
    """Return where the roles of a table are looked for: the ``.yaml`` file with its name, or else ``cohort.yaml``."""
    named = [path for suffix in (".yaml", ".yml") if (path := table.with_suffix(suffix)).is_file()]
    return named[0] if named else table.parent / "cohort.yaml"


def _numeric_dict(role: NumericRole) -> dict[str, Any]:
    unit = {} if role.unit is None else {"unit": role.unit}
    return unit if role.range is None else {**unit, "range": list(role.range)}


def _numeric(value: Any) -> tuple[NumericRole, ...]:  # noqa: ANN401
    if isinstance(value, list | tuple):
        return tuple(NumericRole(name=text_of(name, where="numeric")) for name in value)
    roles = []
    for name, detail in mapping_of(value, where="numeric").items():
        where = f"numeric.{name}"
        details = mapping_of(detail, where=where)
        refuse_unknown(details, known=("unit", "range"), where=where)
        unit, limits = optional_text(details, "unit"), limits_of(details.get("range"), where=where)
        roles.append(NumericRole(name=str(name), unit=unit, range=limits))
    return tuple(roles)


def _categorical(value: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:  # noqa: ANN401
    declared = []
    for name, listed in mapping_of(value, where="categorical").items():
        categories = list_of(listed, where=f"categorical.{name}")
        if len(categories) < 2 or len(set(categories)) < len(categories):
            raise ConfigError(
                f"categorical.{name} lists two or more different categories, but {categories} was given; list them all."
            )
        declared.append((str(name), tuple(categories)))
    return tuple(declared)


def _absent(path: Path) -> str:
    return (
        f"A cohort table needs a file that declares its columns, but {path} cannot be read; "
        f"write it, for example:\n{MINIMAL_EXAMPLE}"
    )
