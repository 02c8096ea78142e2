import numpy as np
import pytest

from tests.metrics.tables import made_up_table
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.bone.tscore import density_at
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.crossfit import FittingRows
from xattn_bmd.metrics.predictions import prediction_grid
from xattn_bmd.metrics.risk import Risk, risk
from xattn_bmd.metrics.tables import decision_curve
from xattn_bmd.metrics.tables.decision_curve import DECISION_CURVE_COLUMNS, TREAT_ALL, TREAT_NONE, decision_curve_table
from xattn_bmd.metrics.utility import PROBABILITIES, net_benefit

LUNAR = get_reference("lunar_femoral_neck_white_female")
EDGE = float(density_at(-1.0, reference=LUNAR))


def curve(result, model, *, threshold=-1.0):
    return result[(result["model"] == model) & (result["threshold"] == threshold)]


def test_layout_and_values():
    table = made_up_table(patients=120, models=("xattn", "ridge"))
    result = decision_curve_table(table, LUNAR, replicates=100)
    assert tuple(result.columns) == DECISION_CURVE_COLUMNS
    assert list(dict.fromkeys(result["model"])) == ["xattn", "ridge", TREAT_ALL, TREAT_NONE]
    assert len(result) == 4 * 2 * len(PROBABILITIES)
    assert set(curve(result, "xattn")["fitted_on"]) == {"other folds"}
    assert set(curve(result, TREAT_ALL)["fitted_on"]) == {""}
    grid = prediction_grid(table)
    fitted = risk(grid, model="xattn", reference=LUNAR, threshold=-1.0)
    low = grid.target < EDGE
    assert curve(result, "xattn")["net_benefit"].tolist() == pytest.approx(net_benefit(low, fitted.probability[0]))
    odds = np.array(PROBABILITIES) / (1 - np.array(PROBABILITIES))
    assert curve(result, TREAT_ALL)["net_benefit"].tolist() == pytest.approx(low.mean() - (1 - low.mean()) * odds)
    assert (curve(result, TREAT_NONE)[["net_benefit", "low", "high"]] == 0).all(axis=None)
    modelled = result[result["model"] == "xattn"]
    assert ((modelled["low"] <= modelled["net_benefit"]) & (modelled["net_benefit"] <= modelled["high"])).mean() > 0.95


def test_a_model_that_knows_beats_acting_on_everyone():
    table = made_up_table(patients=200, models=("xattn", "ridge"))
    known = table["model"] == "xattn"
    table.loc[known, "prediction"] = table.loc[known, "target"] + np.random.default_rng(0).normal(0, 0.01, known.sum())
    table.loc[~known, "prediction"] = np.random.default_rng(1).normal(0.88, 0.1, (~known).sum())
    result = decision_curve_table(table, LUNAR, probabilities=[0.2, 0.5], replicates=50)
    best, noise, everyone = (curve(result, model)["net_benefit"].to_numpy() for model in ("xattn", "ridge", TREAT_ALL))
    assert (best > everyone + 0.02).all()
    assert (noise < everyone + 0.05).all()
    assert result["probability"].unique().tolist() == [0.2, 0.5]


def test_nothing_to_fit_on_gives_an_empty_table():
    empty = decision_curve_table(made_up_table(patients=30, models=("xattn",), folds=1), LUNAR, replicates=20)
    assert empty.empty and tuple(empty.columns) == DECISION_CURVE_COLUMNS


def test_a_model_without_a_risk_is_left_out_with_a_reason(monkeypatch):
    def partial_risk(grid, *, model, reference, threshold, calibration=None):
        share = np.full(grid.folds.shape, 0.3)
        share[0, 0] = np.nan if model == "ridge" else 0.3
        return Risk(share, "other folds")

    monkeypatch.setattr(decision_curve, "risk", partial_risk)
    table = made_up_table(patients=30, models=("xattn", "ridge"))
    result = decision_curve_table(table, LUNAR, probabilities=[0.1, 0.2], replicates=20)
    left_out = curve(result, "ridge")
    assert len(left_out) == 1 and left_out[["probability", "net_benefit", "low", "high"]].isna().all(axis=None)
    assert left_out["reason"].item().startswith("left out")
    assert (curve(result, "xattn")["reason"] == "").all() and len(curve(result, "xattn")) == 2


def test_probabilities_are_checked():
    with pytest.raises(MetricError, match=r"above 0 and below 1"):
        decision_curve_table(made_up_table(models=("xattn",)), LUNAR, probabilities=[0.0, 0.5], replicates=20)


def test_the_risk_is_fitted_on_the_inner_part_where_the_run_kept_it():
    table = made_up_table(patients=60, models=("xattn",), folds=2)
    inner = table[table["fold"] == 1]
    rows = FittingRows(inner["target"].to_numpy() + 0.05, inner["prediction"].to_numpy())
    calibration = {("xattn", 0, 0): rows, ("xattn", 0, 1): rows}
    result = decision_curve_table(table, LUNAR, calibration=calibration, replicates=20)
    assert set(curve(result, "xattn")["fitted_on"]) == {"inner validation part"}
    fallback = decision_curve_table(table, LUNAR, replicates=20)
    assert curve(result, "xattn")["net_benefit"].tolist() != curve(fallback, "xattn")["net_benefit"].tolist()
