"""A cohort opened for a model: its pictures, its records as each fold model reads them, and the fold models themselves.

Axes: ``K`` fold models, ``N`` radiographs, ``B`` of a block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xattn_bmd.data.cache import default_cache_folder
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.errors import ModelError
from xattn_bmd.explanation.fold_models import Explained
from xattn_bmd.explanation.heat.seen import Seen, stored_map
from xattn_bmd.models.network import FusionNetwork
from xattn_bmd.training.prediction.ensemble import Ensemble
from xattn_bmd.training.prediction.pictures import GivenPictures
from xattn_bmd.types import Variables

Networks = Callable[[int], Sequence[FusionNetwork]]
"""Position of a fold model → its networks, one for each of its seeds."""


@dataclass(frozen=True)
class OpenedCohort:
    """Radiographs ready to be explained.

    Attributes:
        explained: the model.
        cohort: ``N`` radiographs.
        pictures: their decoded pictures.
        models: ``(K, N)`` which fold models explain each radiograph.
    """

    explained: Explained
    cohort: Cohort
    pictures: GivenPictures
    models: NDArray[np.bool_]

    @classmethod
    def open(cls, explained: Explained, cohort: Cohort, *, cache: str | Path | None = None) -> OpenedCohort:
        """Check a cohort as a prediction does, and open its pictures.

        Args:
            explained: the model.
            cohort: radiographs with the clinical variables of the model; a density is not needed.
            cache: folder of decoded images; None takes the user's cache folder.

        Raises:
            CohortError: if the cohort has problems, or lacks an input that the model needs.
            ModelError: if the model looks at no picture.
            RunError: if a patient was in training and it is not known in which folds.
        """
        predictor = explained.predictor
        require_radiograph_model(explained)
        predictor.check_variables(cohort.roles)
        cohort.require_valid(require_target=False, require_images=True, require_variation=False)
        given = predictor.needs.given(cohort.table, has_image=np.ones(len(cohort), dtype=np.bool_))
        given.require_enough(cohort.radiograph_ids)
        models = explained.models_of(cohort)
        folder = Path(cache) if cache else default_cache_folder()
        pictures = GivenPictures.open(predictor.cropped(cohort, cache=folder), image=predictor.image, cache=folder)
        return cls(explained, cohort, pictures, models)

    @property
    def size(self) -> int:
        """Side of the square picture, pixels."""
        return self.explained.predictor.image.size

    @property
    def ensemble(self) -> Ensemble:
        """The fold models' networks."""
        return self.explained.predictor.ensemble

    def trained(self, fold: int) -> Sequence[FusionNetwork]:
        """Return the networks of a fold model."""
        seeds = len(self.ensemble.networks) // len(self.ensemble.estimators)
        return self.ensemble.networks[fold * seeds : (fold + 1) * seeds]

    def image(self, rows: NDArray[np.int64]) -> Tensor:
        """Return the pictures ``(B, 1, S, S)`` of some rows, every hip turned to look like a left hip."""
        return self.pictures.take(rows).pictures.take(np.arange(len(rows))).to(self.ensemble.device)

    def shared_map(self, image: Tensor) -> Tensor | None:
        """Return the map of the trunk's frozen part where all fold models share it, else None."""
        return stored_map(self.ensemble.networks[0], image) if self.ensemble.shares_map else None

    def variables(self, rows: NDArray[np.int64], fold: int) -> Variables:
        """Return the record of some rows as a fold model reads it."""
        encoded = self.ensemble.estimators[fold].encoder.transform(self.cohort.table.iloc[rows])
        parts = (encoded.numeric, encoded.codes, encoded.missing)
        return Variables(*(torch.from_numpy(part).to(self.ensemble.device) for part in parts))

    def seen(self, rows: NDArray[np.int64], fold: int, *, image: Tensor, features: Tensor | None) -> Seen:
        """Return what a fold model sees of some rows."""
        return Seen(image, self.variables(rows, fold), features)


def require_radiograph_model(explained: Explained) -> None:
    """Refuse a model that looks at no picture, or at CT volumes.

    Raises:
        ModelError: naming the model, and for volumes what explains them.
    """
    predictor = explained.predictor
    if not predictor.uses_images:
        raise ModelError(
            f"Heat needs a model that looks at radiographs, but {predictor.model!r} reads the record alone; "
            "explain a model with an image, such as xattn or image_only."
        )
    if predictor.image.is_volume:
        raise ModelError(
            f"Heat maps are drawn on radiographs, but {predictor.model!r} sees CT volumes; take "
            "xattn_bmd.explanation.heat.volume.volume_heat for one batch of them, and record_contributions for "
            "what volume and record add to each estimate."
        )
