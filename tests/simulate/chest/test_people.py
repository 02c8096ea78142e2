import numpy as np
import pandas as pd
import pytest

from xattn_bmd.bone.crosscal import cross_calibrate
from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.chest.lumbar import LUMBAR_CV
from xattn_bmd.simulate.chest.people import draw_chests
from xattn_bmd.simulate.chest.presets import CHEST_PRESETS


def people(preset, n=12_000):
    return pd.DataFrame([vars(chest) for chest in draw_chests(n=n, preset=preset, seed=5)])


@pytest.fixture(scope="module")
def drawn():
    return {preset: people(preset) for preset in CHEST_PRESETS}


def test_the_clavicle_goes_with_lumbar_density_as_assumed(drawn):
    """0.85 over both sexes; the label's precision error takes next to nothing of it."""
    table = drawn["chest"]
    assert table.true_bmd.corr(table.clavicle_density) == pytest.approx(0.85, abs=0.015)
    assert table.lumbar_bmd.corr(table.clavicle_density) == pytest.approx(0.85, abs=0.02)


def test_the_spread_of_lumbar_density_is_the_published_one(drawn):
    assert drawn["chest"].lumbar_bmd.std() == pytest.approx(0.188, abs=0.006)


def test_people_of_75_years_have_the_sourced_mean():
    """Hertfordshire: 1.10 g/cm² standardised at 75.2 years, 58.4 % women; on the Lunar scale by the line of Hui."""
    sourced = (1.10 - 1.0436) / 0.9683 + 1.100
    assert sourced == pytest.approx(float(cross_calibrate(0.972 + 0.0564 / 1.055, source="hologic", target="lunar",
                                                          region="spine")), abs=1e-9)  # fmt: skip
    table = people("chest", n=20_000)
    old = table[table.age_xray.between(73, 77.4)].groupby("sex").true_bmd.mean()
    assert 0.584 * old["female"] + 0.416 * old["male"] == pytest.approx(sourced, abs=0.015)


def test_the_record_tells_less_than_the_clavicle(drawn):
    table = drawn["chest"]
    design = np.column_stack([np.ones(len(table)), table.sex == "male", table.age_xray, table.height, table.weight])
    design = design.astype(float)
    fitted = design @ np.linalg.lstsq(design, table.lumbar_bmd, rcond=None)[0]
    explained = np.var(fitted) / np.var(table.lumbar_bmd)
    assert 0.15 < explained < 0.30 < table.lumbar_bmd.corr(table.clavicle_density) ** 2


def test_the_label_has_the_error_of_a_scan(drawn):
    table = drawn["chest"]
    assert (table.lumbar_bmd / table.true_bmd - 1).std() == pytest.approx(LUMBAR_CV, rel=0.05)


def test_body_mass_index_is_computed(drawn):
    table = drawn["chest"]
    assert np.allclose(table.bmi, table.weight / (table.height / 100) ** 2, atol=0.006)


def test_the_institutions_see_other_people(drawn):
    here, there = drawn["chest"], drawn["chest_external"]
    assert here.age_xray.mean() - there.age_xray.mean() > 3
    assert (there.sex == "female").mean() - (here.sex == "female").mean() == pytest.approx(0.13, abs=0.01)
    assert there.bmi.mean() < here.bmi.mean() - 0.5
    one, other = (draw_chests(n=50, preset=preset, seed=0) for preset in CHEST_PRESETS)
    assert not {c.patient_id for c in one} & {c.patient_id for c in other}
    assert not {c.true_bmd for c in one} & {c.true_bmd for c in other}


def test_the_same_seed_draws_the_same_people():
    assert draw_chests(n=9, preset="chest", seed=2) == draw_chests(n=9, preset="chest", seed=2)
    assert draw_chests(n=9, preset="chest", seed=2) != draw_chests(n=9, preset="chest", seed=3)


@pytest.mark.parametrize(
    "change, words",
    [({"n": 0}, "at least 1"), ({"seed": -1}, "0 or more"), ({"preset": "lung"}, "chest, chest_external")],
)
def test_impossible_people_are_refused(change, words):
    with pytest.raises(SimulationError, match=words):
        draw_chests(**({"n": 3, "preset": "chest", "seed": 0} | change))
