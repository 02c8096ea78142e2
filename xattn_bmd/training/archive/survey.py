"""What only the whole of a table tells of its rows, found in one pass and kept in a few bytes a row."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.data.checks.read_table import cell_text
from xattn_bmd.training.archive.rows import Cells


@dataclass(frozen=True)
class Survey:
    """What only the whole table tells, as digests of 8 bytes.

    Attributes:
        total: number of rows.
        twice: ids that occur more than once.
        contradictory: for each column of a sex, patients whose rows differ.
    """

    total: int
    twice: frozenset[int]
    contradictory: dict[str, frozenset[int]]

    @classmethod
    def of(cls, rows: Iterable[tuple[str | None, Cells]], *, patient: str, sexes: Sequence[str]) -> Survey:
        """Read all rows.

        Args:
            rows: id and cells of each row.
            patient: column of the patients.
            sexes: columns in which a patient has one value.
        """
        total, ids = 0, array("Q")
        seen: dict[str, array[int]] = {name: array("Q") for name in sexes}
        for name, cells in rows:
            total += 1
            if name is not None:
                ids.append(_digest(name))
            person = cell_text(cells.get(patient))
            for column in sexes:
                value = cell_text(cells.get(column))
                if person is not None and value is not None:
                    seen[column].extend((_digest(person), _digest(value)))
        return cls(total, _repeated(_numbers(ids)), {name: _several(_numbers(pairs)) for name, pairs in seen.items()})

    def problem(self, name: str, patient: str | None) -> str:
        """Return what is wrong with a row beside the others of its table, or empty text.

        Args:
            name: its id.
            patient: its cell of the patients' column.
        """
        if _digest(name) in self.twice:
            return "A radiograph id occurs once, but this one occurs more often; rename or remove the rows."
        person = cell_text(patient)
        for column, patients in self.contradictory.items():
            if person is not None and _digest(person) in patients:
                return (
                    f"A patient has one value of {column}, but the rows of this one's patient differ; "
                    f"mend {column}, or the patient ids."
                )
        return ""


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _numbers(values: array[int]) -> NDArray[np.uint64]:
    return np.frombuffer(values, dtype=np.uint64) if values else np.empty(0, dtype=np.uint64)


def _repeated(digests: NDArray[np.uint64]) -> frozenset[int]:
    values, counts = np.unique(digests, return_counts=True)
    return frozenset(int(value) for value in values[counts > 1])


def _several(pairs: NDArray[np.uint64]) -> frozenset[int]:
    """Return the first members that occur with several second ones."""
    return _repeated(np.unique(pairs.reshape(-1, 2), axis=0)[:, 0]) if len(pairs) else frozenset()
