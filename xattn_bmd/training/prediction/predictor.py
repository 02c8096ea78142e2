"""The folds of one model as one saved predictor: safetensors and JSON, loads on a CPU, offline."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xattn_bmd.atomic import atomic_folder
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.config import ImageConfig
from xattn_bmd.config_values import build
from xattn_bmd.data.cache import default_cache_folder
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.roles import CohortRoles
from xattn_bmd.data.withheld import Known
from xattn_bmd.errors import RunError
from xattn_bmd.training.fits.estimator import Estimator
from xattn_bmd.training.prediction.class_development import ClassDevelopment
from xattn_bmd.training.prediction.class_estimate_table import class_estimate_columns, class_estimate_table
from xattn_bmd.training.prediction.development import Development
from xattn_bmd.training.prediction.ensemble import Ensemble
from xattn_bmd.training.prediction.estimate_table import estimate_columns, estimate_table
from xattn_bmd.training.prediction.fold_estimates import FoldEstimates, estimate_cohort
from xattn_bmd.training.prediction.inputs import NeededInputs, check_variables
from xattn_bmd.training.runs.crop_file import CROP, load_crop_stage
from xattn_bmd.training.runs.estimator_file import copy_estimators, load_estimator
from xattn_bmd.training.runs.predictor_file import FILE, read_record

if TYPE_CHECKING:
    from xattn_bmd.localise.crops.stage import CropStage
    from xattn_bmd.training.archive.estimate import Archive
    from xattn_bmd.training.runs.run import Run

NOT_RECORDED = "not recorded"

LEVEL = 0.9
"""Wanted coverage of the intervals of :meth:`Predictor.predict`."""


@dataclass(frozen=True)
class Predictor:
    """Mean of the fold models of one comparison.

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

    Example:
        ``Predictor.load("RUN/xattn").predict(Cohort.from_csv("new.csv", images="new"))``
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
        """Columns of the table of :meth:`predict`, in order."""
        if self.classes:
            return class_estimate_columns(self.classes)
        return estimate_columns(get_reference(self.reference).unit)

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

    def predict(self, cohort: Cohort, *, cache: str | Path | None = None, level: float = LEVEL) -> pd.DataFrame:
        """Estimate the density or class of every radiograph of a cohort; its target column is not needed and not read.

        A model that was trained with inputs withheld (:class:`~xattn_bmd.config.ModelConfig`) does without a picture, a
        record or some variables; any other says why it does not.  A row without a picture has an empty cell in the
        column that is declared as ``image``, or the cohort came without image folder; one without a record empty cells.

        Args:
            cohort: a cohort with the same clinical variables.
            cache: folder of decoded images; None takes the user's cache folder.
            level: wanted coverage of ``low`` to ``high``; not read for classes.

        Returns:
            Of classes the columns of
            :func:`~xattn_bmd.training.prediction.class_estimate_table.class_estimate_table`: the likeliest class and
            the mean probability of each over the fold models.  Of a density one row per radiograph: radiograph_id,
            prediction (g/cm²), low and high (CV+ interval of the measured
            density, Barber 2021, g/cm²; infinite where the development cohort is too small for the level), level,
            fold_sd (SD between the fold models, g/cm²: not an interval), t_score, who_class, probability_low (chance of
            T < -1 by the development cohort's recalibration, 0-1), reference, simulated (whether the model learned from
            simulated pictures), inputs (what it saw: ``image+record``, ``image`` or ``record``).  ``low`` to ``high``
            and ``probability_low`` hold for people like those of the development cohort of whom the same inputs are
            known; :func:`~xattn_bmd.training.external.evaluate` measures what they do elsewhere.  Densities of QCT are
            in mg/cm³ and have qct_class (normal, low, osteoporosis) in place of t_score and who_class; their
            probability_low is the chance of 120 mg/cm³ or less.

        Raises:
            CohortError: if the cohort has problems, or lacks a clinical variable that the model was trained on.
            MetricError: if the level is no share between 0 and 1.
        """
        each = self.estimate_folds(cohort, cache=cache)
        return self.describe(cohort.radiograph_ids, each.each, inputs=each.inputs, level=level)

    def segment(
        self, cohort: Cohort, *, out: str | Path | None = None, cache: str | Path | None = None
    ) -> pd.DataFrame:
        """Find the mask of every radiograph with the fold models' mask heads; the clinical record is not read.

        Args:
            cohort: radiographs; where it has masks of its own, Dice with them is given.
            out: folder for one ``RADIOGRAPH_ID.png`` each, of the radiograph's own size; None writes none.
            cache: folder of decoded images; None takes the user's cache folder.

        Returns:
            :data:`~xattn_bmd.training.prediction.segment.SEGMENT_COLUMNS`.

        Raises:
            CohortError: if the cohort has problems.
            RunError: if the model was trained without a mask head, or the disk is full.
        """
        from xattn_bmd.training.prediction.segment import segment_cohort

        cohort.require_valid(require_target=False, require_variation=False)
        return segment_cohort(
            cohort,
            ensemble=self.ensemble,
            image=self.image,
            cache=Path(cache) if cache else default_cache_folder(),
            out=Path(out) if out is not None else None,
        )

    def predict_archive(
        self,
        source: str | Path,
        *,
        out: str | Path,
        images: str | Path | None = None,
        config: str | Path | CohortRoles | None = None,
        level: float = LEVEL,
        workers: int = 1,
        scheduler: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Archive:
        """Estimate a list of radiographs of any length into a CSV file, with the columns of :meth:`predict`.

        Pictures are read in parallel, once, and not kept; memory does not grow with the list.  Whole blocks of rows are
        kept in ``OUT.partial``; the same command continues a killed run there, to the same bytes, and ``OUT`` appears,
        or replaces an older file, in one step at the end.

        A row that is wrong in itself, or whose image cannot be read, does not stop the others: it is left out and
        listed with the reason in ``NAME.problems.csv`` beside ``OUT``.  This is a finished list, not an error, for the
        same command would give it again: look at ``problems`` of what is returned.  A list without a single sound row
        is an error.

        Args:
            source: a table as for :meth:`~xattn_bmd.data.cohort.Cohort.from_csv` (a target is not read; two rows may
                name one file; inputs may be missing as in :meth:`predict`), or, for a model that needs no record, a
                folder: ids are then the files' places in it, and no picture is mirrored, for no side is known.
            out: CSV file to write.
            images: folder of a table's image files; None takes the folder ``images`` beside it.
            config: roles of a table's columns; None takes the YAML file beside it.
            level: wanted coverage of ``low`` to ``high``.
            workers: processes on this machine; 1 works in threads of this one.
            scheduler: address of a running dask scheduler, whose workers see the same folders.
            progress: called with (rows done, rows).

        Returns:
            How many radiographs were estimated, how many were not, and where both are.

        Raises:
            CohortError: if the list cannot be read, lacks a column, declares other clinical variables than the model
                was trained on, or has no sound row; or if a folder was given and the model needs a record.
            MetricError: if the level is no share between 0 and 1.
            RunError: if ``OUT.partial`` was begun with another predictor, list or level, or the disk is full.
        """
        if self.image.is_volume:
            raise RunError(
                "A list of any length is read of radiographs, but this model sees CT volumes; use predict(cohort)."
            )
        from xattn_bmd.training.archive.estimate import estimate_archive, open_list

        return estimate_archive(
            self,
            open_list(self, source, images=images, config=config),
            out=Path(out),
            level=level,
            workers=workers,
            scheduler=scheduler,
            progress=progress,
        )

    def describe(
        self,
        radiograph_ids: Sequence[str],
        each: NDArray[np.float64],
        *,
        inputs: Sequence[Known],
        level: float = LEVEL,
    ) -> pd.DataFrame:
        """Return the table of :meth:`predict` for radiographs of which the folds have said what they say.

        Args:
            radiograph_ids: ``N`` ids.
            each: (K, N) density by each fold's model, g/cm², or (K, N, C) probabilities of classes.
            inputs: ``N`` times, what the model saw.
            level: wanted coverage of ``low`` to ``high``.

        Raises:
            MetricError: if the level is no share between 0 and 1.
        """
        if self.classes:
            found = class_estimate_table(radiograph_ids, each, classes=self.classes, inputs=inputs)
            return found.assign(simulated=self.simulated)[list(self.estimate_columns)]
        reference = get_reference(self.reference)
        table = estimate_table(
            radiograph_ids,
            each,
            inputs=inputs,
            development={seen: self.development_with(seen) for seen in inputs},
            reference=reference,
            level=level,
        )
        return table.assign(reference=self.reference, simulated=self.simulated)[list(self.estimate_columns)]

    def development_with(self, seen: Known) -> Development:
        """Return what it keeps of its development on densities where it saw these inputs."""
        return self.withheld.get(seen, self.density_development)

    def estimate_folds(
        self, cohort: Cohort, *, cache: str | Path | None = None, require_target: bool = False
    ) -> FoldEstimates:
        """Estimate the target of every radiograph with every fold model, once the cohort is found to be in order.

        Args:
            cohort: a cohort with the same clinical variables.
            cache: folder of decoded images; None takes the user's cache folder.
            require_target: whether each radiograph needs a measured density, or a class.

        Raises:
            CohortError: if the cohort has problems, lacks a clinical variable that the model was trained on, or a
                radiograph lacks an input that the model needs.
        """
        self.check_variables(cohort.roles)
        cohort.require_valid(
            require_target=require_target,
            require_images=self.uses_images,
            require_variation=False,
            images_may_lack=self.needs.no_image,
        )
        folder = Path(cache) if cache else default_cache_folder()
        cropped = self.cropped(cohort, cache=folder)
        return estimate_cohort(cropped, needs=self.needs, ensemble=self.ensemble, image=self.image, cache=folder)

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
