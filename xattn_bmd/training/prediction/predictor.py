"""The folds of one model as one predictor of new radiographs: safetensors and JSON, loads on a CPU, offline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xattn_bmd.bone.reference import get_reference
from xattn_bmd.data.cache import default_cache_folder
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.roles import CohortRoles
from xattn_bmd.data.withheld import Known
from xattn_bmd.errors import RunError
from xattn_bmd.training.prediction.class_estimate_table import class_estimate_table
from xattn_bmd.training.prediction.estimate_table import class_head_estimates, estimate_table
from xattn_bmd.training.prediction.fold_estimates import FoldEstimates, estimate_cohort
from xattn_bmd.training.prediction.kept import KeptPredictor

if TYPE_CHECKING:
    from xattn_bmd.training.archive.estimate import Archive

LEVEL = 0.9
"""Wanted coverage of the intervals of :meth:`Predictor.predict`."""


@dataclass(frozen=True)
class Predictor(KeptPredictor):
    """Mean of the fold models of one comparison; its attributes are those of :class:`KeptPredictor`.

    Example:
        ``Predictor.load("RUN/xattn").predict(Cohort.from_csv("new.csv", images="new"))``
    """

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
            probability_low is the chance of 120 mg/cm³ or less.  Models with a class head (``model.class_head``) add
            joint_class and joint_probability_CLASS: the likeliest class by those heads, and the mean probability of
            each.

        Raises:
            CohortError: if the cohort has problems, or lacks a clinical variable that the model was trained on.
            MetricError: if the level is no share between 0 and 1.
        """
        each = self.estimate_folds(cohort, cache=cache)
        return self.describe(cohort.radiograph_ids, each.each, inputs=each.inputs, level=level, classes=each.classes)

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
        classes: NDArray[np.float64] | None = None,
    ) -> pd.DataFrame:
        """Return the table of :meth:`predict` for radiographs of which the folds have said what they say.

        Args:
            radiograph_ids: ``N`` ids.
            each: (K, N) density by each fold's model, g/cm², or (K, N, C) probabilities of classes.
            inputs: ``N`` times, what the model saw.
            level: wanted coverage of ``low`` to ``high``.
            classes: (K, N, 3) probabilities of the classes of the density by each fold's class head, where it has one.

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
        if classes is not None:
            table = table.join(class_head_estimates(classes, reference.unit))
        return table.assign(reference=self.reference, simulated=self.simulated)[list(self.estimate_columns)]

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
