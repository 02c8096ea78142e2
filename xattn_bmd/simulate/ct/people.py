"""The people of a CT cohort: the shipped model of the clinical record, with trabecular density and marrow fat."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.ct.density import QCT_ERROR, draw_qct
from xattn_bmd.simulate.ct.person import Scan
from xattn_bmd.simulate.ct.presets import CT_PRESETS, CtPreset, CtPresetName
from xattn_bmd.simulate.presets import Preset, Sex
from xattn_bmd.simulate.subjects import SMOKING, Integers, draw_ages, draw_record


def draw_scans(*, n: int, preset: CtPresetName, seed: int, metal: float = 0.0) -> tuple[Scan, ...]:
    """Draw the people of a cohort, one scan each.

    Args:
        n: number of scans, at least 1.
        preset: the hospitals.
        seed: same seed, same people.
        metal: share of the patients who carry pedicle screws in two vertebrae.

    Raises:
        SimulationError: for an unknown preset, ``n`` below 1, a negative seed, or a share outside 0 to 1.

    Example:
        >>> scans = draw_scans(n=20, preset="ct_external", seed=0)
        >>> len(scans), scans[0].scan_id, sorted({scan.site for scan in scans})
        (20, 'U0-00001', ['ct_b', 'ct_c', 'ct_d'])
    """
    _check(n, preset, seed, metal)
    chosen = CT_PRESETS[preset]
    rng = np.random.default_rng(np.random.SeedSequence([seed, 2**31 + 3, ord(chosen.letter)]))
    hospitals = rng.permutation(_hospital_of(n, chosen))
    drawn: dict[int, Scan] = {}
    for number, (site, _, people, scanners) in enumerate(chosen.hospitals):
        members = np.flatnonzero(hospitals == number)
        women = rng.permutation(np.arange(len(members)) < round(people.female_share * len(members)))
        sexes: tuple[tuple[Sex, Integers], ...] = (("female", members[women]), ("male", members[~women]))
        for sex, ones in sexes:
            drawn |= _draw(rng, ones, sex=sex, people=people, site=site, scanners=scanners, preset=chosen, seed=seed)
    screws = rng.permutation(np.arange(n) < round(metal * n))
    return tuple(replace(drawn[index], metal=bool(screws[index])) for index in range(n))


def _check(n: int, preset: str, seed: int, metal: float) -> None:
    if preset not in CT_PRESETS:
        raise SimulationError(f"The preset must be one of {', '.join(CT_PRESETS)}, but it is {preset!r}; name another.")
    if n < 1:
        raise SimulationError(f"A cohort needs at least 1 scan, but n is {n}; ask for more.")
    if seed < 0:
        raise SimulationError(f"The seed must be 0 or more, but it is {seed}; choose another.")
    if not 0 <= metal <= 1:
        raise SimulationError(f"The share of patients with screws is from 0 to 1, but metal is {metal}; change it.")


def _hospital_of(n: int, preset: CtPreset) -> Integers:
    """Return the number of the hospital of each scan, as many as its share."""
    ends = np.cumsum([share for _, share, _, _ in preset.hospitals])
    number: Integers = np.searchsorted(ends - 1e-9, (np.arange(n) + 0.5) / n).astype(np.int64)
    return number


def _draw(
    rng: np.random.Generator,
    members: Integers,
    *,
    sex: Sex,
    people: Preset,
    site: str,
    scanners: tuple[str, ...],
    preset: CtPreset,
    seed: int,
) -> dict[int, Scan]:
    """Draw record, density, marrow and scanner of every patient of one sex in one hospital."""
    age = draw_ages(rng, people, len(members))
    record = draw_record(rng, population=people, sex=sex, age=age)
    true, fat = draw_qct(rng, sex=sex, age=age, weight=record.weight)
    label = true + QCT_ERROR * rng.standard_normal(len(members))
    which = rng.integers(len(scanners), size=len(members))
    return {
        int(member): Scan(
            letter=preset.letter,
            seed=seed,
            index=int(member),
            patient=int(member),
            site=site,
            scanner=scanners[which[i]],
            sex=sex,
            age_ct=float(age[i]),
            height=float(record.height[i]),
            weight=float(record.weight[i]),
            bmi=round(float(record.weight[i] / (record.height[i] / 100) ** 2), 2),
            smoking=SMOKING[record.smoking[i]],
            true_qct=round(float(true[i]), 3),
            qct=round(float(label[i]), 2),
            marrow_fat=round(float(fat[i]), 4),
            metal=False,
        )
        for i, member in enumerate(members)
    }
