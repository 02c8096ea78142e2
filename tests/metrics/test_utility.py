import numpy as np
import pandas as pd
import pytest
from dcurves import dca
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.metrics.tables import made_up_table
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.intervals import patient_draws
from xattn_bmd.metrics.predictions import prediction_grid
from xattn_bmd.metrics.screening import low_density
from xattn_bmd.metrics.utility import PROBABILITIES, net_benefit, pooled_net_benefit

LUNAR = get_reference("lunar_femoral_neck_white_female")


@pytest.mark.parametrize("decimals", [1, 2, 6])
def test_dcurves_agrees(decimals):
    rng = np.random.default_rng(decimals)
    low = rng.random(150) < 0.4
    risk = np.clip(0.4 + 0.3 * (low - 0.4) + rng.normal(0, 0.2, 150), 0, 1).round(decimals)
    result = dca(
        data=pd.DataFrame({"low": low.astype(int), "risk": risk}),
        outcome="low",
        modelnames=["risk"],
        thresholds=list(PROBABILITIES),
    )
    for model, given_risk in (("risk", risk), ("all", np.ones(150)), ("none", np.zeros(150))):
        expected = result[result["model"] == model].sort_values("threshold")["net_benefit"]
        assert net_benefit(low, given_risk) == pytest.approx(expected.to_numpy(), abs=1e-12)


@given(
    cells=st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0])), min_size=1, max_size=30)
)
@settings(deadline=None, max_examples=60)
def test_bounds_and_definition(cells):
    low, risk = np.array([c[0] for c in cells]), np.array([c[1] for c in cells])
    places = np.array([0.1, 0.25, 0.6])
    benefit = net_benefit(low, risk, probabilities=places)
    for p, value in zip(places, benefit, strict=True):
        treated = [(r >= p, is_low) for is_low, r in cells]
        tp, fp = treated.count((True, True)), treated.count((True, False))
        assert value == pytest.approx(tp / len(cells) - fp / len(cells) * p / (1 - p))
    assert (benefit <= low.mean() + 1e-12).all()
    assert net_benefit(low, low.astype(float), probabilities=places) == pytest.approx(low.mean())


def test_the_range_is_stated_beforehand():
    assert (PROBABILITIES[0], PROBABILITIES[-1], len(PROBABILITIES)) == (0.05, 0.5, 46)


def test_pooled_is_the_mean_over_repeats_under_every_draw():
    grid = prediction_grid(made_up_table(patients=20, per_patient=2, repeats=2))
    draws = patient_draws(20, replicates=30)
    risk = np.random.default_rng(0).random((2, 40))
    low = low_density(grid.target, reference=LUNAR, threshold=-1.0)
    pooled = pooled_net_benefit(grid, risk=risk, draws=draws, reference=LUNAR, threshold=-1.0, probabilities=[0.2, 0.4])
    assert len(pooled) == 2

    def expected(counts):
        rows = np.repeat(np.arange(40), counts[grid.patients])
        return np.mean([net_benefit(low[rows], each[rows], probabilities=[0.4]) for each in risk])

    assert pooled[1].value == pytest.approx(expected(draws.weights[0]))
    assert pooled[1].replicates == pytest.approx([expected(counts) for counts in draws.weights[1:31]])
    assert pooled[1].left_out == pytest.approx([expected(counts) for counts in draws.weights[31:]])


def test_refused():
    with pytest.raises(MetricError, match=r"same shape"):
        net_benefit([True, False], [0.5])
    with pytest.raises(MetricError, match=r"Risks lie in 0-1"):
        net_benefit([True, False], [0.5, np.nan])
    for probability in (0.0, 1.0, np.nan):
        with pytest.raises(MetricError, match=r"above 0 and below 1"):
            net_benefit([True], [0.5], probabilities=[probability])
