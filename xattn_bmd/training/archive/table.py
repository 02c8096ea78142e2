"""A clinical table as a list of radiographs of any length: read row by row, checked without holding it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from xattn_bmd.data.checks.image_files import image_files, image_name
from xattn_bmd.data.checks.read_table import cell_text, header_names, text_rows
from xattn_bmd.data.checks.table import SEX_NAMES, check_columns
from xattn_bmd.data.roles import CohortRoles, config_beside
from xattn_bmd.errors import CohortError
from xattn_bmd.training.archive.rows import Cells, Row
from xattn_bmd.training.archive.survey import Survey


@dataclass(frozen=True)
class TableList:
    """The rows of a cohort table that name radiographs; unlike a cohort it is never held whole.

    Of each row 8 bytes are kept to find an id that occurs twice (16 more where patients have a sex).  Not asked here,
    in contrast to :meth:`~xattn_bmd.data.cohort.Cohort.check`: whether two rows name one file, and whether the folder
    holds other files, for a list may choose from an archive, and name a picture twice.

    Attributes:
        path: the table.
        declared: the roles of its columns; a target is not read.
        folder: folder of the images, or None.
        needs_images: whether radiographs are looked for.
        may_lack: whether a row may come without one: its cell of the images' column is empty, or no folder was given.

    Raises:
        CohortError: if the table cannot be read or lacks a column, or there is no image folder.
    """

    path: Path
    declared: CohortRoles
    folder: Path | None
    needs_images: bool
    may_lack: bool = False

    def __post_init__(self) -> None:
        if self.needs_images and self.folder is None and not self.may_lack:
            raise CohortError("Images are needed here, but no image folder was given; pass images=FOLDER.")
        if self.needs_images and self.folder is not None and not self.folder.is_dir():
            raise CohortError(f"images names an existing folder, but {self.folder} is not one; mend the path.")
        empty = pd.DataFrame(columns=[name for name in self._header if name])
        if problems := check_columns(empty, roles=self.roles, require_target=False):
            lines = [f"{number}. {problem.message}" for number, problem in enumerate(problems, start=1)]
            raise CohortError(f"The cohort has {len(problems)} problem(s) to mend:\n" + "\n".join(lines))
        if not self.total:
            raise CohortError(f"A cohort table has a header and at least one row, but {self.path.name} has 1 line(s).")

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        images: str | Path | None,
        config: str | Path | CohortRoles | None,
        needs_images: bool,
        may_lack: bool = False,
    ) -> TableList:
        """Open a table; images and roles are looked for as :meth:`~xattn_bmd.data.cohort.Cohort.from_csv` does.

        Args:
            path: the table.
            images: folder of the image files, or None.
            config: ``cohort.yaml``, the roles themselves, or None.
            needs_images: whether radiographs are looked for.
            may_lack: whether a row may come without one.
        """
        roles = config if isinstance(config, CohortRoles) else CohortRoles.from_yaml(config or config_beside(path))
        beside = path.parent / "images"
        folder = Path(images) if images is not None else (beside if beside.is_dir() else None)
        return cls(path, roles, folder, needs_images, may_lack)

    @cached_property
    def roles(self) -> CohortRoles:
        """What each column is for, without the target."""
        return replace(self.declared, target=None)

    @property
    def total(self) -> int:
        """Number of rows."""
        return self._survey.total

    def identity(self) -> dict[str, str]:
        """Return digests of the table and of its roles, and the image folder."""
        roles = json.dumps(self.roles.to_dict(), sort_keys=True)
        return {
            "list": _file_digest(self.path),
            "roles of the columns": hashlib.sha256(roles.encode()).hexdigest(),
            "folder of the images": str(self.folder and self.folder.resolve()),
        }

    def rows(self) -> Iterator[Row]:
        """Yield the rows in file order."""
        for number, (name, cells, problem) in enumerate(self._read(), start=1):
            if name is None:
                yield Row(f"row {number}", cells, (), problem or "Every row needs a radiograph id; fill it in.")
                continue
            problem = problem or self._survey.problem(name, cells.get(self.roles.patient))
            files, missing = self._files(name, cells) if self.needs_images else ((), "")
            yield Row(name, cells, files, problem or missing)

    def _read(self) -> Iterator[tuple[str | None, Cells, str]]:
        """Yield id, cells with a role, and what is wrong with the line."""
        lines = text_rows(self.path)
        next(lines)
        wanted = {name: self._header.index(name) for name in self.roles.columns}
        for line, cells in lines:
            found = {name: cells[at] if at < len(cells) else None for name, at in wanted.items()}
            name, problem = cell_text(found[self.roles.id]), ""
            if len(cells) != len(self._header):
                problem = (
                    f"Every line must have the {len(self._header)} cells of its header, but line {line} has "
                    f"{len(cells)}; a cell with the separator in it needs quotation marks."
                )
            yield name, found, problem

    @cached_property
    def _header(self) -> list[str]:
        return header_names(next(text_rows(self.path))[1], path=self.path)

    @cached_property
    def _survey(self) -> Survey:
        sexes = [name for name, _ in self.roles.categorical if name.lower() in SEX_NAMES]
        return Survey.of(((name, cells) for name, cells, _ in self._read()), patient=self.roles.patient, sexes=sexes)

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        """Files of the image folder by their name without suffix."""
        found: dict[str, list[str]] = {}
        assert self.folder is not None
        for path in image_files(self.folder):
            found.setdefault(image_name(path), []).append(str(path))
        return found

    def _files(self, name: str, cells: Cells) -> tuple[tuple[str, ...], str]:
        """Return where a row's image may lie, or why it has none; neither where it comes without one."""
        file = None if self.roles.image is None else cell_text(cells[self.roles.image])
        if self.folder is None:
            problem = f"The table names the image file {file}, but no image folder was given; pass images=FOLDER."
            return (), problem if file else ""
        if self.roles.image is not None:
            if file is None and self.may_lack:
                return (), ""
            if file is None:
                return (), f"Every radiograph needs an image file, but {self.roles.image} is empty; fill it in."
            return tuple(str(root / file) for root in (self.folder, self.path.parent)), ""
        files = self._by_name.get(name, [])
        if len(files) == 1:
            return (files[0],), ""
        if files:
            return (), f"A radiograph has one image file, but this one has {len(files)}; keep one."
        return (), "Every radiograph needs an image file, but none has this name without suffix; rename the file."


def _file_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
