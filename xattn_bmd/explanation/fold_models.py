"""Which fold model explains which radiograph: in a cross-validated cohort, the one that did not train on its patient.

Axes: ``K`` fold models, ``N`` radiographs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.bone.reference import get_reference
from xattn_bmd.data.checks.problem import listed
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.dataset import row_blocks
from xattn_bmd.data.folds import FoldPlan
from xattn_bmd.errors import RunError
from xattn_bmd.explanation.judge.controls import CONTROLS, Control
from xattn_bmd.report.words import Words, words_of
from xattn_bmd.training.fits.stacking import members_of
from xattn_bmd.training.prediction.predictor import Predictor
from xattn_bmd.training.runs.run import CONFIG, PLAN, Run, load_run


@dataclass(frozen=True)
class Explained:
    """A model, and the plan that says whom each of its fold models was trained on.

    Attributes:
        predictor: the fold models.
        plan: the fold plan of the run that made them; None for a predictor that lies alone.
    """

    predictor: Predictor
    plan: FoldPlan | None

    @classmethod
    def open(
        cls,
        source: Run | Predictor | str | Path,
        *,
        model: str | None = None,
        of: Literal["density", "classes"] = "density",
    ) -> Explained:
        """Open what is to be explained.

        Args:
            source: a run or its folder, or a predictor or its folder, ``RUN/MODEL`` say.
            model: model of a run; None takes the run's first model that looks at radiographs.
            of: what it must predict.

        Raises:
            RunError: if there is no such model, it predicts something else, or it is a stack, which has no picture of
                its own.
        """
        if isinstance(source, str | Path):
            source = load_run(source) if (Path(source) / CONFIG).is_file() else Predictor.load(source)
        predictor = source if isinstance(source, Predictor) else _of_run(source, model)
        if model not in (None, predictor.model):
            raise RunError(f"The predictor holds {predictor.model!r}, but {model!r} was asked for; give RUN/{model}.")
        if members := members_of(predictor.model):
            raise RunError(
                f"A heat map belongs to one network, but {predictor.model!r} is a stack; explain its members "
                f"{', '.join(members)} instead."
            )
        if predictor.classes and of == "density":
            raise RunError(
                f"Explanations here are of a density, but {predictor.model!r} predicts the classes "
                f"{', '.join(predictor.classes)}; give a model of density, or take class_heat."
            )
        if not predictor.classes and of == "classes":
            raise RunError(
                f"Heat of a class needs a model of classes, but {predictor.model!r} predicts a density; take explain."
            )
        return cls(predictor, _plan_of(predictor))

    @classmethod
    def of(cls, source: Run | Predictor | Explained | str | Path, *, model: str | None = None) -> Explained:
        """Return what is opened already as it is, and open anything else, as :meth:`open`."""
        return source if isinstance(source, Explained) else cls.open(source, model=model)

    def models_of(self, cohort: Cohort) -> NDArray[np.bool_]:
        """Return which fold models explain each radiograph, ``(K, N)``.

        A patient of the plan is explained by the fold models that did not train on that patient, one for each repeat;
        anybody else by the mean of all of them.

        Args:
            cohort: ``N`` radiographs.

        Raises:
            RunError: if a patient was in training and the plan that says in which folds is not at hand.
        """
        if self.plan is None:
            self._refuse_seen(cohort)
            return np.ones((len(self.predictor.estimators), len(cohort)), dtype=np.bool_)
        patient_fold = [
            {self.plan.patients[name]: fold for name, fold in folds.items()} for folds in self.plan.test_folds
        ]
        held_out = [
            [
                _is_held_out(one.record["fold"], patient_fold[one.record["repeat"]].get(who))
                for who in cohort.patient_ids
            ]
            for one in self.predictor.estimators
        ]
        return np.array(held_out, dtype=np.bool_)

    @property
    def words(self) -> Words:
        """What its images are called, and how its densities are written."""
        return words_of(get_reference(self.predictor.reference), asdict(self.predictor.image))

    def controls_named(self, name: Literal["none", "weights", "all"]) -> tuple[Control, ...]:
        """Return the controls that a word of the command line stands for: those that this model can have.

        Args:
            name: "none", "weights", or "all".
        """
        if name != "all":
            return () if name == "none" else ("random_weights",)
        network = self.predictor.estimators[0].network
        frozen = network is not None and network.freeze != "none"
        wanted = {"random_weights": True, "random_fit": frozen, "random_labels": self.plan is not None}
        return tuple(control for control in CONTROLS if wanted[control])

    def _refuse_seen(self, cohort: Cohort) -> None:
        pairs = zip(cohort.radiograph_ids, cohort.patient_ids, strict=True)
        seen = [name for name, who in pairs if self.predictor.development.seen.has_patient(who)]
        if seen:
            raise RunError(
                "A radiograph is explained by a model that did not train on its patient, but this predictor lies "
                f"without its run's fold plan and had {listed(seen)} in training; give RUN or RUN/MODEL, or other "
                "people."
            )


def model_blocks(models: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield blocks of radiographs that are explained by the same fold models.

    Args:
        models: ``(K, N)`` which fold models explain each radiograph.

    Yields:
        the rows of a block, and the positions of their fold models.

    Example:
        >>> models = np.array([[True, False, True], [False, True, False]])
        >>> [(rows.tolist(), folds.tolist()) for rows, folds in model_blocks(models)]
        [([0, 2], [0]), ([1], [1])]
    """
    patterns, which = np.unique(models.T, axis=0, return_inverse=True)
    groups = [np.flatnonzero(which.reshape(-1) == number) for number in range(len(patterns))]
    for group in sorted(groups, key=lambda rows: int(rows[0])):
        for block in row_blocks(len(group)):
            yield group[block], np.flatnonzero(models[:, group[block[0]]])


def _is_held_out(fold: int, patient_fold: int | None) -> bool:
    return patient_fold is None or fold == patient_fold


def _of_run(run: Run, model: str | None) -> Predictor:
    if model is not None:
        return Predictor.from_run(run, model)
    for name in run.config.models:
        if not members_of(name) and (found := Predictor.from_run(run, name)).uses_images:
            return found
    raise RunError(
        f"Heat needs a model that looks at radiographs, but this run holds {', '.join(run.config.models)}; run "
        "`compare` with xattn or image_only."
    )


def _plan_of(predictor: Predictor) -> FoldPlan | None:
    """Return the plan beside a model's folder, if it is the one that its folds were made with."""
    path = predictor.folder.parent / PLAN
    plan = FoldPlan.load(path) if path.is_file() else None
    same = plan is not None and all(one.record.get("plan_hash") == plan.hash for one in predictor.estimators)
    return plan if same else None
