"""The masks that a predictor's fold models find, on the radiographs' own pixels.

Axes: ``N`` radiographs, ``S`` side of the picture that a network sees, ``H, W`` rows and columns of a radiograph.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image

from xattn_bmd.atomic import atomic_write
from xattn_bmd.config import ImageConfig
from xattn_bmd.data.cache import ImageCache, cached_images
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.datamodule import cohort_pictures
from xattn_bmd.data.dataset import row_blocks
from xattn_bmd.data.masks.opened import cohort_masks
from xattn_bmd.data.masks.placed import mask_on_radiograph
from xattn_bmd.data.preprocess import Frame, frame_of
from xattn_bmd.data.radiograph import read_radiograph
from xattn_bmd.errors import CohortError, RunError
from xattn_bmd.metrics.dice import dice
from xattn_bmd.training.fits.found_masks import INSIDE, mask_probability
from xattn_bmd.training.prediction.ensemble import Ensemble

SEGMENT_COLUMNS = ("radiograph_id", "pixels", "area_mm2", "dice")


def segment_cohort(
    cohort: Cohort, *, ensemble: Ensemble, image: ImageConfig, cache: Path, out: Path | None
) -> pd.DataFrame:
    """Find the mask of every radiograph: the mean probability of the fold models, from 0.5 on.

    Args:
        cohort: a valid cohort, each radiograph with its file.
        ensemble: the fold models.
        image: how an image file becomes a picture.
        cache: folder of decoded images.
        out: folder for ``RADIOGRAPH_ID.png``, 255 inside and 0 outside, of the radiograph's size; None writes none.

    Returns:
        :data:`SEGMENT_COLUMNS`, a row for each radiograph: ``pixels`` of the radiograph that lie inside, ``area_mm2``
        where its spacing is known, and ``dice`` with its own mask, on the picture that the networks see, where the
        cohort has one.

    Raises:
        RunError: if the models have no mask head, or the disk is full.
        CohortError: if an id cannot be a file's name.
    """
    if not all(one.has_mask_head for one in ensemble.estimators):
        raise RunError(
            f"A mask comes from models with a mask head, but {ensemble.estimators[0].model!r} was trained without; "
            "train it with model.mask_head='unet' and a cohort with masks."
        )
    if out is not None:
        _require_file_names(cohort)
        out.mkdir(parents=True, exist_ok=True)
    opened = cached_images(cohort.image_paths, image=image, folder=cache)
    found = _found(cohort, opened, ensemble)
    overlap = _overlap(cohort, opened, found, image=image, cache=cache)
    rows = []
    for row, name in enumerate(cohort.radiograph_ids):
        shape, frame = opened.placements.get(name) or _placement(cohort.image_paths[name], image)
        upright = found[row, :, ::-1] if cohort.sides[row] == "R" else found[row]
        mask = mask_on_radiograph(upright, frame=frame, shape=shape)
        if out is not None:
            atomic_write(out / f"{name}.png", _png(mask))
        rows.append((name, int(mask.sum()), _area(mask, opened.spacing_mm[name], frame), overlap[row]))
    return pd.DataFrame(rows, columns=list(SEGMENT_COLUMNS))


def _found(cohort: Cohort, opened: ImageCache, ensemble: Ensemble) -> NDArray[np.float32]:
    """Return ``(N, S, S)`` probabilities, every hip turned to look like a left hip."""
    pictures = cohort_pictures(cohort, opened)
    blocks = (pictures.take(block).to(ensemble.device) for block in row_blocks(len(cohort)))
    return np.concatenate([mask_probability(ensemble.networks, block)[:, 0].float().cpu().numpy() for block in blocks])


def _overlap(
    cohort: Cohort, opened: ImageCache, found: NDArray[np.float32], *, image: ImageConfig, cache: Path
) -> NDArray[np.float64]:
    """Return ``(N,)`` Dice with the cohort's own masks; NaN where there is none."""
    masks = cohort_masks(cohort, opened, image=image, folder=cache)
    if masks is None:
        return np.full(len(cohort), np.nan)
    drawn, known = masks.take(torch.arange(len(cohort)), torch.device("cpu"))
    return np.where(known.numpy(), dice(found > INSIDE, drawn[:, 0].numpy() > INSIDE), np.nan)


def _placement(path: Path, image: ImageConfig) -> tuple[tuple[int, int], Frame]:
    radiograph = read_radiograph(path)
    return (radiograph.pixels.shape[0], radiograph.pixels.shape[1]), frame_of(radiograph, image)


def _area(mask: NDArray[np.bool_], spacing_mm: tuple[float, float] | None, frame: Frame) -> float:
    """Return the area in mm² from the spacing of the picture, whose pixels are several of the radiograph's."""
    if spacing_mm is None:
        return float("nan")
    return float(mask.sum()) * spacing_mm[0] / frame.scale[0] * spacing_mm[1] / frame.scale[1]


def _png(mask: NDArray[np.bool_]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(buffer, format="PNG")
    return buffer.getvalue()


def _require_file_names(cohort: Cohort) -> None:
    wrong = [name for name in cohort.radiograph_ids if Path(name).name != name]
    if wrong:
        raise CohortError(
            f"A mask is written to RADIOGRAPH_ID.png, but {wrong[0]!r} is no name of a file; use ids without slashes."
        )
