import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.metrics.tables import made_up_table
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.bone.tscore import density_at
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.crossfit import FittingRows
from xattn_bmd.metrics.intervals import patient_draws
from xattn_bmd.metrics.predictions import prediction_grid
from xattn_bmd.metrics.triage import SUPPORT, TriageCuts, apply_triage, fit_triage, pooled_triage

LUNAR = get_reference("lunar_femoral_neck_white_female")
EDGE = float(density_at(-1.0, reference=LUNAR))


def rows_of(labels, prediction):
    """Fitting rows whose targets are low (True) or not."""
    return FittingRows(np.where(labels, 0.7, 1.1), np.array(prediction, dtype=float))


def fitted(rows, *, wanted=0.95):
    return fit_triage(rows, reference=LUNAR, threshold=-1.0, wanted=wanted)


def brute_force(rows, wanted):
    """Try every predicted value as a cut-off."""
    low, prediction = rows.target < EDGE, rows.prediction
    fits = [
        value
        for value in prediction
        if (called := prediction <= value).sum() >= SUPPORT and low[called].mean() >= wanted - 1e-9
    ]
    rule_in = max(fits, default=None)
    fits = [
        value
        for value in prediction
        if (called := prediction >= value).sum() >= SUPPORT
        and (~low[called]).mean() >= wanted - 1e-9
        and (rule_in is None or value > rule_in)
    ]
    return TriageCuts(rule_in, min(fits, default=None))


@given(
    cells=st.lists(st.tuples(st.booleans(), st.integers(0, 12)), min_size=1, max_size=60),
    wanted=st.sampled_from([0.6, 0.8, 0.95, 1.0]),
)
@settings(deadline=None, max_examples=150)
def test_cuts_are_the_widest_that_hold(cells, wanted):
    rows = rows_of([c[0] for c in cells], [0.6 + c[1] / 20 for c in cells])
    cuts = fitted(rows, wanted=wanted)
    assert cuts == brute_force(rows, wanted)
    ruled_in, ruled_out = apply_triage(rows.prediction, cuts)
    assert not (ruled_in & ruled_out).any()
    for decided, right in ((ruled_in, rows.target < EDGE), (ruled_out, rows.target >= EDGE)):
        assert decided.sum() == 0 or (decided.sum() >= SUPPORT and right[decided].mean() >= wanted - 1e-9)


@given(seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=30)
def test_wanting_more_rules_in_no_more(seed):
    rng = np.random.default_rng(seed)
    rows = rows_of(rng.random(60) < 0.7, rng.normal(0.9, 0.1, 60))
    cuts = [fitted(rows, wanted=wanted).rule_in for wanted in (0.5, 0.7, 0.9)]
    cuts = [-math.inf if cut is None else cut for cut in cuts]
    assert cuts == sorted(cuts, reverse=True)


def test_just_the_wanted_share_is_enough():
    assert 0.56 * 25 > 14  # in floats
    rows = rows_of([False] * 4 + [True] * 14 + [False] * 7, [0.8] * 25)
    assert fitted(rows, wanted=0.56).rule_in == 0.8


def test_a_cut_needs_support():
    labels, prediction = [True] * 4 + [False, True] * 20, np.arange(44) / 100 + 0.6
    assert fitted(rows_of(labels, prediction)).rule_in is None
    assert fitted(rows_of([True, *labels], [0.5, *prediction])).rule_in == pytest.approx(0.63)


def test_equal_predictions_are_decided_together():
    # 5 of 5 are low below 0.8, but at 0.8 lie 1 low and 3 others.
    rows = rows_of([True] * 6 + [False] * 3, [0.7] * 5 + [0.8] * 4)
    assert fitted(rows).rule_in == 0.7
    rows = rows_of([True] * 6 + [False] * 3, [0.8] * 9)
    assert fitted(rows) == TriageCuts(None, None)


