"""The people of a chest cohort: the shipped model of the clinical record, with a lumbar density and a clavicle."""

from __future__ import annotations

import numpy as np

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.chest.lumbar import LUMBAR_CV, clavicle_density, lumbar_density
from xattn_bmd.simulate.chest.person import Chest
from xattn_bmd.simulate.chest.presets import CHEST_PRESETS, ChestPreset, ChestPresetName
from xattn_bmd.simulate.presets import Sex
from xattn_bmd.simulate.subjects import SMOKING, Integers, draw_ages, draw_record


def draw_chests(*, n: int, preset: ChestPresetName, seed: int) -> tuple[Chest, ...]:
    """Draw the people of a cohort, one radiograph each.

    Args:
        n: number of radiographs, at least 1.
        preset: the institution.
        seed: same seed, same people.

    Raises:
        SimulationError: for an unknown preset, ``n`` below 1 or a negative seed.

    Example:
        >>> chests = draw_chests(n=20, preset="chest", seed=0)
        >>> len(chests), chests[0].radiograph_id, chests[19].patient_id
        (20, 'C0-00001', 'CP0-00020')
    """
    _check(n, preset, seed)
    institution = CHEST_PRESETS[preset]
    rng = np.random.default_rng(np.random.SeedSequence([seed, 2**31 + 2, ord(institution.letter)]))
    women = rng.permutation(np.arange(n) < round(institution.people.female_share * n))
    sexes: tuple[tuple[Sex, Integers], ...] = (("female", np.flatnonzero(women)), ("male", np.flatnonzero(~women)))
    drawn: dict[int, Chest] = {}
    for sex, members in sexes:
        drawn |= _draw_sex(rng, members, sex=sex, institution=institution, seed=seed)
    return tuple(drawn[index] for index in range(n))


def _check(n: int, preset: str, seed: int) -> None:
    if preset not in CHEST_PRESETS:
        raise SimulationError(
            f"The preset must be one of {', '.join(CHEST_PRESETS)}, but it is {preset!r}; name another."
        )
    if n < 1:
        raise SimulationError(f"A cohort needs at least 1 radiograph, but n is {n}; ask for more.")
    if seed < 0:
        raise SimulationError(f"The seed must be 0 or more, but it is {seed}; choose another.")


def _draw_sex(
    rng: np.random.Generator, members: Integers, *, sex: Sex, institution: ChestPreset, seed: int
) -> dict[int, Chest]:
    """Draw the record, the lumbar density and the clavicular mineral of every patient of one sex."""
    age = draw_ages(rng, institution.people, len(members))
    record = draw_record(rng, population=institution.people, sex=sex, age=age)
    true = lumbar_density(rng, sex=sex, age=age, weight=record.weight)
    label = true * (1 + LUMBAR_CV * rng.standard_normal(len(members)))
    clavicle = clavicle_density(rng, true)
    return {
        int(member): Chest(
            letter=institution.letter,
            seed=seed,
            index=int(member),
            patient=int(member),
            site=institution.site.name,
            sex=sex,
            age_xray=float(age[i]),
            height=float(record.height[i]),
            weight=float(record.weight[i]),
            bmi=round(float(record.weight[i] / (record.height[i] / 100) ** 2), 2),
            smoking=SMOKING[record.smoking[i]],
            true_bmd=round(float(true[i]), 5),
            lumbar_bmd=round(float(label[i]), 4),
            clavicle_density=round(float(clavicle[i]), 5),
        )
        for i, member in enumerate(members)
    }
