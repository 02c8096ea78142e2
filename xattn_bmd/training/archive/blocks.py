"""One block of a list, from rows to lines of the files: records checked, pictures read, densities estimated."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xattn_bmd.config import ImageConfig
from xattn_bmd.data.checks.cohort import check_cohort
from xattn_bmd.data.checks.image_files import ImageMatch
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.dataset import Pictures
from xattn_bmd.data.pictures.picture import read_picture
from xattn_bmd.data.roles import CohortRoles
from xattn_bmd.errors import RadiographError, RunError
from xattn_bmd.training.archive.file import BlockText
from xattn_bmd.training.archive.rows import Block, Row
from xattn_bmd.training.prediction.digest import predictor_digest
from xattn_bmd.training.prediction.predictor import Predictor

ReadPicture = Callable[[Path, ImageConfig], NDArray[np.uint16]]


def read_one(path: Path, image: ImageConfig) -> NDArray[np.uint16]:
    """Read and preprocess one file: ``(size, size)`` uint16.

    Raises:
        RadiographError: if the file is not one grey-scale radiograph.
    """
    return read_picture(path, image=image)


@dataclass(frozen=True)
class BlockWork:
    """What the blocks of a list share; a worker process loads the predictor for itself, once.

    Attributes:
        folder: the predictor's folder.
        digest: digest of the predictor that the client holds; a worker's must be the same.
        roles: what each cell of a row is for.
        level: wanted coverage of the intervals.
        read: how a file becomes a picture.
    """

    folder: Path
    digest: str
    roles: CohortRoles
    level: float
    read: ReadPicture

    def __getstate__(self) -> dict[str, Any]:
        """What travels to another process: the fields alone."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @cached_property
    def predictor(self) -> Predictor:
        """The predictor, loaded from its folder.

        Raises:
            RunError: if another predictor lies there.
        """
        loaded = Predictor.load(self.folder)
        if predictor_digest(loaded) != self.digest:
            raise RunError(
                f"Every worker must load the predictor of the client, but another one lies in {self.folder} there; "
                "put the same files on every machine."
            )
        return loaded


def estimate_block(block: Block, work: BlockWork) -> BlockText:
    """Estimate the radiographs of a block, and say why some cannot be.

    The lines depend on the block alone, not on what was estimated before or where.

    Args:
        block: its rows.
        work: what all blocks share.
    """
    reasons = [row.problem for row in block.rows]
    records = pd.DataFrame([row.cells for row in block.rows], columns=list(work.roles.columns), dtype=object)
    _check_records(records, reasons, roles=work.roles)
    pixels = _pictures(block.rows, reasons, work) if work.predictor.uses_images else None
    good = [number for number, reason in enumerate(reasons) if not reason]
    estimates = ""
    if good:
        names = [block.rows[number].name for number in good]
        cohort = Cohort.from_table(records.iloc[good].reset_index(drop=True), roles=work.roles)
        estimates = _estimated(names, cohort, pixels, work)
    refused = [(row.name, reason) for row, reason in zip(block.rows, reasons, strict=True) if reason]
    return BlockText(block.number, len(good), len(refused), estimates, _lines(refused))


def _estimated(
    names: Sequence[str], cohort: Cohort, pixels: Sequence[NDArray[np.uint16]] | None, work: BlockWork
) -> str:
    pictures = None
    if pixels is not None:
        right = np.array([side == "R" for side in cohort.sides], dtype=np.bool_)
        pictures = Pictures(np.stack(pixels), right)
    each = work.predictor.ensemble.densities(cohort.table, pictures)
    table = work.predictor.describe(names, each, level=work.level)
    return table.to_csv(index=False, header=False, lineterminator="\n")


def _check_records(records: pd.DataFrame, reasons: list[str], *, roles: CohortRoles) -> None:
    """Add to ``reasons`` what is wrong with the records that have none yet.

    Where something is wrong, each row is checked alone, so that its reason does not depend on its neighbours.
    """
    sound = [number for number, reason in enumerate(reasons) if not reason]
    if _problems(records.iloc[sound], roles):
        for number in sound:
            reasons[number] = " ".join(_problems(records.iloc[[number]], roles))


def _problems(records: pd.DataFrame, roles: CohortRoles) -> list[str]:
    found = check_cohort(
        Cohort.from_table(records.reset_index(drop=True), roles=roles).table,
        roles=roles,
        images=ImageMatch(),
        require_target=False,
        require_images=False,
        read_images=False,
        require_variation=False,
    )
    return [problem.message for problem in found if problem.severity == "error"]


def _pictures(rows: Sequence[Row], reasons: list[str], work: BlockWork) -> list[NDArray[np.uint16]]:
    """Return the pictures of all sound rows; add to ``reasons`` why a file cannot be read."""
    pixels = []
    for number, row in enumerate(rows):
        if not reasons[number]:
            paths = [Path(file) for file in row.files]
            try:
                pixels.append(
                    work.read(next((path for path in paths if path.is_file()), paths[0]), work.predictor.image)
                )
            except RadiographError as cause:
                reasons[number] = str(cause)
    return pixels


def _lines(refused: Sequence[tuple[str, str]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows((name, " ".join(reason.split())) for name, reason in refused)
    return stream.getvalue()
