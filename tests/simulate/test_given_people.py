import numpy as np
import pandas as pd
import pytest

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.given_people import given_hips

PERSON = {"sex": "female", "age": 70.0, "height": 160.0, "weight": 65.0, "fn_bmd": 0.8}


def people(count=3, **changed):
    return pd.DataFrame([PERSON | changed for _ in range(count)])


def test_each_row_becomes_one_hip_in_order():
    table = people().assign(fn_bmd=[0.7, 0.8, 0.9], age=[60, 70, 80], patient_id=["x", "y", "x"])
    hips = given_hips(table, seed=3, scale="lunar")
    assert [hip.true_bmd for hip in hips] == [0.7, 0.8, 0.9]
    assert [hip.age_xray for hip in hips] == [60, 70, 80] == [hip.age_dxa for hip in hips]
    assert [hip.patient_id for hip in hips] == ["P3-00001", "P3-00002", "P3-00001"]
    assert [hip.radiograph_id for hip in hips] == ["H3-00001", "H3-00002", "H3-00003"]
    assert hips[0].bmi == 25.39 and hips[0].femora == "benchmark"


def test_rows_without_a_patient_are_each_a_person():
    assert len({hip.patient for hip in given_hips(people(5), seed=0, scale="lunar")}) == 5


def test_what_the_table_says_is_kept_and_the_rest_is_drawn():
    table = people(40, side="R", site="site_c", smoking="former", alcohol=3.5, activity=None, diet=2)
    hips = given_hips(table, seed=0, scale="lunar")
    assert {(h.side, h.site, h.smoking, h.alcohol, h.activity, h.diet) for h in hips} == {
        ("R", "site_c", "former", 3.5, None, 2.0)
    }
    drawn = given_hips(people(40), seed=0, scale="lunar")
    assert {hip.side for hip in drawn} == {"L", "R"} and {hip.site for hip in drawn} == {"site_a", "site_b"}
    assert {hip.smoking for hip in drawn} == {None}


@pytest.mark.parametrize("scale, cv", [("lunar", 0.0197), ("hologic", 0.0150)])
def test_the_label_is_on_the_scale_of_the_table_with_that_device_s_error(scale, cv):
    hips = given_hips(people(3000), seed=0, scale=scale)
    relative = np.array([hip.fn_bmd for hip in hips]) / 0.8 - 1
    assert relative.std() == pytest.approx(cv, rel=0.05) and abs(relative.mean()) < 0.001
    wanted = 0.8 if scale == "lunar" else 1.1576 * 0.8 + 0.0447
    assert hips[0].true_bmd == pytest.approx(wanted, abs=2e-4)


def test_a_table_is_read_from_a_file(tmp_path):
    people().to_csv(tmp_path / "people.csv", index=False)
    assert given_hips(tmp_path / "people.csv", seed=0, scale="lunar") == given_hips(people(), seed=0, scale="lunar")


@pytest.mark.parametrize(
    "fault, words",
    [
        ({"fn_bmd": None}, "fn_bmd None is not between 0.2 and 2"),
        ({"fn_bmd": 8.0}, "fn_bmd 8.0 is not"),
        ({"weight": 240.0, "height": 130.0}, "body mass index 142.0 is not between 12 and 75"),
        ({"height": 1.6}, "height 1.6 is not between 120 and 215"),
        ({"weight": "heavy"}, "weight heavy is not"),
        ({"age": float("inf")}, "age inf is not"),
        ({"sex": "x"}, "sex x is not female or male"),
        ({"side": "left-ish"}, "side left-ish is not one of L, R"),
        ({"site": "St Elsewhere"}, "site St Elsewhere is not one of site_a"),
    ],
)
def test_impossible_people_are_listed_by_row(fault, words):
    table = pd.DataFrame([PERSON, PERSON | fault])
    with pytest.raises(SimulationError, match=f"row 2: {words}"):
        given_hips(table, seed=0, scale="lunar")


def test_many_faults_are_counted():
    with pytest.raises(SimulationError, match=r"8 value\(s\).*row 5.*and 3 more"):
        given_hips(people(8, fn_bmd=0.0), seed=0, scale="lunar")


@pytest.mark.parametrize("column", ["sex", "height", "weight", "fn_bmd", "age"])
def test_a_missing_column_is_named(column):
    with pytest.raises(SimulationError, match=f"but {column} is missing"):
        given_hips(people().drop(columns=column), seed=0, scale="lunar")


def test_a_table_without_people_or_that_is_no_table_is_refused(tmp_path):
    with pytest.raises(SimulationError, match="at least 1 row"):
        given_hips(people().iloc[:0], seed=0, scale="lunar")
    with pytest.raises(SimulationError, match="cannot be read"):
        given_hips(tmp_path / "absent.csv", seed=0, scale="lunar")
    with pytest.raises(SimulationError, match="lunar or hologic, but scale is 'norland'"):
        given_hips(people(), seed=0, scale="norland")
