"""A predictor as it is kept: loaded from its folder, saved to another, and what its record says."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from xattn_bmd.atomic import atomic_folder
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.config import ImageConfig
from xattn_bmd.config_values import build
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.roles import CohortRoles
from xattn_bmd.data.withheld import Known
from xattn_bmd.errors import RunError
from xattn_bmd.training.fits.estimator import Estimator
from xattn_bmd.training.prediction.class_development import ClassDevelopment
from xattn_bmd.training.prediction.class_estimate_table import class_estimate_columns
from xattn_bmd.training.prediction.development import Development
from xattn_bmd.training.prediction.ensemble import Ensemble
from xattn_bmd.training.prediction.estimate_table import class_head_columns, estimate_columns
from xattn_bmd.training.prediction.inputs import NeededInputs, check_variables
from xattn_bmd.training.runs.crop_file import CROP, load_crop_stage
from xattn_bmd.training.runs.estimator_file import copy_estimators, load_estimator
from xattn_bmd.training.runs.predictor_file import FILE, read_record

if TYPE_CHECKING:
    from typing import Self

    from xattn_bmd.localise.crops.stage import CropStage
    from xattn_bmd.training.runs.run import Run

NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class KeptPredictor:
    """The fold models of one model with their record, in a folder of their own.

    Attributes:
        model: name of the model.
        estimators: the fitted folds.
        roles: the roles of the cohort that it was trained on; a new table needs the same clinical variables.
        image: how an image file becomes pixels.
        reference: name of the reference population for T-scores; empty for classes.
        simulated: whether it was trained on simulated radiographs.
        image_encoder: what its image encoder had learnt from before, in words.
        development: what it keeps of the cohort that it was developed on: numbers, and salted hashes of patients and
            pictures (which a guess of the id can confirm, see :mod:`xattn_bmd.training.prediction.development`).
        folder: where its files lie.
        crop_digest: digest of the stage that crops every radiograph first; empty where whole ones are looked at.
        withheld: the same as ``development`` where it saw the picture alone or the record alone, for a model that was
            trained with inputs withheld.
    """

    model: str
    estimators: tuple[Estimator, ...]
    roles: CohortRoles
    image: ImageConfig
    reference: str
    simulated: bool
    image_encoder: str
    development: Development | ClassDevelopment
    folder: Path
    withheld: Mapping[Known, Development] = field(default_factory=dict)
    crop_digest: str = ""

    @classmethod
    def from_run(cls, run: Run, model: str) -> Self:
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
    def load(cls, folder: str | Path) -> Self:
        """Load a predictor from ``RUN/MODEL`` or from where :meth:`save` put it.

        Raises:
            RunError: if the folder holds no finished predictor.
        """
        folder, record = Path(folder), read_record(Path(folder) / FILE)
        roles = CohortRoles.from_dict(record["roles"])
        kind = ClassDevelopment if roles.classes else Development
        development = kind.from_dict(record["development"])
        return cls(
            model=record["model"],
            estimators=tuple(load_estimator(folder / part) for part in record["folds"]),
            roles=roles,
            image=build(ImageConfig, record["image"], where="image"),
            reference=record["reference"] or "",
            simulated=record["simulated"],
            image_encoder=record.get("image_encoder", NOT_RECORDED),
            development=development,
            folder=folder,
            withheld={
                left: Development.from_dict(values, seen=development.seen)
                for left, values in record.get("withheld", {}).items()
            },
            crop_digest=record.get("crop", ""),
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
            copy_estimators(self.folder, partial, folds=record["folds"])
            if self.crop_stage is not None:
                self.crop_stage.save(partial / CROP)
        return target

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that it tells apart, in their order; empty for a density."""
        return self.roles.classes

    @property
    def estimate_columns(self) -> tuple[str, ...]:
        """Columns of its table of estimates, in order."""
        if self.classes:
            return class_estimate_columns(self.classes)
        unit = get_reference(self.reference).unit
        added = class_head_columns(unit) if self.has_class_head else ()
        return (*estimate_columns(unit), *added)

    @property
    def has_class_head(self) -> bool:
        """Whether its models say the class of the density too, by a head of its own."""
        return all(estimator.has_class_head for estimator in self.estimators)

    @property
    def density_development(self) -> Development:
        """What it keeps of its development on densities.

        Raises:
            RunError: if it was developed on classes.
        """
        if isinstance(self.development, Development):
            return self.development
        raise RunError(
            f"This needs a model of density, but {self.model!r} in {self.folder} predicts the classes "
            f"{', '.join(self.classes)}; give a model of density."
        )

    @property
    def uses_images(self) -> bool:
        """Whether radiographs are looked at."""
        return any(estimator.uses_images for estimator in self.estimators)

    @cached_property
    def crop_stage(self) -> CropStage | None:
        """The stage that crops every radiograph first, as those of the training were; None where there is none.

        Raises:
            LocaliseError: if its files are missing or damaged.
            RunError: if another stage lies there.
        """
        return load_crop_stage(self.folder, digest=self.crop_digest) if self.crop_digest else None

    def cropped(self, cohort: Cohort, *, cache: Path) -> Cohort:
        """Return a cohort with the pictures that the model looks at: crops, or the radiographs as they are.

        Args:
            cohort: radiographs.
            cache: cache folder.

        Raises:
            LocaliseError: listing every radiograph in which no box, or several, were found.
            RadiographError: if files cannot be read.
        """
        return cohort if self.crop_stage is None else self.crop_stage.crop(cohort, cache=cache)

    @cached_property
    def needs(self) -> NeededInputs:
        """What it needs of each radiograph; which inputs may be missing depends on its training."""
        return NeededInputs.of(self.estimators)

    def development_with(self, seen: Known) -> Development:
        """Return what it keeps of its development on densities where it saw these inputs."""
        return self.withheld.get(seen, self.density_development)

    @cached_property
    def ensemble(self) -> Ensemble:
        """The folds' networks, built at the first use and kept."""
        return Ensemble.build(self.estimators)

    def check_variables(self, roles: CohortRoles) -> None:
        """Refuse a table whose clinical variables are not those that the model was trained on.

        Args:
            roles: the table's roles.

        Raises:
            CohortError: naming the variables or the unit.
        """
        check_variables(self.estimators[0], self.roles, roles)
