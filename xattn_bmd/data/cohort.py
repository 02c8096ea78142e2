"""A cohort: a clinical table whose columns have declared roles, joined with its radiographs by id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xattn_bmd.data.checks.cohort import Problem, check_cohort
from xattn_bmd.data.checks.image_files import ImageMatch, match_images
from xattn_bmd.data.checks.read_table import number_column, read_text_table, text_column, typed_column
from xattn_bmd.data.masks.match import MaskMatch, match_masks
from xattn_bmd.data.roles import SIDES, CohortRoles, TargetRole, config_beside
from xattn_bmd.errors import CohortError
from xattn_bmd.types import VariableSchema


@dataclass(frozen=True, eq=False)
class Cohort:
    """Radiographs, patients and clinical record; nothing is joined by row order.

    Attributes:
        table: one row a radiograph, in file order.  Columns declared as numbers are float64 where every cell is one;
            all others are text, None where missing.
        roles: what each column is for.
        images: how the image files were matched.
        masks: how the masks of anatomy were matched.

    Example:
        >>> roles = CohortRoles.from_dict({"id": "scan", "patient": "person", "target": {"column": "bmd"}})
        >>> table = pd.DataFrame({"scan": ["b", "a"], "person": ["1", "2"], "bmd": ["0.9", "0.7"]})
        >>> cohort = Cohort.from_table(table, roles=roles)
        >>> cohort.radiograph_ids, cohort.targets.tolist()
        (('b', 'a'), [0.9, 0.7])
    """

    table: pd.DataFrame
    roles: CohortRoles
    images: ImageMatch = field(default_factory=ImageMatch)
    masks: MaskMatch = field(default_factory=MaskMatch)

    @classmethod
    def from_csv(
        cls,
        table: str | Path,
        *,
        images: str | Path | None = None,
        config: str | Path | CohortRoles | None = None,
        masks: str | Path | None = None,
    ) -> Cohort:
        """Read a table, its roles and the names of its image files.

        Faults in the content are not raised here: :meth:`check` lists them all.

        Args:
            table: CSV (comma or semicolon) or TSV file, UTF-8.
            images: folder of the image files; None takes the folder ``images`` beside the table where there is one.
            config: ``cohort.yaml`` or the roles themselves; None takes the ``.yaml`` of the table's name, or that.
            masks: masks of one structure, as in :meth:`from_table`; None takes those that the roles name, if any.

        Raises:
            CohortError: if the table cannot be read at all, or the image folder does not exist.
            ConfigError: if there is no usable ``cohort.yaml``.
        """
        path = Path(table)
        values = read_text_table(path)
        roles = config if isinstance(config, CohortRoles) else CohortRoles.from_yaml(config or config_beside(path))
        beside = path.parent / "images"
        folder = Path(images) if images is not None else (beside if beside.is_dir() else None)
        return cls.from_table(values, roles=roles, images=folder, masks=masks, table_folder=path.parent)

    @classmethod
    def from_nhanes(
        cls,
        folder: str | Path,
        *,
        scale: Literal["hologic", "lunar"] = "hologic",
        age_range: tuple[float, float | None] = (50, None),
    ) -> Cohort:
        """Read people with a measured femoral-neck density from NHANES public-use files that you downloaded.

        One row is one person, without a radiograph: train on the record alone, or simulate radiographs of
        :attr:`table`.  Only people with a complete and valid hip scan, sex, age, height and weight are kept.  Age is
        top-coded at 85 (2005-2006) or 80 years.  Activity is missing in 2005-2006, whose questions differ; a variable
        that no file gives has no role.  Without the survey's weights, nothing here holds for a population.

        Args:
            folder: the XPT files of one or more of the cycles 2005-2006 (``_D``), 2007-2008 (``_E``), 2009-2010
                (``_F``) and 2013-2014 (``_H``): DEMO, BMX and DXXFEM of each, and SMQ, ALQ, PAQ and DBQ where present.
            scale: device scale of the density; NHANES scanned on Hologic devices, ``"lunar"`` converts.
            age_range: youngest and oldest age, years, both included; None for no oldest.

        Raises:
            CohortError: if a file is missing, damaged or lacks a variable, or nobody remains.
            ConfigError: if the scale or the ages are impossible.
        """
        from xattn_bmd.data.nhanes.people import read_people

        table, roles = read_people(Path(folder), scale=scale, age_range=age_range)
        return cls.from_table(table, roles=roles)

    @classmethod
    def from_table(
        cls,
        table: pd.DataFrame,
        *,
        roles: CohortRoles,
        images: str | Path | None = None,
        masks: str | Path | None = None,
        table_folder: Path | None = None,
    ) -> Cohort:
        """Make a cohort from a table in memory.

        Args:
            table: one row a radiograph.
            roles: what each column is for.
            images: folder of the image files, or None.
            masks: folder of masks named by radiograph id, PNG or NIfTI, or ``TRUTH/REGION`` of simulated radiographs
                (:func:`~xattn_bmd.data.masks.match.match_masks`); a radiograph may have none.  None takes those that
                the roles name, where ``table_folder`` is known.
            table_folder: second folder in which names in the image column are looked up, and where the roles' own
                ``masks`` lie.

        Raises:
            CohortError: if the image folder does not exist.
        """
        density = [roles.target.column] if isinstance(roles.target, TargetRole) else []
        declared = [*roles.schema.numeric, *density]
        columns = {str(name): typed_column(table[name], numeric=name in declared) for name in table.columns}
        cohort = cls(table=pd.DataFrame(columns, index=range(len(table))), roles=roles)
        if masks is None and roles.masks is not None and table_folder is not None:
            masks = table_folder / roles.masks
        if masks is not None:
            cohort = replace(cohort, masks=match_masks(cohort.radiograph_ids, folder=Path(masks)))
        if images is None:
            return cohort
        names = None if roles.image is None else cohort._texts(roles.image)
        matched = match_images(cohort.radiograph_ids, names, folder=Path(images), table_folder=table_folder)
        return replace(cohort, images=matched)

    def __len__(self) -> int:
        """Number of radiographs."""
        return len(self.table)

    @property
    def schema(self) -> VariableSchema:
        """Names and categories of the clinical variables."""
        return self.roles.schema

    @cached_property
    def radiograph_ids(self) -> tuple[str, ...]:
        """``(N,)`` ids in row order; empty text where an id is missing."""
        return tuple(name or "" for name in self._texts(self.roles.id))

    @cached_property
    def patient_ids(self) -> tuple[str, ...]:
        """``(N,)`` patient ids in row order; empty text where one is missing."""
        return tuple(name or "" for name in self._texts(self.roles.patient))

    @cached_property
    def targets(self) -> NDArray[np.float64]:
        """``(N,)`` densities in the declared unit, or the place of each class among the declared; else NaN."""
        target = self.roles.target
        if target is None or target.column not in self.table.columns:
            return np.full(len(self), np.nan)
        if isinstance(target, TargetRole):
            return number_column(self.table[target.column])
        return target.places(self._texts(target.column))

    @cached_property
    def sites(self) -> tuple[str | None, ...]:
        """``(N,)`` hospitals or scanners, None where not known."""
        return tuple(self._texts(self.roles.site))

    @cached_property
    def sides(self) -> tuple[str | None, ...]:
        """``(N,)`` body sides ``"L"`` or ``"R"``, None where not known."""
        return tuple(SIDES.get((text or "").lower()) for text in self._texts(self.roles.side))

    @property
    def image_paths(self) -> dict[str, Path]:
        """File of each radiograph that has exactly one, in row order."""
        return {name: self.images.paths[name] for name in self.radiograph_ids if name in self.images.paths}

    @cached_property
    def strata(self) -> tuple[str, ...]:
        """``(N,)`` combined values of the columns that stratify folds."""
        columns = [self._texts(name) for name in self.roles.stratify]
        return tuple(" ".join(f"{value}" for value in values) for values in zip(*columns, strict=True)) or ("",) * len(
            self
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the roles and of every column with a role; the order of the rows does not matter, nor any file."""
        columns = [self._texts(name) for name in self.roles.columns]
        rows = sorted([value or "" for value in row] for row in zip(*columns, strict=True))
        content = json.dumps([replace(self.roles, masks=None).to_dict(), rows], ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()

    def in_id_order(self) -> Cohort:
        """Return the same cohort with its rows sorted by radiograph id, so that a re-sorted table changes nothing."""
        order = sorted(range(len(self)), key=lambda row: self.radiograph_ids[row])
        return replace(self, table=self.table.iloc[order].reset_index(drop=True))

    def subset(self, ids: Iterable[str]) -> Cohort:
        """Return the cohort of the given radiographs, in this cohort's row order.

        Raises:
            CohortError: if an id is not in the cohort.
        """
        wanted = set(ids)
        if unknown := sorted(wanted - set(self.radiograph_ids)):
            raise CohortError(f"A subset holds radiographs of its cohort, but {unknown[:5]} are not; mend the ids.")
        rows = [row for row, name in enumerate(self.radiograph_ids) if name in wanted]
        return Cohort(
            table=self.table.iloc[rows].reset_index(drop=True),
            roles=self.roles,
            images=replace(self.images, without_row=()),
            masks=self.masks.of(tuple(wanted)),
        )

    def check(
        self,
        *,
        require_target: bool = True,
        require_images: bool = True,
        read_images: bool = False,
        require_variation: bool = True,
        images_may_lack: bool = False,
    ) -> list[Problem]:
        """Return every problem of the cohort at once; an empty list is a cohort ready for use.

        Args:
            require_target: whether each radiograph needs a density or class (training and evaluation do, prediction
                does not, and needs no masks either).
            require_images: whether each radiograph needs an image.
            read_images: whether to decode every image and its mask, to find unreadable files, masks that do not fit,
                and pictures under two ids.
            require_variation: whether variables must vary (training; not asked for where no target is required).
            images_may_lack: whether a row may come without an image: its cell of the images' column is empty, or the
                cohort names no file and came without a folder.
        """
        return check_cohort(
            self.table,
            roles=self.roles,
            images=self.images,
            masks=self.masks,
            require_target=require_target,
            require_images=require_images,
            read_images=read_images,
            require_variation=require_variation and require_target,
            images_may_lack=images_may_lack,
        )

    def require_valid(
        self,
        *,
        require_target: bool = True,
        require_images: bool = True,
        read_images: bool = False,
        require_variation: bool = True,
        images_may_lack: bool = False,
    ) -> None:
        """Raise one error that numbers all problems; warnings alone do not raise.

        Args:
            require_target: as in :meth:`check`.
            require_images: as in :meth:`check`.
            read_images: as in :meth:`check`.
            require_variation: as in :meth:`check`.
            images_may_lack: as in :meth:`check`.

        Raises:
            CohortError: if a problem is an error.
        """
        problems = self.check(
            require_target=require_target,
            require_images=require_images,
            read_images=read_images,
            require_variation=require_variation,
            images_may_lack=images_may_lack,
        )
        errors = [problem for problem in problems if problem.severity == "error"]
        if errors:
            lines = [f"{number}. {problem.message}" for number, problem in enumerate(errors, start=1)]
            raise CohortError(f"The cohort has {len(errors)} problem(s) to mend:\n" + "\n".join(lines))

    def _texts(self, column: str | None) -> list[str | None]:
        if column is None or column not in self.table.columns:
            return [None] * len(self)
        return text_column(self.table[column])
