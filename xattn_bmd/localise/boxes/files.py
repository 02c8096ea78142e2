"""Read and write tables of boxes: CSV, COCO JSON and YOLO text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from xattn_bmd.atomic import atomic_folder, atomic_write
from xattn_bmd.data.checks.read_table import number_column, read_text_table, text_column
from xattn_bmd.errors import LocaliseError
from xattn_bmd.localise.boxes.coco import read_coco, write_coco
from xattn_bmd.localise.boxes.table import CORNERS, check_boxes, raise_problems, require_boxes
from xattn_bmd.localise.boxes.yolo import Outlines, read_yolo, write_yolo
from xattn_bmd.types import BOX_COLUMNS

Sizes = Mapping[str, tuple[int, int]]
"""Rows and columns of each radiograph as displayed, by id."""


def read_boxes(
    path: str | Path,
    *,
    labels: Sequence[str] | None = None,
    sizes: Sizes | None = None,
    outlines: Outlines = "refuse",
) -> pd.DataFrame:
    r"""Read the boxes of radiographs.

    Args:
        path: a ``.csv`` (or ``.tsv``) table with the columns ``radiograph_id, label, x0, y0, x1, y1`` and ``score`` or
            not; a COCO ``.json`` file; or a folder of YOLO ``.txt`` files.
        labels: allowed labels; for YOLO, the name of each class from 0.
        sizes: rows and columns of each radiograph (see :func:`~xattn_bmd.localise.pictures.picture_sizes`), needed for
            YOLO; with them, boxes outside of their radiograph or without one are found.
        outlines: what becomes of a YOLO row with the outline of a segmentation: ``"refuse"``, or ``"box"`` for the box
            around it.

    Returns:
        One row per box, pixels of the radiograph as displayed (see :data:`~xattn_bmd.types.BOX_COLUMNS`).

    Raises:
        LocaliseError: if the file cannot be read, or listing every problem of the boxes.
        CohortError: if a table cannot be read at all.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "boxes.csv"
        >>> _ = file.write_text("radiograph_id,label,x0,y0,x1,y1\na,femur,1,2,30,40\n")
        >>> read_boxes(file, labels=["femur"]).loc[0, "x1"]
        np.float64(30.0)
    """
    path = Path(path)
    if outlines not in ("refuse", "box"):
        raise LocaliseError(f"outlines is 'refuse' or 'box', but {outlines!r} was given; choose one of the two.")
    if path.is_dir():
        if labels is None or sizes is None:
            raise LocaliseError(
                "YOLO boxes are shares of numbered classes: pass labels=[...] and sizes={id: (rows, columns)}."
            )
        boxes, problems = read_yolo(path, labels=labels, sizes=sizes, outlines=outlines)
    elif path.suffix.lower() == ".json":
        boxes, problems = read_coco(path)
    else:
        boxes, problems = _read_csv(path), []
    raise_problems([*problems, *(problem.message for problem in check_boxes(boxes, labels=labels, sizes=sizes))])
    return boxes.astype(dict.fromkeys(CORNERS, np.float64))


def write_boxes(
    boxes: pd.DataFrame, path: str | Path, *, labels: Sequence[str] | None = None, sizes: Sizes | None = None
) -> None:
    """Write a table of boxes, in one step.

    Args:
        boxes: the table.
        path: a ``.csv`` or (COCO) ``.json`` file, which is replaced, or a new folder for YOLO text.
        labels: allowed labels, in order; needed for COCO and YOLO.
        sizes: rows and columns of each radiograph; needed for COCO and YOLO.

    Raises:
        LocaliseError: listing every problem of the boxes; if labels or sizes are needed; or if the folder exists or the
            disk cannot be written.
    """
    path = Path(path)
    require_boxes(boxes, labels=labels, sizes=sizes)
    columns = [*BOX_COLUMNS, *(["score"] if "score" in boxes.columns else [])]
    if path.suffix.lower() == ".csv":
        atomic_write(path, boxes[columns].to_csv(index=False), error=LocaliseError)
        return
    if labels is None or sizes is None:
        raise LocaliseError(
            "COCO and YOLO boxes name classes and pictures: pass labels=[...] and sizes={id: (rows, columns)}."
        )
    if path.suffix.lower() == ".json":
        atomic_write(path, write_coco(boxes, labels=labels, sizes=sizes), error=LocaliseError)
    else:
        _write_folder(path, write_yolo(boxes, labels=labels, sizes=sizes))


def _read_csv(path: Path) -> pd.DataFrame:
    given = read_text_table(path)
    columns = {}
    for name in (*BOX_COLUMNS, "score"):
        if name in given.columns:
            columns[name] = text_column(given[name]) if name in BOX_COLUMNS[:2] else number_column(given[name])
    return pd.DataFrame(columns)


def _write_folder(folder: Path, texts: Mapping[str, str]) -> None:
    if folder.exists():
        raise LocaliseError(f"YOLO boxes are written into a new folder, but {folder} exists; choose another name.")
    if unsafe := [name for name in texts if Path(name).name != name]:
        raise LocaliseError(
            f"YOLO files are named after their radiographs, but {unsafe[:5]} cannot be; use CSV or COCO."
        )
    with atomic_folder(folder, error=LocaliseError) as partial:
        for name, text in texts.items():
            (partial / f"{name}.txt").write_text(text, encoding="utf-8")
