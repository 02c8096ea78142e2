"""People with a clinical record and a femoral-neck density, drawn from a model estimated on NHANES 2005-2014.

Height, weight, alcohol, activity and diet come from a Gaussian copula with NHANES marginals; body mass index is always
computed; density is the NHANES regression on the record plus an unexplained rest that only the radiograph can show.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.assets import load_json
from xattn_bmd.simulate.mesh import Floats
from xattn_bmd.simulate.person import DXA_CV, SIDES, Hip
from xattn_bmd.simulate.presets import PRESETS, Preset, PresetName, Sex, SexLaw

_SIDE_TO_SIDE_SD = 0.03
_RESIDUAL_SKEW = 0.13
_DENSITY_RANGE = (0.35, 1.65)
_MISSING_RANGE = (0.01, 0.045)
Integers = NDArray[np.int64]
SMOKING = ("never", "former", "current")
_HABITS = ("alcohol", "activity", "diet")


def draw_hips(*, n: int, preset: PresetName, seed: int) -> tuple[Hip, ...]:
    """Draw the people of a cohort and their ``n`` hips.

    Args:
        n: number of radiographs, at least 1.
        preset: the population.
        seed: same seed, same people.

    Raises:
        SimulationError: for an unknown preset, ``n`` below 1 or a negative seed.

    Example:
        >>> hips = draw_hips(n=20, preset="hcs", seed=0)
        >>> len(hips), hips[0].bmi == round(hips[0].weight / (hips[0].height / 100) ** 2, 2)
        (20, True)
    """
    _check(n, preset, seed)
    rng = np.random.default_rng(np.random.SeedSequence([seed, 2**31]))
    population = PRESETS[preset]
    patients = max(1, n - round(n * population.two_hips / (1 + population.two_hips)))
    women = np.arange(patients) < round(population.female_share * patients)
    women = rng.permutation(women)
    age = draw_ages(rng, population, patients)
    records: dict[int, dict[str, Any]] = {}
    sexes: tuple[tuple[Sex, Integers], ...] = (("female", np.flatnonzero(women)), ("male", np.flatnonzero(~women)))
    for sex, members in sexes:
        drawn = _draw_sex(rng, population=population, sex=sex, age=age[members])
        records |= {int(member): record for member, record in zip(members, drawn, strict=True)}
    return _hips(rng, records, population=population, n=n, seed=seed)


def _check(n: int, preset: str, seed: int) -> None:
    if preset not in PRESETS:
        raise SimulationError(f"The preset must be one of {', '.join(PRESETS)}, but it is {preset!r}; name another.")
    if n < 1:
        raise SimulationError(f"A cohort needs at least 1 radiograph, but n is {n}; ask for more.")
    if seed < 0:
        raise SimulationError(f"The seed must be 0 or more, but it is {seed}; choose another.")


def _draw_sex(rng: np.random.Generator, *, population: Preset, sex: Sex, age: Floats) -> list[dict[str, Any]]:
    """Draw the record and density of every patient of one sex."""
    record = draw_record(rng, population=population, sex=sex, age=age)
    density = _density(rng, population=population, sex=sex, fitted=_fitted(record, sex))
    missing = {
        name: _absent(rng, share, len(age))
        for name, share in load_json("subjects.json")["sexes"][sex]["missing"].items()
    }
    gap = np.maximum(rng.uniform(0.01, 0.2, size=len(age)).round(2), 0.01)
    return [
        {
            "sex": sex,
            "age_xray": float(age[i]),
            "age_dxa": round(float(age[i] + gap[i]), 2),
            "height": float(record.height[i]),
            "weight": float(record.weight[i]),
            "bmi": round(float(record.weight[i] / (record.height[i] / 100) ** 2), 2),
            "smoking": None if missing["smoking"][i] else SMOKING[record.smoking[i]],
            **{name: None if missing[name][i] else float(record.habits[name][i]) for name in _HABITS},
            "density": float(density[i]),
        }
        for i in range(len(age))
    ]


@dataclass(frozen=True)
class Record:
    """Columns of the record of several people of one sex.

    Attributes:
        age: ``(N,)`` years.
        height: ``(N,)`` cm.
        weight: ``(N,)`` kg.
        habits: ``(N,)`` alcohol, activity and diet by name.
        smoking: ``(N,)`` index into :data:`SMOKING`.
    """

    age: Floats
    height: Floats
    weight: Floats
    habits: dict[str, Floats]
    smoking: Integers


def draw_record(rng: np.random.Generator, *, population: Preset, sex: Sex, age: Floats) -> Record:
    """Draw the clinical record of people of one sex.

    Args:
        rng: the only source of randomness.
        population: heights and weights, where it sets them.
        sex: of all of them.
        age: ``(N,)`` years.
    """
    model = load_json("subjects.json")["sexes"][sex]
    law = _law(population, sex)
    scores = _copula(rng, model=model, age=age)
    height = _body(scores[:, 0], age, model["height"], law.height if law else None).round(1)
    log_weight = _body(scores[:, 1], age, model["log_weight"], _log_moments(*law.weight) if law else None)
    weight = (population.weight_factor * np.exp(log_weight)).round(1)
    habits = {name: _habit(scores[:, 2 + i], model["quantiles"][name]) for i, name in enumerate(_HABITS)}
    habits = {name: values.round(1 if name == "alcohol" else 0) for name, values in habits.items()}
    return Record(age, height, weight, habits, _smoking(rng, model=model, age=age))


def _law(population: Preset, sex: Sex) -> SexLaw | None:
    return dict(population.laws)[sex] if population.laws else None


def draw_ages(rng: np.random.Generator, population: Preset, count: int) -> Floats:
    """Draw ages of a population, ``(count,)`` years."""
    low, high = population.age_range
    return (low + (high - 0.2 - low) * rng.beta(*population.age_beta, size=count)).round(2)


def _copula(rng: np.random.Generator, *, model: dict[str, Any], age: Floats) -> Floats:
    """Return correlated normal scores ``(N, 5)`` of height, weight, alcohol, activity and diet."""
    factor = np.linalg.cholesky(np.array(model["copula"]))
    scores: Floats = np.einsum("nk,jk->nj", rng.standard_normal((len(age), len(factor))), factor)
    for column, name in enumerate(_HABITS, start=2):
        slope = model["age_rank_correlation"][name]
        scores[:, column] = slope * (age - 65) / 9.7 + np.sqrt(1 - slope**2) * scores[:, column]
    return scores


def _body(scores: Floats, age: Floats, trend: dict[str, float], moments: tuple[float, float] | None) -> Floats:
    if moments is not None:
        return moments[0] + moments[1] * scores
    return trend["at_65"] + trend["per_year"] * (age - 65) + trend["sd"] * scores


def _habit(scores: Floats, quantiles: list[float]) -> Floats:
    """Map normal scores to a marginal given by its quantiles, interpolating on a log scale for the long tail."""
    levels = np.linspace(0, 1, len(quantiles))
    return np.expm1(np.interp(ndtr(scores), levels, np.log1p(quantiles)))


def _log_moments(mean: float, sd: float) -> tuple[float, float]:
    variance = np.log1p((sd / mean) ** 2)
    return float(np.log(mean) - variance / 2), float(np.sqrt(variance))


def _smoking(rng: np.random.Generator, *, model: dict[str, Any], age: Floats) -> Integers:
    table = np.array(model["smoking"])
    never, former = (np.interp(age, model["smoking_ages"], table[:, column]) for column in (0, 1))
    draw = rng.random(len(age))
    code: Integers = np.add(draw > never, draw > never + former, dtype=np.int64)
    return code


def _fitted(record: Record, sex: Sex) -> Floats:
    """Return the density that the NHANES regression expects of each record, ``(N,)`` g/cm²."""
    coefficients = load_json("subjects.json")["sexes"][sex]["bmd"]
    design = {
        "age": record.age - 65,
        "height": record.height - 165,
        "log_weight": np.log(record.weight / 75),
        "log_alcohol": np.log1p(record.habits["alcohol"]),
        "log_activity": np.log1p(record.habits["activity"] / 500),
        "diet": record.habits["diet"] - 3,
        "former": (record.smoking == 1).astype(float),
        "current": (record.smoking == 2).astype(float),
    }
    terms = [coefficients[name] * values for name, values in design.items()]
    expected: Floats = np.sum(terms, axis=0) + coefficients["at_reference"]
    return expected


@functools.cache
def _expected_moments(population: Preset, sex: Sex) -> tuple[float, float]:
    """Return mean and SD of the fitted density over a whole population, from a fixed large draw."""
    rng = np.random.default_rng(0)
    ages = draw_ages(rng, population, 8000)
    fitted = _fitted(draw_record(rng, population=population, sex=sex, age=ages), sex)
    return float(fitted.mean()), float(fitted.std())


def _density(rng: np.random.Generator, *, population: Preset, sex: Sex, fitted: Floats) -> Floats:
    """Return femoral-neck density ``(N,)``, g/cm²: regression on the record plus a slightly skewed rest.

    The rest is widened where the regression is narrowed, so that the SD of the density stays.
    """
    mean, sd = _expected_moments(population, sex)
    law = _law(population, sex)
    residual_sd = load_json("subjects.json")["sexes"][sex]["bmd"]["residual_sd"]
    level, total = law.fn_bmd if law else (mean, float(np.hypot(residual_sd, sd)))
    unexplained = total**2 - _SIDE_TO_SIDE_SD**2 - (population.covariate_weight * sd) ** 2
    rest = np.exp(_RESIDUAL_SKEW * rng.standard_normal(len(fitted))) - np.exp(_RESIDUAL_SKEW**2 / 2)
    rest_unit = np.sqrt(np.expm1(_RESIDUAL_SKEW**2) * np.exp(_RESIDUAL_SKEW**2))
    explained = population.covariate_weight * (fitted - mean)
    density: Floats = np.clip(level + explained + np.sqrt(unexplained) * rest / rest_unit, *_DENSITY_RANGE)
    return density


def _absent(rng: np.random.Generator, share: float, count: int) -> NDArray[np.bool_]:
    return rng.random(count) < min(max(share, _MISSING_RANGE[0]), _MISSING_RANGE[1])


def _hips(
    rng: np.random.Generator, records: dict[int, dict[str, Any]], *, population: Preset, n: int, seed: int
) -> tuple[Hip, ...]:
    patients = len(records)
    both = set(rng.permutation(patients)[: n - patients].tolist())
    sides = rng.integers(2, size=patients)
    sites = rng.integers(len(population.sites), size=patients)
    hips: list[Hip] = []
    for patient in range(patients):
        record = dict(records[patient])
        density = record.pop("density")
        for side in SIDES if patient in both else (SIDES[sides[patient]],):
            true = max(_DENSITY_RANGE[0], density + _SIDE_TO_SIDE_SD * rng.standard_normal())
            label = true * (1 + DXA_CV["lunar"] * rng.standard_normal())
            hips.append(
                Hip(
                    seed=seed,
                    index=len(hips),
                    patient=patient,
                    side=side,
                    site=population.sites[sites[patient]],
                    femora=population.femora,
                    true_bmd=round(true, 5),
                    fn_bmd=round(label, 4),
                    **record,
                )
            )
    return tuple(hips)
