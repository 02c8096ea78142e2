"""YOLO text: one file a radiograph, one row a box: ``class x y width height [score]``, shares of the picture.

``x, y`` is the centre.  A row with an odd number of values above 6 is YOLO's outline of a segmentation:
``class x y x y x y ...``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from xattn_bmd.errors import LocaliseError
from xattn_bmd.types import BOX_COLUMNS

Outlines = Literal["refuse", "box"]


def read_yolo(
    folder: Path, *, labels: Sequence[str], sizes: Mapping[str, tuple[int, int]], outlines: Outlines
) -> tuple[pd.DataFrame, list[str]]:
    """Return the boxes of every ``.txt`` file in a folder, and what is wrong with them.

    Args:
        folder: files named after their radiographs.
        labels: name of each class, from 0.
        sizes: rows and columns of each radiograph.
        outlines: ``"refuse"`` makes an outline a problem, ``"box"`` takes the box around it.

    Raises:
        LocaliseError: if there is no such file.
    """
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise LocaliseError(f"YOLO boxes are .txt files in one folder, but {folder} holds none; mend the path.")
    rows: list[list[object]] = []
    problems = []
    for file in files:
        if file.stem not in sizes:
            problems.append(
                f"Every YOLO file belongs to a radiograph with an image, but {file.name} has none; mend it."
            )
            continue
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            if line.strip():
                row = _row(line.split(), labels=labels, size=sizes[file.stem], outlines=outlines)
                if isinstance(row, str):
                    problems.append(f"{file.name}, line {number}: {row}")
                else:
                    rows.append([file.stem, *row])
    return _table(rows), problems


def write_yolo(boxes: pd.DataFrame, *, labels: Sequence[str], sizes: Mapping[str, tuple[int, int]]) -> dict[str, str]:
    """Return the text of each radiograph's file, by radiograph; those without a box have an empty one.

    Args:
        boxes: checked table.
        labels: name of each class, from 0.
        sizes: rows and columns of each radiograph.
    """
    texts = dict.fromkeys(sizes, "")
    scored = "score" in boxes.columns
    numbers = boxes[[*BOX_COLUMNS[2:], *(["score"] if scored else [])]].to_numpy(np.float64).tolist()
    for name, label, row in zip(boxes["radiograph_id"], boxes["label"], numbers, strict=True):
        values = [*_shares(row[:4], size=sizes[name]), *row[4:]]
        texts[name] += f"{labels.index(label)} {' '.join(repr(min(max(value, 0.0), 1.0)) for value in values)}\n"
    return texts


def _shares(corners: Sequence[float], *, size: tuple[int, int]) -> list[float]:
    """Return centre, width and height as shares of the picture."""
    high, wide = size
    x0, x1, y0, y1 = corners[0] / wide, corners[2] / wide, corners[1] / high, corners[3] / high
    return [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0]


def _row(
    words: Sequence[str], *, labels: Sequence[str], size: tuple[int, int], outlines: Outlines
) -> list[object] | str:
    """Return label, corners and score (None where there is none), or what is wrong."""
    values = [_number(word) for word in words]
    outline = len(values) > 6 and len(values) % 2 == 1
    if len(values) not in (5, 6) and not (outline and outlines == "box"):
        hint = "; outlines='box' takes the box around this outline" if outline else "; mend it"
        return f"a row is class x y width height, and a score or not, but this one has {len(values)} values{hint}."
    if values[0] not in range(len(labels)):
        return (
            f"a class is a whole number from 0 to {len(labels) - 1}, but {words[0]!r} was found; mend it, or name more."
        )
    shares = values[1:]
    if not all(0.0 <= value <= 1.0 for value in shares):
        return f"values are shares of the picture from 0 to 1, but {' '.join(words[1:])!r} was found; mend them."
    high, wide = size
    label = labels[int(values[0])]
    if outline:
        across, down = shares[::2], shares[1::2]
        return [label, min(across) * wide, min(down) * high, max(across) * wide, max(down) * high, None]
    x, y, width, height = shares[:4]
    corners = [(x - width / 2) * wide, (y - height / 2) * high, (x + width / 2) * wide, (y + height / 2) * high]
    return [label, *corners, shares[4] if len(shares) == 5 else None]


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan


def _table(rows: list[list[object]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=[*BOX_COLUMNS, "score"])
    return table if table["score"].notna().any() else table.drop(columns="score")
