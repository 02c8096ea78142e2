"""What each fold model of a predictor says of a cohort."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.config import ImageConfig
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.dataset import row_blocks
from xattn_bmd.data.pictures.build import default_workers
from xattn_bmd.data.withheld import Known
from xattn_bmd.training.in_threads import in_threads
from xattn_bmd.training.prediction.ensemble import Answers, Ensemble
from xattn_bmd.training.prediction.inputs import NeededInputs
from xattn_bmd.training.prediction.pictures import GivenPictures


class FoldEstimates(NamedTuple):
    """What each fold model says.

    Attributes:
        each: (K, N) density, g/cm², or (K, N, C) probabilities of classes.
        pictures: content hash of each radiograph's picture by id; empty where the model looks at none.
        inputs: what the model saw of each radiograph.
        classes: (K, N, 3) probabilities of the classes of the density, from class heads of their own; None for models
            without one.
    """

    each: NDArray[np.float64]
    pictures: dict[str, str]
    inputs: tuple[Known, ...]
    classes: NDArray[np.float64] | None = None


def estimate_cohort(
    cohort: Cohort, *, needs: NeededInputs, ensemble: Ensemble, image: ImageConfig, cache: Path
) -> FoldEstimates:
    """Estimate the density, or the classes, of every radiograph with every fold model.

    Args:
        cohort: a valid cohort with the clinical variables of the model.
        needs: what the model needs of each radiograph.
        ensemble: the fold models.
        image: how an image file becomes a picture.
        cache: folder of decoded images.

    Raises:
        CohortError: if a radiograph lacks an input that the model needs.
    """
    has_image = np.array([name in cohort.images.paths for name in cohort.radiograph_ids], dtype=np.bool_)
    given = needs.given(cohort.table, has_image=has_image)
    given.require_enough(cohort.radiograph_ids)
    pictures = GivenPictures.open(cohort, image=image, cache=cache) if needs.image else None

    def answers(rows: NDArray[np.int64]) -> Answers:
        part = (None, None) if pictures is None else pictures.take(rows)
        return ensemble.answers(cohort.table.iloc[rows], *part)

    blocks = list(in_threads(answers, row_blocks(len(cohort)), threads=default_workers()))
    classes = [said.classes for said in blocks if said.classes is not None]
    return FoldEstimates(
        np.concatenate([said.each for said in blocks], axis=1),
        {} if pictures is None else pictures.content,
        given.seen,
        np.concatenate(classes, axis=1) if classes else None,
    )
