"""The people whose contributions are explained and those they are compared with, under one running row number.

Axes: ``R`` people on both sides, ``B`` of a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xattn_bmd.data.cache import default_cache_folder
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.dataset import Pictures
from xattn_bmd.training.prediction.pictures import GivenPictures, PictureBlock
from xattn_bmd.training.prediction.predictor import Predictor


@dataclass(frozen=True)
class Panel:
    """Records and pictures of the explained cohort, followed by those of the cohort it is compared with.

    Attributes:
        table: clinical record of the ``R`` people.
        radiograph_ids: ``R`` ids.
        patient_ids: ``R`` patients.
        explained: ``(N,)`` rows of the explained radiographs.
        background: ``(M,)`` rows of those whom they are compared with; the same where one cohort serves as both.
        pictures: the pictures of each cohort; none where the model looks at none.
        first: first row of each cohort.
    """

    table: pd.DataFrame
    radiograph_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    explained: NDArray[np.int64]
    background: NDArray[np.int64]
    pictures: tuple[GivenPictures, ...]
    first: tuple[int, ...]

    @classmethod
    def open(cls, predictor: Predictor, cohort: Cohort, background: Cohort | None, *, cache: Path | None) -> Panel:
        """Check both cohorts as for a prediction, and decode what the cache lacks.

        Args:
            predictor: the model.
            cohort: radiographs to explain.
            background: those they are compared with; None takes the cohort itself.
            cache: folder of decoded images; None takes the user's cache folder.

        Raises:
            CohortError: as :meth:`~xattn_bmd.training.prediction.predictor.Predictor.predict`.
        """
        both = (cohort,) if background is None else (cohort, background)
        for one in both:
            _require_usable(predictor, one)
        folder = cache or default_cache_folder()
        crops = (predictor.cropped(one, cache=folder) for one in both if predictor.needs.image)
        pictures = (GivenPictures.open(one, image=predictor.image, cache=folder) for one in crops)
        rows = [np.arange(len(one), dtype=np.int64) for one in both]
        return cls(
            table=pd.concat([one.table for one in both], ignore_index=True) if background else cohort.table,
            radiograph_ids=tuple(name for one in both for name in one.radiograph_ids),
            patient_ids=tuple(name for one in both for name in one.patient_ids),
            explained=rows[0],
            background=rows[0] if background is None else len(cohort) + rows[1],
            pictures=tuple(pictures),
            first=(0, len(cohort))[: len(both)],
        )

    def take(self, rows: NDArray[np.int64]) -> PictureBlock:
        """Return the pictures of some rows, ``B`` of them."""
        part = np.searchsorted(self.first, rows, side="right") - 1
        blocks = [given.take(rows[part == at] - self.first[at]) for at, given in enumerate(self.pictures)]
        order = np.argsort(np.argsort(part, kind="stable"))
        pixels = np.concatenate([block.pictures.pixels for block in blocks])[order]
        right_side = np.concatenate([block.pictures.right_side for block in blocks])[order]
        absent = np.concatenate([_absent(block) for block in blocks])[order]
        return PictureBlock(Pictures(pixels, right_side), absent if absent.any() else None)


def _absent(block: PictureBlock) -> NDArray[np.bool_]:
    return np.zeros(len(block.pictures.pixels), dtype=np.bool_) if block.no_image is None else block.no_image


def _require_usable(predictor: Predictor, cohort: Cohort) -> None:
    needs = predictor.needs
    predictor.check_variables(cohort.roles)
    cohort.require_valid(
        require_target=False,
        require_images=predictor.uses_images,
        require_variation=False,
        images_may_lack=needs.no_image,
    )
    has_image = np.array([name in cohort.images.paths for name in cohort.radiograph_ids], dtype=np.bool_)
    needs.given(cohort.table, has_image=has_image).require_enough(cohort.radiograph_ids)
