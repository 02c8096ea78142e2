import numpy as np
import pandas as pd
import pytest

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.assets import load_arrays
from xattn_bmd.simulate.spine.fractures import BANDS, FRESH_GRADES, draw_findings, fitted_shares
from xattn_bmd.simulate.spine.people import draw_spines
from xattn_bmd.simulate.spine.person import LEVELS
from xattn_bmd.simulate.spine.presets import SPINE_PRESETS


@pytest.fixture(scope="module")
def drawn():
    return {preset: draw_spines(n=1500, preset=preset, seed=5) for preset in SPINE_PRESETS}


def findings(spines):
    rows = [
        {"patient": spine.patient, "level": level} | vars(finding)
        for spine in spines
        for level, finding in zip(LEVELS, spine.findings, strict=True)
    ]
    return pd.DataFrame(rows)


def test_most_vertebrae_are_normal_and_a_patient_has_three_fractures_at_most(drawn):
    lumbar = findings(drawn["spine"]).query("level not in ('T10', 'T11')")
    shares = lumbar.condition.value_counts(normalize=True)
    assert 0.70 < shares["normal"] < 0.82 and 0.07 < shares["old"] < 0.17 and 0.07 < shares["fresh"] < 0.15
    broken = findings(drawn["spine"]).query("condition != 'normal'").groupby("patient").size()
    assert broken.max() == 3 and 0.1 < 1 - len(broken) / 1500 < 0.4


def test_the_other_institution_sees_fewer_fractures_and_other_people(drawn):
    here, there = (findings(drawn[preset]).condition.value_counts(normalize=True) for preset in SPINE_PRESETS)
    assert there["fresh"] < 0.85 * here["fresh"] and there["old"] < 0.85 * here["old"]
    first, second = (pd.DataFrame([vars(s) for s in drawn[preset]]) for preset in SPINE_PRESETS)
    assert first.age_xray.mean() - second.age_xray.mean() > 3 and second.bmi.mean() > first.bmi.mean()
    assert (first.sex == "female").mean() - (second.sex == "female").mean() == pytest.approx(0.09, abs=0.01)


def test_grades_have_their_loss_and_overlap_with_normal(drawn):
    table = findings(drawn["spine"])
    for grade, part in table.query("condition != 'normal'").groupby("grade"):
        assert part.loss.between(*BANDS[grade]).all()
    assert (table.query("condition == 'old'").grade >= 1).all()
    assert (table.query("condition == 'normal'").grade == 0).all()
    fresh = table.query("condition == 'fresh'")
    np.testing.assert_allclose(fresh.grade.value_counts(normalize=True).sort_index(), FRESH_GRADES, atol=0.05)
    assert (table.query("condition != 'fresh'").signs == 0).all()
    assert 0.03 < (fresh.signs < 0.3).mean() < 0.25
    assert (table.query("condition == 'normal'").loss > 0.08).mean() == pytest.approx(0.05, abs=0.01)


def test_old_fractures_spread_as_in_the_survey(drawn):
    counts = load_arrays("spine.npz")["grade_counts"].astype(float)
    level, grade = fitted_shares()
    np.testing.assert_allclose(level[1:7] / level[1:7].sum(), counts[:, 2:].sum(axis=1) / counts[:, 2:].sum())
    old = findings(drawn["spine"]).query("condition == 'old'")
    np.testing.assert_allclose(old.grade.value_counts(normalize=True).sort_index(), grade, atol=0.05)
    at = findings(drawn["spine"]).query("condition != 'normal'").level.value_counts()
    assert at["T12"] > at["L3"] and at["L1"] > at["L4"] and "T10" not in at


def test_the_record_tells_something_of_fresh_fractures(drawn):
    table = pd.DataFrame([vars(s) | {"fresh": any(f.condition == "fresh" for f in s.findings)} for s in drawn["spine"]])
    by_fall, by_pain = table.groupby("recent_fall").fresh.mean(), table.groupby("fresh").back_pain.mean()
    assert by_fall["yes"] - by_fall["no"] > 0.2 and by_pain[True] - by_pain[False] > 0.8
    assert table.true_bmd.corr(table.fresh) < -0.05


def test_a_fracture_can_be_asked_for():
    found = draw_findings(np.random.default_rng(1), fresh=0.0, old=0.0)
    assert {finding.condition for finding in found} == {"normal"} and len(found) == len(LEVELS)


def test_the_same_seed_draws_the_same_people():
    assert draw_spines(n=9, preset="spine", seed=2) == draw_spines(n=9, preset="spine", seed=2)
    assert draw_spines(n=9, preset="spine", seed=2) != draw_spines(n=9, preset="spine", seed=3)
    assert [len(draw_spines(n=None, preset=preset, seed=0)) for preset in SPINE_PRESETS] == [523, 140]


@pytest.mark.parametrize(
    "change, words",
    [({"n": 0}, "at least 1"), ({"seed": -1}, "0 or more"), ({"preset": "neck"}, "spine, spine_external")],
)
def test_impossible_people_are_refused(change, words):
    with pytest.raises(SimulationError, match=words):
        draw_spines(**({"n": 3, "preset": "spine", "seed": 0} | change))


@pytest.mark.parametrize(
    "change, words", [({"weight": 0.0}, "positive weight"), ({"findings": ()}, "finding for each")]
)
def test_impossible_bodies_are_refused(change, words):
    from dataclasses import replace

    with pytest.raises(SimulationError, match=words):
        replace(draw_spines(n=1, preset="spine", seed=0)[0], **change)
