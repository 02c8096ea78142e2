"""A list of radiographs of any length, read block by block: a clinical table, or a plain folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

from xattn_bmd.data.checks.image_files import image_files
from xattn_bmd.data.roles import CohortRoles, NumericRole
from xattn_bmd.errors import CohortError

Cells = dict[str, str | None]


@dataclass(frozen=True)
class Row:
    """One radiograph of a list.

    Attributes:
        name: what results and messages call it: its id, or ``row 17`` where it has none.
        cells: its cells by column.
        files: where its image may lie; the first that exists is taken.
        problem: why it cannot be estimated, as far as the list tells; empty where nothing is known.
    """

    name: str
    cells: Cells
    files: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Block:
    """Some rows that follow each other.

    Attributes:
        number: position of the block, from 0.
        rows: its rows.
    """

    number: int
    rows: tuple[Row, ...]


class RadiographList(Protocol):
    """Anything that yields rows in the same order each time."""

    @property
    def roles(self) -> CohortRoles:
        """What each cell is for; the target is left out."""

    @property
    def total(self) -> int:
        """Number of rows."""

    def identity(self) -> dict[str, str]:
        """Return all of the list that decides the results, in words."""

    def rows(self) -> Iterator[Row]:
        """Yield the rows in order; few are in memory at a time."""


def blocks_of(source: RadiographList, *, size: int, skip: int = 0) -> Iterator[Block]:
    """Yield a list in blocks.

    Args:
        source: the list.
        size: rows of a block.
        skip: blocks at the beginning that are not wanted.
    """
    rows = islice(source.rows(), skip * size, None)
    number = skip
    while part := tuple(islice(rows, size)):
        yield Block(number, part)
        number += 1


@dataclass(frozen=True)
class FolderList:
    """The radiographs below a folder, without any record; the id is a file's place in the folder.

    The side of a hip is not known here, so no picture is mirrored.

    Args:
        folder: the folder.

    Raises:
        CohortError: if it holds no image file.
    """

    folder: Path
    numeric: tuple[NumericRole, ...] = ()
    categorical: tuple[tuple[str, tuple[str, ...]], ...] = ()
    _names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        names = tuple(path.relative_to(self.folder).as_posix() for path in image_files(self.folder))
        if not names:
            raise CohortError(f"A folder of radiographs holds image files, but {self.folder} has none; mend the path.")
        object.__setattr__(self, "_names", names)

    @property
    def roles(self) -> CohortRoles:
        """Roles of an empty record with the given variables."""
        return CohortRoles(
            id="radiograph_id", patient="radiograph_id", numeric=self.numeric, categorical=self.categorical
        )

    @property
    def total(self) -> int:
        """Number of image files."""
        return len(self._names)

    def identity(self) -> dict[str, str]:
        """Return the folder and a digest of its files' names."""
        names = hashlib.sha256("\n".join(self._names).encode("utf-8", "surrogateescape")).hexdigest()
        return {"list": names, "folder of the images": str(self.folder.resolve())}

    def rows(self) -> Iterator[Row]:
        """Yield one row for each file, by name."""
        for name in self._names:
            yield Row(name, {"radiograph_id": name}, (str(self.folder / name),))
