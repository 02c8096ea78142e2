"""What an external validation refuses: predictors that cannot be compared, cohorts that are not external."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xattn_bmd.bone.reference import get_reference
from xattn_bmd.data.checks.problem import listed
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.roles import CohortRoles
from xattn_bmd.errors import CohortError, RunError
from xattn_bmd.training.prediction.fold_estimates import FoldEstimates
from xattn_bmd.training.prediction.predictor import Predictor


def check_predictors(predictors: Sequence[Predictor]) -> None:
    """Refuse predictors of one name, or of different references or classes.

    Raises:
        RunError: naming them.
    """
    names = [one.model for one in predictors]
    if not names or len(set(names)) < len(names):
        raise RunError(
            f"An evaluation takes one or more predictors with different names, but {', '.join(names) or 'none'} was "
            "given; evaluate two predictors of one name in two folders."
        )
    targets = sorted({", ".join(one.classes) or "density" for one in predictors})
    if len(targets) > 1:
        raise RunError(
            f"Predictors that are evaluated together predict the same, but they predict {' and '.join(targets)}; "
            "evaluate them in separate folders."
        )
    references = sorted({one.reference for one in predictors})
    if len(references) > 1:
        raise RunError(
            f"Predictors that are evaluated together share their reference population, but they have "
            f"{', '.join(references)}; evaluate them in separate folders."
        )


def check_cohort(predictor: Predictor, cohort: Cohort) -> None:
    """Refuse a cohort on which results would mean something else, or whose patients were in training.

    Raises:
        CohortError: if its target, its reference or a patient is not what an evaluation needs.
    """
    roles = cohort.roles
    if predictor.classes:
        _check_classes(predictor, roles)
    else:
        _check_density(predictor, roles)
    pairs = zip(cohort.radiograph_ids, cohort.patient_ids, strict=True)
    known = [name for name, patient in pairs if predictor.development.seen.has_patient(patient)]
    if known:
        raise CohortError(
            f"External validation takes patients who were not in training, but the patient of {listed(known)} was in "
            f"the development cohort of {predictor.model}; remove those rows (if another hospital only happens to use "
            "the same patient ids, put the site's name before its own)."
        )


def _check_density(predictor: Predictor, roles: CohortRoles) -> None:
    unit = get_reference(predictor.reference).unit
    if roles.unit != unit:
        found = "classes" if roles.classes else roles.unit or "no target"
        kind = "areal density in g/cm2 (DXA)" if unit == "g/cm2" else "volumetric density in mg/cm3 (QCT)"
        raise CohortError(
            f"An evaluation needs measured {kind}, but the cohort declares {found}; add the column and its role, or "
            "use `predict`."
        )
    if roles.reference is not None and roles.reference != predictor.reference:
        raise CohortError(
            f"Thresholds are carried over unchanged, with the reference {predictor.reference}, but the cohort declares "
            f"{roles.reference}; put its densities on the same device scale and declare that reference."
        )


def _check_classes(predictor: Predictor, roles: CohortRoles) -> None:
    if roles.classes != predictor.classes:
        found = ", ".join(roles.classes) or ("a density" if roles.target else "no target")
        raise CohortError(
            f"An evaluation needs the classes that {predictor.model} learned, {', '.join(predictor.classes)} in this "
            f"order, but the cohort declares {found}; declare the same target.classes, or use `predict`."
        )


def require_same_inputs(predictor: Predictor, estimates: FoldEstimates, cohort: Cohort) -> None:
    """Refuse a cohort of which a model saw more of some radiographs than of others: nothing internal is like it.

    Raises:
        CohortError: naming the radiographs.
    """
    first = estimates.inputs[0]
    others = {name: seen for name, seen in zip(cohort.radiograph_ids, estimates.inputs, strict=True) if seen != first}
    if others:
        raise CohortError(
            f"An evaluation is of radiographs of which the same inputs are known, for internal errors are, but "
            f"{predictor.model} saw {' and '.join(dict.fromkeys(others.values()))} of {listed(list(others))} and "
            f"{first} of the others; evaluate each kind into a folder of its own."
        )


def refuse_pictures(predictor: Predictor, pictures: Mapping[str, str]) -> None:
    """Refuse pictures that were in training, whatever id they come under.

    Raises:
        CohortError: naming the radiographs.
    """
    known = [name for name, content in pictures.items() if predictor.development.seen.has_picture(content)]
    if known:
        raise CohortError(
            f"External validation takes pictures that were not in training, but {listed(known)} shows the very same "
            f"picture as a radiograph of the development cohort of {predictor.model}; remove those rows."
        )
