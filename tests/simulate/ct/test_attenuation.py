"""Attenuation and density laws: order of the tissues, what fat does, and the published loss with age."""

import numpy as np
import pytest

from xattn_bmd.simulate.ct.attenuation import MINERAL_HU, TISSUE_HU, bone_hu, mineral_for, qct_density
from xattn_bmd.simulate.ct.density import draw_qct, level_densities

VOLTAGES = (80, 100, 120, 140)


def test_higher_voltage_shows_less_mineral_and_less_fat():
    mineral, fat, yellow = (
        [table(kvp) for kvp in VOLTAGES]
        for table in (MINERAL_HU.get, lambda kvp: TISSUE_HU[kvp]["fat"], lambda kvp: TISSUE_HU[kvp]["yellow_marrow"])
    )
    assert mineral == sorted(mineral, reverse=True) and fat == sorted(fat) and yellow == sorted(yellow)


def test_bone_is_a_mixture_at_its_ends():
    for kvp in VOLTAGES:
        assert bone_hu(0.0, fat_share=1.0, kvp=kvp) == pytest.approx(TISSUE_HU[kvp]["yellow_marrow"])
        assert bone_hu(0.0, fat_share=0.0, kvp=kvp) == pytest.approx(TISSUE_HU[kvp]["red_marrow"])
        compact = bone_hu(1050.0, fat_share=0.5, kvp=kvp)
        assert compact == pytest.approx(1050 * MINERAL_HU[kvp] + 0.35 * TISSUE_HU[kvp]["collagen"])


def test_fat_lowers_qct_density_and_less_so_at_low_voltage():
    """Laval-Jeantet 1986: for each 100 mg/cm³ of fat 13 mg/cm³ less at 130 kVp and 11 at 85: ratio 0.85."""
    loss = {
        kvp: (bone_hu(100.0, fat_share=0.4, kvp=kvp) - bone_hu(100.0, fat_share=0.5, kvp=kvp)) / MINERAL_HU[kvp]
        for kvp in (80, 120)
    }
    assert 3 < loss[120] < 13 and loss[80] / loss[120] == pytest.approx(0.85, abs=0.06)
    assert qct_density(mineral_for(75.0, fat_share=0.66), fat_share=0.66) == pytest.approx(75.0)


@pytest.mark.parametrize("sex, per_year", [("female", 0.012), ("male", 0.0072)])
def test_density_falls_with_age_as_published(sex, per_year):
    age = np.random.default_rng(0).uniform(30, 80, 20_000)
    density, fat = draw_qct(np.random.default_rng(1), sex=sex, age=age, weight=np.full(age.shape, 75.0))
    slope, start = np.polyfit(age - 30, density, 1)
    assert -slope / start == pytest.approx(per_year, rel=0.06)
    assert np.corrcoef(age, fat)[0, 1] > 0.5
    rest = density - np.polyval([slope, start], age - 30)
    assert np.corrcoef(rest, fat - np.polyval(np.polyfit(age, fat, 1), age))[0, 1] == pytest.approx(-0.35, abs=0.03)


def test_levels_differ_around_the_mean_of_l1_and_l2():
    rng = np.random.default_rng(0)
    drawn = [level_densities(rng, 100.0) for _ in range(300)]
    assert np.allclose([(one["L1"] + one["L2"]) / 2 for one in drawn], 100)
    assert np.mean([one["L1"] - one["L3"] for one in drawn]) > 3 and np.std([one["L4"] for one in drawn]) > 2
