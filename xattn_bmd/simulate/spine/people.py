"""The people of a spine cohort: patients in whom a fresh lumbar fracture is suspected."""

from __future__ import annotations

import math

import numpy as np

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.chest.lumbar import LUMBAR_CV, POPULATION, lumbar_density
from xattn_bmd.simulate.presets import Sex
from xattn_bmd.simulate.spine.fractures import draw_findings
from xattn_bmd.simulate.spine.person import Finding, Spine
from xattn_bmd.simulate.spine.presets import SPINE_PRESETS, SpinePreset, SpinePresetName
from xattn_bmd.simulate.subjects import SMOKING, Integers, draw_ages, draw_record

_FRESH_PER_SD, _OLD_PER_SD, _OLD_PER_YEAR = -0.35, -0.45, 0.03
_FALL = {True: 0.55, False: 0.25}
_PAIN = {True: (6.6, 1.9), False: (5.0, 2.3)}
"""ASSUMED: odds of a fresh and number of old fractures by lumbar density and age; shares of patients with a recent
fall, and mean and SD of back pain, by whether a fracture is fresh.  All were suspected of one: pain tells little."""


def draw_spines(*, n: int | None, preset: SpinePresetName, seed: int) -> tuple[Spine, ...]:
    """Draw the people of a cohort, one radiograph each.

    Args:
        n: number of radiographs, at least 1; None takes the published number of the institution.
        preset: the institution.
        seed: same seed, same people.

    Raises:
        SimulationError: for an unknown preset, ``n`` below 1 or a negative seed.

    Example:
        >>> spines = draw_spines(n=20, preset="spine", seed=0)
        >>> len(spines), spines[0].radiograph_id, spines[19].patient_id
        (20, 'V0-00001', 'VP0-00020')
    """
    institution, n = _checked(n, preset, seed)
    rng = np.random.default_rng(np.random.SeedSequence([seed, 2**31 + 3, ord(institution.letter)]))
    women = rng.permutation(np.arange(n) < round(institution.people.female_share * n))
    sexes: tuple[tuple[Sex, Integers], ...] = (("female", np.flatnonzero(women)), ("male", np.flatnonzero(~women)))
    drawn: dict[int, Spine] = {}
    for sex, members in sexes:
        drawn |= _draw_sex(rng, members, sex=sex, institution=institution, seed=seed)
    return tuple(drawn[index] for index in range(n))


def _checked(n: int | None, preset: str, seed: int) -> tuple[SpinePreset, int]:
    if preset not in SPINE_PRESETS:
        raise SimulationError(
            f"The preset must be one of {', '.join(SPINE_PRESETS)}, but it is {preset!r}; name another."
        )
    if n is not None and n < 1:
        raise SimulationError(f"A cohort needs at least 1 radiograph, but n is {n}; ask for more.")
    if seed < 0:
        raise SimulationError(f"The seed must be 0 or more, but it is {seed}; choose another.")
    institution = SPINE_PRESETS[preset]
    return institution, institution.patients if n is None else n


def _draw_sex(
    rng: np.random.Generator, members: Integers, *, sex: Sex, institution: SpinePreset, seed: int
) -> dict[int, Spine]:
    """Draw the record, the lumbar density and the fractures of every patient of one sex."""
    age = draw_ages(rng, institution.people, len(members))
    record = draw_record(rng, population=institution.people, sex=sex, age=age)
    true = lumbar_density(rng, sex=sex, age=age, weight=record.weight)
    label = true * (1 + LUMBAR_CV * rng.standard_normal(len(members)))
    drawn = {}
    for i, member in enumerate(members.tolist()):
        findings = _findings(rng, institution, density=float(true[i]), age=float(age[i]))
        fresh = any(finding.condition == "fresh" for finding in findings)
        drawn[member] = Spine(
            letter=institution.letter,
            seed=seed,
            index=member,
            patient=member,
            site=institution.site.name,
            sex=sex,
            age_xray=float(age[i]),
            height=float(record.height[i]),
            weight=float(record.weight[i]),
            bmi=round(float(record.weight[i] / (record.height[i] / 100) ** 2), 2),
            smoking=SMOKING[record.smoking[i]],
            recent_fall="yes" if rng.random() < _FALL[fresh] else "no",
            back_pain=int(np.clip(round(float(rng.normal(*_PAIN[fresh]))), 0, 10)),
            true_bmd=round(float(true[i]), 5),
            lumbar_bmd=round(float(label[i]), 4),
            findings=findings,
        )
    return drawn


def _findings(rng: np.random.Generator, institution: SpinePreset, *, density: float, age: float) -> tuple[Finding, ...]:
    """Draw what befell the vertebrae of a person of that density (g/cm²) and age (years)."""
    z_score = (density - POPULATION[0]) / POPULATION[1]
    odds = institution.fresh / (1 - institution.fresh) * math.exp(_FRESH_PER_SD * z_score)
    old = institution.old * math.exp(_OLD_PER_SD * z_score + _OLD_PER_YEAR * (age - 75))
    return draw_findings(rng, fresh=odds / (1 + odds), old=old)
