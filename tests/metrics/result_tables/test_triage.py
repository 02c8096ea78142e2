import numpy as np
import pytest

from tests.metrics.tables import made_up_table
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.bone.tscore import density_at
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.crossfit import FittingRows
from xattn_bmd.metrics.tables.triage import CARRIED_OVER, TRIAGE_COLUMNS, triage_table
from xattn_bmd.metrics.triage import TRIAGE_METRICS, TriageCuts, fit_triage

LUNAR = get_reference("lunar_femoral_neck_white_female")
EDGE = float(density_at(-1.0, reference=LUNAR))


def values(result, *, model="xattn", threshold=-1.0, column="value"):
    rows = result[(result["model"] == model) & (result["threshold"] == threshold)]
    return dict(zip(rows["metric"], rows[column], strict=True))


def test_layout_and_intervals():
    result = triage_table(made_up_table(patients=150, models=("xattn", "ridge")), LUNAR, replicates=200)
    assert tuple(result.columns) == TRIAGE_COLUMNS
    assert len(result) == 2 * 2 * len(TRIAGE_METRICS)
    assert set(result["fitted_on"]) == {"other folds"}
    assert set(result["wanted"]) == {0.95} and set(result["n"]) == {150}
    found = values(result)
    assert found["decided"] == pytest.approx(found["rule_in"] + found["rule_out"])
    assert 0 < found["rule_in"] < 1
    inside = result.dropna(subset=["low"])
    assert (inside["low"] <= inside["value"]).all() and (inside["value"] <= inside["high"]).all()
    assert (result[result["low"].isna()]["reason"] != "").all()


def test_each_fold_is_decided_by_cuts_from_the_other_folds():
    table = made_up_table(patients=100, models=("xattn",))
    decided = []
    for fold in range(5):
        here, others = table[table["fold"] == fold], table[table["fold"] != fold]
        rows = FittingRows(others["target"].to_numpy(), others["prediction"].to_numpy())
        cuts = fit_triage(rows, reference=LUNAR, threshold=-1.0, wanted=0.8)
        into = here["prediction"] <= (-np.inf if cuts.rule_in is None else cuts.rule_in)
        out = here["prediction"] >= (np.inf if cuts.rule_out is None else cuts.rule_out)
        decided += list(zip(into, out, here["target"] < EDGE, strict=True))
    into, out, low = np.array(decided).T
    found = values(triage_table(table, LUNAR, wanted=0.8, replicates=20))
    assert found["rule_in"] == pytest.approx(into.mean()) and found["rule_out"] == pytest.approx(out.mean())
    assert found["ppv"] == pytest.approx(low[into].mean()) and found["npv"] == pytest.approx((~low[out]).mean())


def test_the_scored_rows_do_not_move_their_own_cuts():
    table = made_up_table(patients=60, models=("xattn",), folds=2)
    scored = table["fold"] == 0
    inner = table[~scored]
    rows = FittingRows(inner["target"].to_numpy(), inner["prediction"].to_numpy())
    calibration = {("xattn", 0, 0): rows, ("xattn", 0, 1): rows}
    before = triage_table(table, LUNAR, calibration=calibration, wanted=0.7, replicates=20)
    assert set(before["fitted_on"]) == {"inner validation part"}
    table.loc[scored, "target"] = 1.8 - table.loc[scored, "target"]
    after = triage_table(table, LUNAR, calibration=calibration, wanted=0.7, replicates=20)
    assert values(before)["decided"] == values(after)["decided"] > 0
    assert values(before)["ppv"] != values(after)["ppv"]


def test_repeats_are_averaged_and_radiographs_stay_with_their_patient():
    table = made_up_table(patients=40, per_patient=2, repeats=3, models=("xattn",))
    found = values(triage_table(table, LUNAR, wanted=0.8, replicates=50))
    each = [
        values(triage_table(table[table["repeat"] == repeat], LUNAR, wanted=0.8, replicates=50)) for repeat in range(3)
    ]
    assert found["decided"] == pytest.approx(np.mean([one["decided"] for one in each]))
    assert found["rule_in"] == pytest.approx(np.mean([one["rule_in"] for one in each]))


def test_never_reached_decides_nobody_and_says_so():
    table = made_up_table(patients=40, models=("xattn",))
    table["prediction"] = 0.9
    result = triage_table(table, LUNAR, replicates=50)
    found, reasons = values(result), values(result, column="reason")
    assert found["decided"] == found["rule_in"] == found["rule_out"] == 0
    assert np.isnan([found["ppv"], found["npv"]]).all()
    assert reasons["ppv"] == "nobody is ruled in" and reasons["npv"] == "nobody is ruled out"
    assert "no cut-off reached the wanted PPV in 5 of 5 fits" in reasons["rule_in"]
    assert np.isnan(list(values(result, column="low").values())).all()


def test_certainty_from_a_few_has_no_interval():
    table = made_up_table(patients=40, models=("xattn",))
    table["prediction"] = table["target"]
    result = triage_table(table, LUNAR, wanted=1.0, replicates=50)
    assert values(result)["ppv"] == 1
    assert np.isnan(values(result, column="low")["ppv"])
    assert "the same in every bootstrap replicate" in values(result, column="reason")["ppv"]


def test_a_single_fold_has_nothing_to_fit_on_but_carries_cuts():
    table = made_up_table(patients=50, models=("xattn",), folds=1)
    empty = triage_table(table, LUNAR)
    assert empty.empty and tuple(empty.columns) == TRIAGE_COLUMNS
    cuts = {("xattn", -1.0): TriageCuts(0.85, 0.95), ("xattn", -2.5): TriageCuts(None, 0.8)}
    result = triage_table(table, LUNAR, cuts=cuts, replicates=50)
    assert set(result["fitted_on"]) == {CARRIED_OVER}
    assert values(result)["rule_in"] == pytest.approx((table["prediction"] <= 0.85).mean())
    assert values(result, threshold=-2.5)["rule_out"] == pytest.approx((table["prediction"] >= 0.8).mean())
    assert "in 1 of 1 fits" in values(result, threshold=-2.5, column="reason")["rule_in"]
    with pytest.raises(MetricError, match=r"model xattn, T = -2.5 has none"):
        triage_table(table, LUNAR, cuts={("xattn", -1.0): TriageCuts(None, None)})


def test_a_single_patient_has_no_interval():
    table = made_up_table(patients=1, per_patient=6, models=("xattn",), folds=1)
    cuts = dict.fromkeys([("xattn", -1.0), ("xattn", -2.5)], TriageCuts(0.85, 0.95))
    result = triage_table(table, LUNAR, cuts=cuts)
    assert result["low"].isna().all()
    assert "single patient" in values(result, column="reason")["decided"]
