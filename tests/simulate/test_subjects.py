import dataclasses

import numpy as np
import pytest

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.person import DXA_CV
from xattn_bmd.simulate.subjects import draw_hips


@pytest.fixture(scope="module")
def many():
    return draw_hips(n=4000, preset="hcs", seed=1)


def test_hcs_density_has_the_published_marginals(many):
    density = np.array([hip.fn_bmd for hip in many])
    assert density.mean() == pytest.approx(0.880, abs=0.012)
    assert density.std() == pytest.approx(0.147, abs=0.012)
    assert np.mean(density < 0.899) == pytest.approx(0.56, abs=0.04)


@pytest.mark.parametrize("sex, mean, sd", [("female", 0.812, 0.120), ("male", 0.945, 0.140)])
def test_hcs_density_by_sex(many, sex, mean, sd):
    density = np.array([hip.fn_bmd for hip in many if hip.sex == sex])
    assert density.mean() == pytest.approx(mean, abs=0.012)
    assert density.std() == pytest.approx(sd, abs=0.012)


def test_hcs_of_233_has_its_size_ages_and_share_of_women():
    hips = draw_hips(n=233, preset="hcs", seed=0)
    patients = {hip.patient: hip for hip in hips}
    ages = [hip.age_xray for hip in hips]
    assert len(hips) == 233
    assert np.mean([hip.sex == "female" for hip in patients.values()]) == pytest.approx(0.489, abs=0.003)
    assert min(ages) >= 71.6 and max(hip.age_dxa for hip in hips) <= 80.6
    assert all(0 < hip.age_dxa - hip.age_xray < 0.3 for hip in hips)


def test_screening_ages_span_50_to_85():
    ages = [hip.age_xray for hip in draw_hips(n=2000, preset="screening", seed=0)]
    assert 50 <= min(ages) < 51 and 83 < max(ages) <= 85


def test_the_external_hospitals_see_other_people_than_the_development_ones():
    seen = {
        name: draw_hips(n=1500, preset=name, seed=0)
        for name in ("screening", "external_c", "external_d", "pretraining")
    }
    age, bmi = (
        {name: np.mean([getattr(h, item) for h in hips]) for name, hips in seen.items()} for item in ("age_xray", "bmi")
    )
    assert age["external_d"] < age["screening"] < age["external_c"]
    assert bmi["external_d"] < bmi["screening"] < bmi["external_c"]
    sites = {name: {hip.site for hip in hips} for name, hips in seen.items()}
    assert sites["screening"] == {"site_a", "site_b"} and sites["external_c"] == {"site_c"}
    assert sites["external_d"] == {"site_d"} and sites["pretraining"] == {"varied"}
    femora = {name: {hip.femora for hip in hips} for name, hips in seen.items()}
    assert femora.pop("pretraining") == {"pretraining"}
    assert all(kind == {"benchmark"} for kind in femora.values())


def test_about_eight_percent_of_patients_give_two_hips_which_share_the_person(many):
    by_patient: dict[int, list] = {}
    for hip in many:
        by_patient.setdefault(hip.patient, []).append(hip)
    pairs = [hips for hips in by_patient.values() if len(hips) == 2]
    assert 0.07 < len(pairs) / len(by_patient) < 0.09
    for left, right in pairs:
        assert (left.side, right.side) == ("L", "R")
        assert (left.height, left.age_xray, left.site, left.sex) == (
            right.height,
            right.age_xray,
            right.site,
            right.sex,
        )
        assert left.radiograph_id != right.radiograph_id and left.patient_id == right.patient_id
    first, second = np.array([[a.true_bmd, b.true_bmd] for a, b in pairs]).T
    assert 0.9 < np.corrcoef(first, second)[0, 1] < 0.999


def test_body_mass_index_is_computed(many):
    for hip in many[:200]:
        assert hip.bmi == pytest.approx(hip.weight / (hip.height / 100) ** 2, abs=0.006)


def test_label_carries_the_precision_error_of_a_scan(many):
    relative = np.array([hip.fn_bmd / hip.true_bmd - 1 for hip in many])
    assert relative.mean() == pytest.approx(0, abs=0.002)
    assert relative.std() == pytest.approx(DXA_CV["lunar"], rel=0.06)


def test_weight_and_density_go_together_within_each_sex(many):
    for sex in ("female", "male"):
        pairs = np.array([[hip.weight, hip.true_bmd] for hip in many if hip.sex == sex]).T
        assert 0.2 < np.corrcoef(pairs)[0, 1] < 0.5


def test_clinical_variables_explain_as_much_as_in_real_cohorts():
    hips = draw_hips(n=4000, preset="screening", seed=2)
    design = np.array(
        [[hip.age_xray, hip.height, hip.weight, hip.bmi, hip.sex == "female", 1.0] for hip in hips], float
    )
    density = np.array([hip.fn_bmd for hip in hips])
    fitted = design @ np.linalg.lstsq(design, density, rcond=None)[0]
    assert 0.22 < 1 - np.var(density - fitted) / density.var() < 0.35


def test_a_few_answers_are_missing(many):
    for name in ("smoking", "alcohol", "activity", "diet"):
        assert 0.005 < np.mean([getattr(hip, name) is None for hip in many]) < 0.06


def test_same_seed_same_people_other_seed_other_people():
    first = draw_hips(n=30, preset="hcs", seed=5)
    assert first == draw_hips(n=30, preset="hcs", seed=5)
    assert first != draw_hips(n=30, preset="hcs", seed=6)


@pytest.mark.parametrize("n", [1, 2, 3, 13, 14])
def test_small_cohorts_have_exactly_n_hips(n):
    assert [hip.index for hip in draw_hips(n=n, preset="hcs", seed=0)] == list(range(n))


@pytest.mark.parametrize(
    "fault, words", [({"n": 0}, "at least 1"), ({"preset": "lunar"}, "hcs, screening"), ({"seed": -1}, "0 or more")]
)
def test_impossible_settings_are_refused(fault, words):
    with pytest.raises(SimulationError, match=words):
        draw_hips(**({"n": 3, "preset": "hcs", "seed": 0} | fault))


@pytest.mark.parametrize(
    "field, value", [("true_bmd", 0.0), ("true_bmd", -0.1), ("fn_bmd", float("nan")), ("height", 0.0)]
)
def test_impossible_person_is_refused(field, value):
    hip = draw_hips(n=1, preset="hcs", seed=0)[0]
    with pytest.raises(SimulationError, match=field):
        dataclasses.replace(hip, **{field: value})
