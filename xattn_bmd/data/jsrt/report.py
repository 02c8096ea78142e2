"""What a conversion of JSRT made, and what it could not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from xattn_bmd.data.checks.problem import listed
from xattn_bmd.data.checks.read_table import present
from xattn_bmd.data.jsrt.files import NUMBERS, ORGANS, SourceFiles
from xattn_bmd.data.roles import CohortRoles

_ALL = sum(NUMBERS.values())


@dataclass(frozen=True, kw_only=True)
class JsrtConversion:
    """A converted JSRT; ids are those of the table.

    Attributes:
        table: path of ``cohort.csv``.
        radiographs: how many it has, of 247.
        without_mask: for each of ``"clavicle"``, ``"lungs"`` and ``"heart"``, the radiographs without that mask.
        without_radiograph: ids that have masks but no radiograph; these masks were not converted.
        without_age: radiographs of unknown age.
        without_sex: radiographs of unknown sex.
        without_density: radiographs without a density; all of them where no table was given.
    """

    table: Path
    radiographs: int
    without_mask: dict[str, tuple[str, ...]]
    without_radiograph: tuple[str, ...]
    without_age: tuple[str, ...]
    without_sex: tuple[str, ...]
    without_density: tuple[str, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each thing that is not there."""
        kinds = {f"no mask of the {organ}": names for organ, names in self.without_mask.items()}
        kinds |= {"no age": self.without_age, "no sex": self.without_sex, "no density": self.without_density}
        notes = [f"{len(names)} radiographs have {what}: {listed(names)}." for what, names in kinds.items() if names]
        if self.radiographs < _ALL:
            notes.insert(0, f"{self.radiographs} of the {_ALL} radiographs of JSRT were there.")
        if self.without_radiograph:
            notes.append(
                f"{len(self.without_radiograph)} radiographs have masks but no .IMG file, and were left out: "
                f"{listed(self.without_radiograph)}."
            )
        if len(self.without_density) == self.radiographs:
            notes.append("Without densities the cohort serves prediction, not training or evaluation.")
        return tuple(notes)


def report_of(path: Path, *, source: SourceFiles, table: pd.DataFrame, roles: CohortRoles) -> JsrtConversion:
    """Return the report.

    Args:
        path: of the written table.
        source: the files that were converted.
        table: the written table.
        roles: of its columns.
    """
    return JsrtConversion(
        table=path,
        radiographs=len(table),
        without_mask={
            organ: tuple(name for name in source.radiographs if not source.parts(name, organ)) for organ in ORGANS
        },
        without_radiograph=tuple(sorted({name for name, _ in source.masks} - set(source.radiographs))),
        without_age=_empty(table, "age", roles=roles),
        without_sex=_empty(table, "sex", roles=roles),
        without_density=_empty(table, roles.target.column if roles.target else None, roles=roles),
    )


def _empty(table: pd.DataFrame, column: str | None, *, roles: CohortRoles) -> tuple[str, ...]:
    names = table[roles.id].tolist()
    if column is None:
        return tuple(names)
    return tuple(name for name, filled in zip(names, present(table[column]), strict=True) if not filled)