def test_a_later_recovery_counts():
    # PPV dips to 5/6 at the sixth radiograph and is back at 19/20 at the twentieth.
    labels = [True] * 5 + [False] + [True] * 14 + [False] * 10
    assert fitted(rows_of(labels, np.arange(30) / 100 + 0.6)).rule_in == pytest.approx(0.79)


@pytest.mark.parametrize(("label", "cuts"), [(True, TriageCuts(1.0, None)), (False, TriageCuts(None, 0.9))])
def test_one_class_decides_everyone(label, cuts):
    assert fitted(rows_of([label] * 6, [0.9, 0.92, 0.94, 0.96, 0.98, 1.0])) == cuts


def test_no_rows_decide_nobody():
    cuts = fitted(FittingRows(np.empty(0), np.empty(0)))
    assert cuts == TriageCuts(None, None)
    assert not np.any(apply_triage([0.1, 2.0], cuts))


def test_cuts_include_their_own_density_and_survive_json():
    cuts = fitted(rows_of([True] * 6 + [False] * 6, np.linspace(0.7, 1.0, 12) / 3))
    again = TriageCuts.from_dict(json.loads(json.dumps(cuts.to_dict())))
    assert again == cuts
    assert apply_triage([again.rule_in, again.rule_out, math.nan], again).ruled_in.tolist() == [True, False, False]
    assert apply_triage([again.rule_in, again.rule_out, math.nan], again).ruled_out.tolist() == [False, True, False]
    nobody = TriageCuts(None, None)
    assert TriageCuts.from_dict(json.loads(json.dumps(nobody.to_dict()))) == nobody


def test_pooled_shares_by_brute_force():
    grid = prediction_grid(made_up_table(patients=25, per_patient=2, repeats=2))
    draws = patient_draws(25, replicates=40)
    triage = apply_triage(grid.predictions["xattn"], TriageCuts(0.85, 0.95))
    pooled = pooled_triage(grid, triage=triage, draws=draws, reference=LUNAR, threshold=-1.0)
    for at, counts in enumerate(draws.weights[1:41]):
        rows = np.repeat(np.arange(50), counts[grid.patients])
        into, out, low = triage.ruled_in[:, rows], triage.ruled_out[:, rows], (grid.target < EDGE)[rows]
        expected = {
            "decided": (into | out).mean(),
            "rule_in": into.mean(),
            "rule_out": out.mean(),
            "ppv": (into & low).sum() / into.sum(),
            "npv": (out & ~low).sum() / out.sum(),
        }
        assert {metric: pooled[metric].replicates[at] for metric in expected} == pytest.approx(expected)


def test_nobody_decided_has_no_predictive_values():
    grid = prediction_grid(made_up_table(patients=3, folds=3))
    pooled = pooled_triage(
        grid,
        triage=apply_triage(grid.predictions["xattn"], TriageCuts(None, None)),
        draws=patient_draws(3, replicates=20),
        reference=LUNAR,
        threshold=-1.0,
    )
    assert pooled["decided"].value == 0
    assert math.isnan(pooled["ppv"].value) and math.isnan(pooled["npv"].value)


def test_refused():
    with pytest.raises(MetricError, match=r"rule-out above rule-in.*0.9 and rule_out 0.9"):
        TriageCuts(0.9, 0.9)
    with pytest.raises(MetricError, match=r"finite"):
        TriageCuts(-math.inf, None)
    with pytest.raises(MetricError, match=r"keys rule_in and rule_out, but rule_in was found"):
        TriageCuts.from_dict({"rule_in": 0.8})
    with pytest.raises(MetricError, match=r"0-1.*95"):
        fitted(rows_of([True], [0.8]), wanted=95)
    with pytest.raises(MetricError, match=r"pairs of finite densities"):
        fitted(FittingRows(np.array([0.8]), np.array([0.8, 0.9])))
    with pytest.raises(MetricError, match=r"pairs of finite densities"):
        fitted(FittingRows(np.array([0.8]), np.array([math.nan])))
