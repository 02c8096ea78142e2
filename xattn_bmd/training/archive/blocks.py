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
from xattn_bmd.data.masks.match import MaskMatch
from xattn_bmd.data.pictures.picture import read_picture
from xattn_bmd.data.roles import CohortRoles
from xattn_bmd.data.withheld import Known
from xattn_bmd.errors import LocaliseError, RadiographError, RunError
from xattn_bmd.training.archive.file import BlockText
from xattn_bmd.training.archive.rows import Block, Row
from xattn_bmd.training.prediction.digest import predictor_digest
from xattn_bmd.training.prediction.pictures import picture_block
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

    def picture(self, path: Path) -> NDArray[np.uint16]:
        """Return what the predictor sees of a file, ``(size, size)``: of its crop, where the predictor crops.

        Raises:
            RadiographError: if the file is not one grey-scale radiograph.
            LocaliseError: if the crop is not found.
        """
        stage = self.predictor.crop_stage
        if stage is None:
            return self.read(path, self.predictor.image)
        with stage.cropped_file(path) as crop:
            return self.read(crop, self.predictor.image)


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
    seen = _check_inputs(block.rows, records, reasons, work)
    pixels = _pictures(block.rows, reasons, work) if work.predictor.uses_images else {}
    good = [number for number, reason in enumerate(reasons) if not reason]
    estimates = ""
    if good:
        names = [block.rows[number].name for number in good]
        cohort = Cohort.from_table(records.iloc[good].reset_index(drop=True), roles=work.roles)
        found = [pixels[number] for number in good] if work.predictor.uses_images else None
        estimates = _estimated(names, cohort, found, [seen[number] for number in good], work)
    refused = [(row.name, reason) for row, reason in zip(block.rows, reasons, strict=True) if reason]
    return BlockText(block.number, len(good), len(refused), estimates, _lines(refused))


def _estimated(
    names: Sequence[str],
    cohort: Cohort,
    pixels: Sequence[NDArray[np.uint16] | None] | None,
    seen: Sequence[Known],
    work: BlockWork,
) -> str:
    predictor = work.predictor
    block = None if pixels is None else picture_block(pixels, sides=cohort.sides, shape=predictor.image.shape)
    said = predictor.ensemble.answers(cohort.table, *(block or (None, None)))
    table = predictor.describe(names, said.each, inputs=seen, level=work.level, classes=said.classes)
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
        masks=MaskMatch(),
        require_target=False,
        require_images=False,
        read_images=False,
        require_variation=False,
    )
    return [problem.message for problem in found if problem.severity == "error"]


def _check_inputs(rows: Sequence[Row], records: pd.DataFrame, reasons: list[str], work: BlockWork) -> dict[int, Known]:
    """Return what the model sees of each sound row; add to ``reasons`` which input it cannot do without."""
    sound = [number for number, reason in enumerate(reasons) if not reason]
    if not sound:
        return {}
    table = Cohort.from_table(records.iloc[sound].reset_index(drop=True), roles=work.roles).table
    has_image = np.array([bool(rows[number].files) for number in sound], dtype=np.bool_)
    given = work.predictor.needs.given(table, has_image=has_image)
    for number, refusal in zip(sound, given.refusals, strict=True):
        reasons[number] = refusal
    return dict(zip(sound, given.seen, strict=True))


def _pictures(rows: Sequence[Row], reasons: list[str], work: BlockWork) -> dict[int, NDArray[np.uint16] | None]:
    """Return the picture of each sound row, None where it has none; add to ``reasons`` why a file cannot be read."""
    pixels: dict[int, NDArray[np.uint16] | None] = {}
    for number, row in enumerate(rows):
        if not reasons[number]:
            paths = [Path(file) for file in row.files]
            named = next((path for path in paths if path.is_file()), paths[0] if paths else None)
            try:
                pixels[number] = None if named is None else work.picture(named)
            except (RadiographError, LocaliseError) as cause:
                reasons[number] = str(cause)
    return pixels


def _lines(refused: Sequence[tuple[str, str]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows((name, " ".join(reason.split())) for name, reason in refused)
    return stream.getvalue()
