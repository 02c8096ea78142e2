"""The folds of one model as one saved predictor: safetensors and JSON, loads on a CPU, offline."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xattn_bmd.atomic import atomic_folder
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.bone.tscore import NORMAL_EDGE, density_at, t_score, who_class
from xattn_bmd.config import ImageConfig
from xattn_bmd.data.cache import ImageCache, cached_images, default_cache_folder
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.datamodule import cohort_pictures
from xattn_bmd.data.roles import CohortRoles
from xattn_bmd.errors import CohortError, RunError
from xattn_bmd.metrics.conformal import cv_plus_interval
from xattn_bmd.metrics.risk import probability_below
from xattn_bmd.training.development import Development
from xattn_bmd.training.device import torch_device
from xattn_bmd.training.estimator import Estimator, load_estimator
from xattn_bmd.training.features import plain_features
from xattn_bmd.training.predictor_file import FILE, read_record

if TYPE_CHECKING:
    from xattn_bmd.training.run import Run

LEVEL = 0.9
"""Wanted coverage of the intervals of :meth:`Predictor.predict`."""


class FoldEstimates(NamedTuple):
    """What each fold model says.

    Attributes:
        density: (K, N) float, g/cm².
        pictures: content hash of each radiograph's picture by id; empty where the model looks at none.
    """

    density: NDArray[np.float64]
    pictures: dict[str, str]


@dataclass(frozen=True)
class Predictor:
    """Mean of the fold models of one comparison.

    Attributes:
        model: name of the model.
        estimators: the fitted folds.
        roles: the roles of the cohort that it was trained on; a new table needs the same clinical variables.
        image: how an image file becomes pixels.
        reference: name of the reference population for T-scores.
        simulated: whether it was trained on simulated radiographs.
        development: what it keeps of the cohort that it was developed on: numbers, and salted hashes of patients and
            pictures (which a guess of the id can confirm, see :mod:`xattn_bmd.training.development`).
        folder: where its files lie.

    Example:
        ``Predictor.load("RUN/xattn").predict(Cohort.from_csv("new.csv", images="new"))``
    """

    model: str
    estimators: tuple[Estimator, ...]
    roles: CohortRoles
    image: ImageConfig
    reference: str
    simulated: bool
    development: Development
    folder: Path

    @classmethod
    def from_run(cls, run: Run, model: str) -> Predictor:
        """Return the predictor of one model of a run.

        Raises:
            RunError: if the run does not hold the model.
        """
        if model not in run.config.models:
            raise RunError(
                f"A predictor is made from a model of the run ({', '.join(run.config.models)}), but {model!r} was "
                "given; mend the name."
            )
        return cls.load(run.folder / model)

    @classmethod
    def load(cls, folder: str | Path) -> Predictor:
        """Load a predictor from ``RUN/MODEL`` or from where :meth:`save` put it.

        Raises:
            RunError: if the folder holds no finished predictor.
        """
        folder = Path(folder)
        record = read_record(folder / FILE)
        return cls(
            model=record["model"],
            estimators=tuple(load_estimator(folder / part) for part in record["folds"]),
            roles=CohortRoles.from_dict(record["roles"]),
            image=ImageConfig(**{**record["image"], "window": tuple(record["image"]["window"])}),
            reference=record["reference"],
            simulated=record["simulated"],
            development=Development.from_dict(record["development"]),
            folder=folder,
        )

    def save(self, folder: str | Path) -> Path:
        """Copy the predictor, without any id, prediction or measured density, to a new folder.

        Raises:
            RunError: if the folder exists or the disk is full; nothing half-written stays.
        """
        target = Path(folder)
        if target.exists():
            raise RunError(f"A predictor is saved to a new folder, but {target} exists; choose another name.")
        record = read_record(self.folder / FILE)
        with atomic_folder(target) as partial:
            shutil.copyfile(self.folder / FILE, partial / FILE)
            for part, estimator in zip(record["folds"], self.estimators, strict=True):
                (partial / part).mkdir(parents=True)
                for name, content in estimator.files().items():
                    (partial / part / name).write_bytes(content)
        return target

    @property
    def uses_images(self) -> bool:
        """Whether radiographs are needed to predict."""
        return any(estimator.uses_images for estimator in self.estimators)

    def predict(self, cohort: Cohort, *, cache: str | Path | None = None, level: float = LEVEL) -> pd.DataFrame:
        """Estimate the density of every radiograph of a cohort; its target column is not needed and not read.

        Args:
            cohort: a cohort with the same clinical variables.
            cache: folder of decoded images; None takes the user's cache folder.
            level: wanted coverage of ``low`` to ``high``.

        Returns:
            One row per radiograph: radiograph_id, prediction (g/cm²), low and high (CV+ interval of the measured
            density, Barber 2021, g/cm²; infinite where the development cohort is too small for the level), level,
            fold_sd (SD between the fold models, g/cm²: not an interval), t_score, who_class, probability_low (chance of
            T < -1 by the development cohort's recalibration, 0-1), reference, simulated (whether the model learned from
            simulated pictures).  ``low`` to ``high`` and ``probability_low`` hold for people like those of the
            development cohort; :func:`~xattn_bmd.training.external.evaluate` measures what they do elsewhere.

        Raises:
            CohortError: if the cohort has problems, or lacks a clinical variable that the model was trained on.
            MetricError: if the level is no share between 0 and 1.
        """
        each = self.estimate_folds(cohort, cache=cache).density
        density, residuals = each.mean(axis=0), self.development.residuals
        ends = cv_plus_interval(each, residuals.size, residuals.fold, level=level)
        scores = t_score(density, reference=get_reference(self.reference))
        return pd.DataFrame(
            {
                "radiograph_id": list(cohort.radiograph_ids),
                "prediction": density,
                "low": ends.low,
                "high": ends.high,
                "level": level,
                "fold_sd": each.std(axis=0, ddof=1) if len(each) > 1 else np.nan,
                "t_score": scores,
                "who_class": who_class(scores),
                "probability_low": self._probability_low(density),
                "reference": self.reference,
                "simulated": self.simulated,
            }
        )

    def estimate_folds(
        self, cohort: Cohort, *, cache: str | Path | None = None, require_target: bool = False
    ) -> FoldEstimates:
        """Estimate the density of every radiograph with every fold model, once the cohort is found to be in order.

        Args:
            cohort: a cohort with the same clinical variables.
            cache: folder of decoded images; None takes the user's cache folder.
            require_target: whether each radiograph needs a measured density.

        Raises:
            CohortError: if the cohort has problems, or lacks a clinical variable that the model was trained on.
        """
        self._check_variables(cohort)
        cohort.require_valid(require_target=require_target, require_images=self.uses_images, require_variation=False)
        images = None
        if self.uses_images:
            root = Path(cache) if cache else default_cache_folder()
            images = cached_images(cohort.image_paths, image=self.image, folder=root)
        maps = self._shared_maps(cohort, images)
        each = [estimator.predict(cohort, cache=images, features=maps) for estimator in self.estimators]
        pictures = {} if images is None else dict(zip(images.ids, images.content_hashes, strict=True))
        return FoldEstimates(np.stack(each), pictures)

    def _probability_low(self, density: NDArray[np.float64]) -> NDArray[np.float64]:
        edge = float(density_at(NORMAL_EDGE, reference=get_reference(self.reference)))
        line = self.development.recalibration
        return probability_below(edge, mean=line(density), sd=np.float64(line.residual_sd))

    def _shared_maps(self, cohort: Cohort, images: ImageCache | None) -> NDArray[np.float32] | None:
        """Return the feature maps of a trunk that all folds share because it was frozen; None where they do not."""
        frozen = all(one.network is not None and one.network.freeze == "trunk" for one in self.estimators)
        if images is None or not frozen:
            return None
        first, *others = ({k: v for k, v in one.tensors.items() if ".trunk." in k} for one in self.estimators)
        if any(not np.array_equal(value, other[name]) for other in others for name, value in first.items()):
            return None
        encoder = self.estimators[0].build().to(torch_device("auto")).image_encoder
        assert encoder is not None
        return plain_features(cohort_pictures(cohort, images), encoder)

    def _check_variables(self, cohort: Cohort) -> None:
        expected = self.estimators[0].encoder.schema
        if cohort.schema != expected:
            raise CohortError(
                f"The table must declare the clinical variables that the model was trained on "
                f"({', '.join(expected.names)}) with the same categories, but {', '.join(cohort.schema.names)} were "
                "declared; mend the cohort's YAML."
            )
        for trained, given in zip(self.roles.numeric, cohort.roles.numeric, strict=True):
            if trained.unit != given.unit:
                raise CohortError(
                    f"A variable has the unit that the model was trained on, but {given.name!r} is declared in "
                    f"{given.unit} and was trained in {trained.unit}; convert the column and mend the cohort's YAML."
                )
