"""COCO JSON: ``images``, ``categories`` and ``annotations`` with ``bbox = [x, y, width, height]`` in pixels.

An image's radiograph is its ``radiograph_id`` where it has one (COCO allows further keys), else the name of its file
without suffix.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from xattn_bmd.data.checks.image_files import image_name
from xattn_bmd.errors import LocaliseError
from xattn_bmd.types import BOX_COLUMNS


def read_coco(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return the boxes of a file, and what is wrong with them.

    Raises:
        LocaliseError: if the file is not JSON of this layout at all.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        images = {image["id"]: _radiograph(image) for image in content["images"]}
        categories = {category["id"]: str(category["name"]) for category in content["categories"]}
        annotations = list(content["annotations"])
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise LocaliseError(
            f"COCO boxes are JSON with images (id, file_name), categories (id, name) and annotations, but {path.name} "
            "is not; mend it."
        ) from cause
    rows, problems = [], []
    for number, annotation in enumerate(annotations, start=1):
        row = _row(annotation, images=images, categories=categories)
        if isinstance(row, str):
            problems.append(f"Annotation {number}: {row}")
        else:
            rows.append(row)
    table = pd.DataFrame(rows, columns=[*BOX_COLUMNS, "score"])
    return (table if table["score"].notna().any() else table.drop(columns="score")), problems


def write_coco(boxes: pd.DataFrame, *, labels: Sequence[str], sizes: Mapping[str, tuple[int, int]]) -> str:
    """Return the text of the file: every radiograph of ``sizes`` in its order, labels numbered from 1.

    Args:
        boxes: checked table.
        labels: names of the labels.
        sizes: rows and columns of each radiograph.
    """
    number = {name: place for place, name in enumerate(sizes, start=1)}
    images = [
        {"id": number[name], "radiograph_id": name, "file_name": name, "height": high, "width": wide}
        for name, (high, wide) in sizes.items()
    ]
    scores = boxes["score"].to_numpy(np.float64).tolist() if "score" in boxes.columns else None
    numbers = boxes[list(BOX_COLUMNS[2:])].to_numpy(np.float64).tolist()
    annotations: list[dict[str, Any]] = []
    for row, (name, label, (x0, y0, x1, y1)) in enumerate(
        zip(boxes["radiograph_id"], boxes["label"], numbers, strict=True)
    ):
        annotation: dict[str, Any] = {
            "id": row + 1,
            "image_id": number[name],
            "category_id": labels.index(label) + 1,
            "iscrowd": 0,
        }
        annotation |= {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)}
        annotations.append(annotation | ({"score": scores[row]} if scores else {}))
    categories = [{"id": place, "name": label} for place, label in enumerate(labels, start=1)]
    content = {"images": images, "categories": categories, "annotations": annotations}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _radiograph(image: Mapping[str, Any]) -> str:
    if "radiograph_id" in image:
        return str(image["radiograph_id"])
    return image_name(Path(PurePosixPath(image["file_name"]).name))


def _row(annotation: Any, *, images: Mapping[Any, str], categories: Mapping[Any, str]) -> list[object] | str:  # noqa: ANN401
    try:
        image, category, box = annotation["image_id"], annotation["category_id"], annotation["bbox"]
        x, y, wide, high = (float(value) for value in box)
    except (KeyError, TypeError, ValueError):
        return "it has image_id, category_id and a bbox of four numbers, but this one has not; mend it."
    if image not in images:
        return f"its image_id is one of the file's images, but {image!r} is none; mend it."
    if category not in categories:
        return f"its category_id is one of the file's categories, but {category!r} is none; mend it."
    return [images[image], categories[category], x, y, x + wide, y + high, annotation.get("score")]
