import numpy as np
import pandas as pd
import pytest

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.groups import AGE_BANDS, BMI_BANDS, groups_from_record

RECORD = pd.DataFrame(
    {
        "radiograph_id": ["c", "a", "b", "d"],
        "Sex": ["female", "male", None, "male"],
        "age_xray": [64.9, 65.0, 85.0, np.nan],
        "height": [170.0, 160.0, 150.0, 180.0],
        "weight": [50.0, 64.1, 70.0, 97.3],
        "site": ["x", "x", "y", ""],
        "smoking": ["never", "former", "never", "current"],
    }
)


def test_groups_follow_the_ids_not_the_rows():
    groups = groups_from_record(RECORD, ["a", "b", "c", "d", "no such id"])
    assert groups["Sex"].tolist() == ["male", "", "female", "male", ""]
    assert groups["age"].tolist() == ["65 to 74", "85 and over", "under 65", "", ""]
    assert groups["site"].tolist() == ["x", "y", "x", "", ""]
    assert set(groups) == {"Sex", "age", "bmi", "site"}


@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_body_mass_index_from_height_in_cm_or_m(scale):
    groups = groups_from_record(RECORD.assign(height=RECORD["height"] * scale), list("abcd"))
    assert groups["bmi"].tolist() == ["25 to 29.9", "30 and over", "under 18.5", "30 and over"]
    given = groups_from_record(RECORD.assign(bmi=[18.5, 24.9, 25.0, np.nan]), list("cabd"))
    assert given["bmi"].tolist() == [BMI_BANDS[1], BMI_BANDS[1], BMI_BANDS[2], ""]


def test_named_variables_only():
    groups = groups_from_record(RECORD, list("abcd"), variables=["smoking", "weight", "age_xray"])
    assert groups["smoking"].tolist() == ["former", "never", "never", "current"]
    assert groups["weight"].tolist() == ["middle third", "highest third", "lowest third", "highest third"]
    assert groups["age_xray"].tolist() == [AGE_BANDS[1], AGE_BANDS[3], AGE_BANDS[0], ""]


def test_a_column_of_ids_is_no_group():
    many = pd.DataFrame({"radiograph_id": [f"r{i}" for i in range(40)], "site": [f"s{i}" for i in range(40)]})
    assert groups_from_record(many, many["radiograph_id"]) == {}


def test_refused():
    with pytest.raises(MetricError, match=r"lacks|radiograph_id is not among"):
        groups_from_record(RECORD.drop(columns="radiograph_id"), ["a"])
    with pytest.raises(MetricError, match=r"one row per radiograph, but c"):
        groups_from_record(pd.concat([RECORD, RECORD.iloc[:1]]), ["a"])
    with pytest.raises(MetricError, match=r"income is not among"):
        groups_from_record(RECORD, ["a"], variables=["income"])
