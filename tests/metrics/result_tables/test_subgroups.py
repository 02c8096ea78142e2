import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, recall_score

from tests.metrics.tables import MODELS, made_up_table
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.predictions import prediction_grid
from xattn_bmd.metrics.screening import low_density
from xattn_bmd.metrics.tables.subgroups import SUBGROUPS_COLUMNS, TOO_FEW, subgroups_table

LUNAR = get_reference("lunar_femoral_neck_white_female")
TABLE = made_up_table(patients=80, per_patient=2, repeats=2)
GRID = prediction_grid(TABLE)
SEX = np.where(GRID.patients % 3 == 0, "male", "female")
KEYS = ["model", "variable", "group", "metric"]


def scored(groups, table=TABLE):
    return subgroups_table(table, LUNAR, groups=groups, replicates=300)


def test_a_group_is_scored_as_if_it_were_alone():
    result = scored({"sex": SEX})
    assert tuple(result.columns) == SUBGROUPS_COLUMNS
    rows = result.set_index(KEYS)
    low = low_density(GRID.target, reference=LUNAR, threshold=-1.0)
    for model in MODELS:
        for group in ("female", "male"):
            inside = group == SEX
            repeats = GRID.predictions[model][:, inside]
            expected = np.mean([mean_absolute_error(GRID.target[inside], one) for one in repeats])
            mae = rows.loc[(model, "sex", group, "mae")]
            assert mae["value"] == pytest.approx(expected)
            assert mae["low"] < mae["value"] < mae["high"]
            assert mae["n"] == inside.sum()
            assert mae["patients"] == len(set(GRID.patients[inside]))
            called = low_density(repeats, reference=LUNAR, threshold=-1.0)
            for metric, label in (("sensitivity", True), ("specificity", False)):
                expected = np.mean([recall_score(low[inside], one, pos_label=label) for one in called])
                assert rows.loc[(model, "sex", group, metric), "value"] == pytest.approx(expected)


def test_bias_of_one_group_shows_there_and_only_there():
    shifted = TABLE.copy()
    males = GRID.radiographs[SEX == "male"]
    shifted.loc[shifted["radiograph_id"].isin(males), "prediction"] += 0.1
    before, after = (scored({"sex": SEX}, table).set_index(KEYS)["value"] for table in (TABLE, shifted))
    moved = (after - before).xs("bias", level="metric").xs("sex", level="variable")
    assert moved.xs("male", level="group").to_numpy() == pytest.approx(0.1)
    assert moved.xs("female", level="group").to_numpy() == pytest.approx(0.0)


def test_small_groups_are_named_not_scored():
    site = np.where(GRID.patients < 9, "tiny", "large")
    rows = scored({"site": site}).set_index(KEYS)
    assert rows.xs("tiny", level="group")["value"].isna().all()
    assert (rows.xs("tiny", level="group")["reason"] == TOO_FEW).all()
    assert rows.xs("large", level="group")["value"].notna().all()
    ten = np.where(GRID.patients < 10, "ten", "large")
    assert scored({"site": ten}).set_index(KEYS).xs("ten", level="group")["value"].notna().any()


def test_unknown_group_is_left_out_and_one_class_has_a_reason():
    healthy = TABLE.assign(target=TABLE["target"] + 1.0)
    result = scored({"sex": np.where(SEX == "male", "", SEX)}, healthy)
    assert set(result["group"]) == {"female"}
    row = result.set_index(KEYS).loc[("xattn", "sex", "female", "sensitivity")]
    assert np.isnan(row["value"])
    assert row["reason"] == "no radiograph is low"


def test_groups_of_another_length_are_refused():
    with pytest.raises(MetricError, match=r"sex has 3 for 160"):
        scored({"sex": np.array(["a", "b", "c"])})
