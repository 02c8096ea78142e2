"""The folds of one model as one saved predictor: safetensors and JSON, loads on a CPU, offline."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xattn_bmd.atomic import atomic_folder, atomic_write
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.bone.tscore import t_score, who_class
from xattn_bmd.config import ImageConfig
from xattn_bmd.data.cache import ImageCache, cached_images, default_cache_folder
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.datamodule import cohort_pictures
from xattn_bmd.data.roles import CohortRoles
from xattn_bmd.errors import CohortError, RunError
from xattn_bmd.training.device import torch_device
from xattn_bmd.training.estimator import Estimator, load_estimator
from xattn_bmd.training.features import plain_features
from xattn_bmd.training.fit import Study, reference_of

if TYPE_CHECKING:
    from xattn_bmd.training.run import Run

FILE, FORMAT = "predictor.json", "xattn-bmd-predictor-1"


@dataclass(frozen=True)
class Predictor:
    """Mean of the fold models of one comparison.

    Attributes:
        estimators: the fitted folds.
        roles: the roles of the cohort that it was trained on; a new table needs the same clinical variables.
        image: how an image file becomes pixels.
        reference: name of the reference population for T-scores.
        simulated: whether it was trained on simulated radiographs.
        folder: where its files lie.

    Example:
        ``Predictor.load("RUN/xattn").predict(Cohort.from_csv("new.csv", images="new"))``
    """

    estimators: tuple[Estimator, ...]
    roles: CohortRoles
    image: ImageConfig
    reference: str
    simulated: bool
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
        record = _read(folder / FILE)
        return cls(
            estimators=tuple(load_estimator(folder / part) for part in record["folds"]),
            roles=CohortRoles.from_dict(record["roles"]),
            image=ImageConfig(**{**record["image"], "window": tuple(record["image"]["window"])}),
            reference=record["reference"],
            simulated=record["simulated"],
            folder=folder,
        )

    def save(self, folder: str | Path) -> Path:
        """Copy the predictor, without any prediction or patient, to a new folder.

        Raises:
            RunError: if the folder exists or the disk is full; nothing half-written stays.
        """
        target = Path(folder)
        if target.exists():
            raise RunError(f"A predictor is saved to a new folder, but {target} exists; choose another name.")
        record = _read(self.folder / FILE)
        with atomic_folder(target) as partial:
            shutil.copyfile(self.folder / FILE, partial / FILE)
            for part, estimator in zip(record["folds"], self.estimators, strict=True):
                (partial / part).mkdir(parents=True)
                for name, content in estimator.files().items():
                    (partial / part / name).write_bytes(content)
        return target

    def predict(self, cohort: Cohort, *, cache: str | Path | None = None) -> pd.DataFrame:
        """Estimate the density of every radiograph of a cohort; its target column is not needed and not read.

        Args:
            cohort: a cohort with the same clinical variables.
            cache: folder of decoded images; None takes the user's cache folder.

        Returns:
            One row per radiograph: radiograph_id, prediction (g/cm²), fold_sd (SD between the fold models, g/cm²: not
            an interval), t_score, who_class, reference, simulated (whether the model learned from simulated pictures).

        Raises:
            CohortError: if the cohort has problems, or lacks a clinical variable that the model was trained on.
        """
        needs_images = any(estimator.uses_images for estimator in self.estimators)
        self._check_variables(cohort)
        cohort.require_valid(require_target=False, require_images=needs_images)
        images = None
        if needs_images:
            root = Path(cache) if cache else default_cache_folder()
            images = cached_images(cohort.image_paths, image=self.image, folder=root)
        maps = self._shared_maps(cohort, images)
        each = np.stack([estimator.predict(cohort, cache=images, features=maps) for estimator in self.estimators])
        density = each.mean(axis=0)
        scores = t_score(density, reference=get_reference(self.reference))
        return pd.DataFrame(
            {
                "radiograph_id": list(cohort.radiograph_ids),
                "prediction": density,
                "fold_sd": each.std(axis=0, ddof=1) if len(each) > 1 else np.nan,
                "t_score": scores,
                "who_class": who_class(scores),
                "reference": self.reference,
                "simulated": self.simulated,
            }
        )

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


def write_predictor(folder: Path, study: Study) -> None:
    """Describe the finished folds of one model, so that its folder alone is a predictor."""
    config = study.config
    record: dict[str, Any] = {
        "format": FORMAT,
        "model": folder.name,
        "simulated": study.cohort.roles.simulated,
        "protocol": config.protocol,
        "plan_hash": study.plan.hash,
        "reference": reference_of(config),
        "image": asdict(config.image),
        "roles": study.cohort.roles.to_dict(),
        "folds": [f"repeat_{r:02d}/fold_{f:02d}" for r in range(config.repeats) for f in range(config.folds)],
    }
    atomic_write(folder / FILE, json.dumps(record, indent=1) + "\n")


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise RunError(
            f"A predictor folder holds {FILE}, but {path.parent} does not; give RUN/MODEL of a finished comparison."
        )
    record: dict[str, Any] = json.loads(path.read_text())
    if record.get("format") != FORMAT:
        raise RunError(
            f"A predictor has the format {FORMAT!r}, but {path.parent} holds {record.get('format')!r}; "
            "use the version of xattn_bmd that wrote it."
        )
    return record
