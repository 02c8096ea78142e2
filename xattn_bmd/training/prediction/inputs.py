"""Which inputs a predictor needs of each radiograph, and which it has learnt to do without.

A record may have gaps; see :mod:`xattn_bmd.data.variables`.

Axes: ``N`` radiographs, ``V`` clinical variables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xattn_bmd.data.checks.problem import listed
from xattn_bmd.data.roles import CohortRoles
from xattn_bmd.data.variables import VariableEncoder
from xattn_bmd.data.withheld import Known
from xattn_bmd.errors import CohortError
from xattn_bmd.models.fusions.named import fusion_named, is_fusion
from xattn_bmd.training.fits.estimator import Estimator
from xattn_bmd.training.fits.stacking import members_of


@dataclass(frozen=True, kw_only=True)
class NeededInputs:
    """What a model reads, and what of it may be missing.

    Attributes:
        model: its name.
        encoder: encodes the clinical variables.
        image: whether it reads the picture.
        record: whether it reads the record.
        no_image: whether it was trained with pictures withheld.
        no_record: whether it was trained with records withheld; true for a scikit-learn baseline.
    """

    model: str
    encoder: VariableEncoder
    image: bool
    record: bool
    no_image: bool
    no_record: bool

    @classmethod
    def of(cls, estimators: Sequence[Estimator]) -> NeededInputs:
        """Return what the fitted folds of one model need."""
        first = estimators[0]
        if first.members:
            return cls._of_stack(
                [cls.of(each) for each in zip(*(one.members for one in estimators), strict=True)], first
            )
        network = is_fusion(first.model)
        record = not network or fusion_named(first.model).uses_variables
        return cls(
            model=first.model,
            encoder=first.encoder,
            image=first.uses_images,
            record=record,
            no_image="image" in first.may_withhold,
            no_record=not network or "record" in first.may_withhold,
        )

    @classmethod
    def _of_stack(cls, members: Sequence[NeededInputs], stack: Estimator) -> NeededInputs:
        """Return what a stack needs: all that any member reads, for its weights are those of all inputs."""
        return cls(
            model=stack.model,
            encoder=stack.encoder,
            image=any(one.image for one in members),
            record=any(one.record for one in members),
            no_image=False,
            no_record=False,
        )

    def given(self, table: pd.DataFrame, *, has_image: NDArray[np.bool_]) -> GivenInputs:
        """Look at what is given of ``N`` radiographs.

        Args:
            table: their clinical record, as a cohort holds it.
            has_image: ``(N,)`` whether each has a picture.
        """
        has_record = np.asarray(~self.encoder.absent(table).all(axis=1))
        rows = [(bool(image), bool(record)) for image, record in zip(has_image, has_record, strict=True)]
        return GivenInputs(
            tuple(self._refusal(image, record) for image, record in rows),
            tuple(self._seen(image, record) for image, record in rows),
        )

    def _seen(self, image: bool, record: bool) -> Known:
        if self.image and self.record:
            return "image+record" if image and record else ("image" if image else "record")
        return "image" if self.image else "record"

    def _refusal(self, image: bool, record: bool) -> str:
        """Return why a radiograph cannot be estimated, in one sentence; empty where it can be."""
        if self.image and self.record and not image and not record:
            return "An estimate needs a picture or a clinical record, but this row has neither; give one of them."
        if self.image and not self.record and not image:
            return f"The model {self.model!r} reads the picture alone, but this row has none; give the image file."
        if self.record and not self.image and not record:
            return f"The model {self.model!r} reads the record alone, but this row has none; fill in what is known."
        if self.image and not image and not self.no_image:
            return self._untrained("a picture", "pictures were never withheld from it", "image")
        if self.image and self.record and not record and not self.no_record:
            return self._untrained("any clinical variable", "records were never withheld from it", "record")
        return ""

    def _untrained(self, what: str, why: str, dropout: str) -> str:
        if members_of(self.model):
            return (
                f"The stack {self.model!r} needs all that its members read, for its weights are of predictions from "
                f"all inputs, but {what} is missing; give it, or use a member that was trained with "
                f"model.{dropout}_dropout above 0."
            )
        return (
            f"The model {self.model!r} has learnt to estimate with the inputs that it met in training, but {what} is "
            f"missing and {why}; give it, or train with model.{dropout}_dropout above 0."
        )


@dataclass(frozen=True)
class GivenInputs:
    """What is given of some radiographs.

    Attributes:
        refusals: ``N`` reasons why one cannot be estimated, empty where it can be.
        seen: ``N`` times, what the model sees of it.
    """

    refusals: tuple[str, ...]
    seen: tuple[Known, ...]

    def require_enough(self, radiograph_ids: Sequence[str]) -> None:
        """Refuse radiographs that cannot be estimated.

        Args:
            radiograph_ids: their ``N`` ids.

        Raises:
            CohortError: with every reason and the radiographs that it holds for.
        """
        names: dict[str, list[str]] = {}
        for name, reason in zip(radiograph_ids, self.refusals, strict=True):
            if reason:
                names.setdefault(reason, []).append(name)
        if names:
            lines = [f"{k}. {listed(found)}: {reason}" for k, (reason, found) in enumerate(names.items(), start=1)]
            raise CohortError(f"The cohort has {len(names)} problem(s) to mend:\n" + "\n".join(lines))


def check_variables(estimator: Estimator, trained: CohortRoles, given: CohortRoles) -> None:
    """Refuse a table whose clinical variables are not those that a model was trained on.

    Args:
        estimator: one of its folds.
        trained: roles of the cohort that it was trained on.
        given: roles of the table.

    Raises:
        CohortError: naming the variables or the unit.
    """
    expected = estimator.encoder.schema
    if given.schema != expected:
        raise CohortError(
            f"The table must declare the clinical variables that the model was trained on "
            f"({', '.join(expected.names)}) with the same categories, but {', '.join(given.schema.names)} were "
            "declared; mend the cohort's YAML."
        )
    for known, found in zip(trained.numeric, given.numeric, strict=True):
        if known.unit != found.unit:
            raise CohortError(
                f"A variable has the unit that the model was trained on, but {found.name!r} is declared in "
                f"{found.unit} and was trained in {known.unit}; convert the column and mend the cohort's YAML."
            )
