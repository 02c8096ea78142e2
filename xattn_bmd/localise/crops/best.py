"""The one best box of a radiograph, cut out."""

from __future__ import annotations

from typing import NamedTuple

import torch

from xattn_bmd.localise.boxes.table import CORNERS
from xattn_bmd.localise.crops.field import crop_field
from xattn_bmd.localise.crops.file import crop_bytes, whole_levels
from xattn_bmd.localise.found import find_boxes
from xattn_bmd.localise.localiser import Localiser
from xattn_bmd.localise.pictures import seen_of
from xattn_bmd.types import Radiograph


class BestCrop(NamedTuple):
    """What was cut out of one radiograph.

    Attributes:
        boxes: number of boxes found.
        flat: whether the best one shows a single grey level.
        picture: content hash of the whole radiograph.
        suffix: suffix of the crop's file; empty where there is none.
        content: the file.
    """

    boxes: int
    flat: bool
    picture: str
    suffix: str = ""
    content: bytes = b""


def best_crop(radiograph: Radiograph, *, localiser: Localiser, label: str, margin: float) -> BestCrop:
    """Cut the most certain box of a label out of a radiograph, at full resolution.

    The radiograph goes through the detector alone: among others it would be padded to their size, and its box would
    depend on them.

    Args:
        radiograph: as :func:`~xattn_bmd.data.radiograph.read_radiograph` gives it.
        localiser: finds the boxes, on the CPU.
        label: kind of box.
        margin: share of the box's width and height that is added on each side.
    """
    seen = seen_of(radiograph, size=localiser.config.size)
    detector = localiser.detector.to("cpu")
    found = find_boxes(detector, {"": seen}, labels=localiser.labels, device=torch.device("cpu"))
    kept = found[(found["score"] >= localiser.threshold) & (found["label"] == label)]
    if kept.empty:
        return BestCrop(0, False, seen.content_hash)
    x0, y0, x1, y1 = (float(kept.iloc[0][name]) for name in CORNERS)
    box = crop_field((x0, y0, x1, y1), margin=margin, shape=seen.shape)
    levels = whole_levels(radiograph)[box.top : box.bottom, box.left : box.right]
    if levels.min() == levels.max():
        return BestCrop(len(kept), True, seen.content_hash)
    file = crop_bytes(levels, spacing_mm=radiograph.spacing_mm, name=seen.content_hash)
    return BestCrop(len(kept), False, seen.content_hash, *file)
