import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from tests.metrics.tables import made_up_table
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.curves import PLACES, cumulated, pooled_curves, precision_at, precision_recall, ranked, roc
from xattn_bmd.metrics.curves import sensitivity_at as sensitivities
from xattn_bmd.metrics.intervals import patient_draws, percentile_interval
from xattn_bmd.metrics.predictions import prediction_grid
from xattn_bmd.metrics.screening import low_density

LUNAR = get_reference("lunar_femoral_neck_white_female")


def sklearn_sensitivity(low, prediction, weights, rate):
    false_positive, true_positive, _ = oracle.roc_curve(
        low, -prediction, sample_weight=weights, drop_intermediate=False
    )
    reached = np.flatnonzero(false_positive <= rate + 1e-12)[-1]
    if reached == len(false_positive) - 1:
        return true_positive[-1]
    way = (rate - false_positive[reached]) / (false_positive[reached + 1] - false_positive[reached])
    return true_positive[reached] + way * (true_positive[reached + 1] - true_positive[reached])


def sklearn_precision(low, prediction, weights, recall):
    precisions, recalls, _ = oracle.precision_recall_curve(low, -prediction, sample_weight=weights)
    return precisions[np.flatnonzero(recalls >= recall - 1e-12)[-1]]


def scored(*, n=60, seed=0, decimals=2):
    """Radiographs with many equal predictions."""
    rng = np.random.default_rng(seed)
    target = rng.normal(0.88, 0.15, n)
    return target < 0.899, (target + rng.normal(0, 0.12, n)).round(decimals)


@pytest.mark.parametrize("decimals", [1, 2, 6])
def test_scikit_learn_agrees_under_every_weighting(decimals):
    low, prediction = scored(decimals=decimals)
    weights = np.random.default_rng(1).integers(0, 4, (6, len(low))).astype(float)
    called = cumulated(ranked(low, prediction), weights)
    seen = weights > 0
    sensitivity, precision = sensitivities(called, PLACES["roc"]), precision_at(called, PLACES["precision_recall"])
    for row, (weight, used) in enumerate(zip(weights, seen, strict=True)):
        rows = low[used], prediction[used], weight[used]
        expected = [sklearn_sensitivity(*rows, rate) for rate in PLACES["roc"]]
        np.testing.assert_allclose(sensitivity[row], expected, atol=1e-12)
        expected = [sklearn_precision(*rows, recall) for recall in PLACES["precision_recall"]]
        np.testing.assert_allclose(precision[row], expected, atol=1e-12)


def test_areas_are_those_of_scikit_learn():
    low, prediction = scored(n=80)
    middle = (np.arange(20_000) + 0.5) / 20_000
    area = roc(low, prediction, false_positive_rates=middle).mean()
    assert area == pytest.approx(oracle.roc_auc_score(low, -prediction), abs=1e-3)
    area = precision_recall(low, prediction, recalls=middle).mean()
    assert area == pytest.approx(oracle.average_precision_score(low, -prediction), abs=1e-3)


def test_constant_predictions_are_the_diagonal_and_the_prevalence():
    low = np.array([True, False, False, True, False])
    rates = np.array([0.0, 0.3, 1.0])
    assert roc(low, np.full(5, 0.9), false_positive_rates=rates) == pytest.approx(rates)
    assert precision_recall(low, np.full(5, 0.9), recalls=[0.1, 1.0]) == pytest.approx([0.4, 0.4])


def test_perfect_and_inverted_predictions():
    low, density = np.array([True, True, False, False]), np.array([0.6, 0.7, 0.8, 0.9])
    assert roc(low, density, false_positive_rates=[0.0, 1.0]).tolist() == [1.0, 1.0]
    assert precision_recall(low, density, recalls=[0.5, 1.0]).tolist() == [1.0, 1.0]
    assert roc(low, -density, false_positive_rates=[0.0, 0.5, 1.0]).tolist() == [0.0, 0.0, 1.0]
    assert precision_recall(low, -density, recalls=[0.5, 1.0]) == pytest.approx([1 / 3, 1 / 2])


def test_without_one_class_there_is_no_curve():
    density = np.array([0.6, 0.7, 0.8])
    for low in (np.full(3, True), np.full(3, False)):
        assert np.isnan(roc(low, density, false_positive_rates=[0.0, 0.5])).all()
    assert np.isnan(precision_recall(np.full(3, False), density, recalls=[0.5])).all()
    assert np.isnan(precision_recall([True, False], [0.7, 0.8], recalls=[0.0])).all()


@given(
    cells=st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=30),
    weights=st.integers(0, 2**31),
)
@settings(deadline=None, max_examples=60)
def test_curves_rise_and_a_tripled_cohort_has_the_same(cells, weights):
    low, prediction = np.array([c[0] for c in cells]), np.array([c[1] for c in cells]) / 10
    rows = np.random.default_rng(weights).integers(0, 3, (4, len(low))).astype(float)
    once, thrice = cumulated(ranked(low, prediction), rows), cumulated(ranked(low, prediction), 3 * rows)
    sensitivity = sensitivities(once, PLACES["roc"])
    defined = sensitivity[~np.isnan(sensitivity).any(axis=1)]
    assert (np.diff(defined, axis=1) >= -1e-12).all()
    assert (defined[:, -1] == 1).all()
    np.testing.assert_allclose(sensitivity, sensitivities(thrice, PLACES["roc"]))
    places = PLACES["precision_recall"]
    np.testing.assert_allclose(precision_at(once, places), precision_at(thrice, places))


def test_pooled_curve_is_the_mean_over_repeats_and_its_band_resamples_patients():
    grid = prediction_grid(made_up_table(patients=30, per_patient=2, repeats=2))
    draws = patient_draws(30, seed=3, replicates=60)
    bands = pooled_curves(grid, model="xattn", draws=draws, reference=LUNAR, threshold=-1.0)
    low = low_density(grid.target, reference=LUNAR, threshold=-1.0)

    def curve(counts, function, place):
        rows = np.repeat(np.arange(len(low)), counts[grid.patients])
        return np.mean([function(low[rows], repeat[rows], None, place) for repeat in grid.predictions["xattn"]])

    for kind, function in (("roc", sklearn_sensitivity), ("precision_recall", sklearn_precision)):
        for at in (5, 20, 45):
            values = [curve(counts, function, bands[kind].x[at]) for counts in draws.weights[:61]]
            assert bands[kind].y[at] == pytest.approx(values[0])
            assert (bands[kind].low[at], bands[kind].high[at]) == pytest.approx(tuple(percentile_interval(values[1:])))


def test_a_single_patient_has_a_curve_without_a_band():
    table = made_up_table(patients=1, per_patient=12, models=("xattn",), folds=1)
    table["target"] = np.linspace(0.7, 1.1, 12)
    grid = prediction_grid(table)
    bands = pooled_curves(grid, model="xattn", draws=patient_draws(1), reference=LUNAR, threshold=-1.0)
    for band in bands.values():
        assert not np.isnan(band.y).any()
        assert np.isnan([band.low, band.high]).all()


def test_refused():
    with pytest.raises(MetricError, match=r"same shape"):
        roc([True, False], [0.8], false_positive_rates=[0.5])
    with pytest.raises(MetricError, match=r"finite"):
        precision_recall([True, False], [0.8, np.nan], recalls=[0.5])
    with pytest.raises(MetricError, match=r"shares in 0-1"):
        roc([True, False], [0.8, 0.9], false_positive_rates=[50.0])
