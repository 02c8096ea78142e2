import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, precision_recall_fscore_support, roc_auc_score

from tests.metrics.tables import made_up_table
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.metrics.intervals import patient_draws
from xattn_bmd.metrics.pooled import pooled_average, pooled_regression, pooled_screening
from xattn_bmd.metrics.predictions import prediction_grid
from xattn_bmd.metrics.regression import REGRESSION_METRICS
from xattn_bmd.metrics.risk import risk
from xattn_bmd.metrics.screening import low_density, screening
from xattn_bmd.metrics.two_by_two import CELLS, RATES

LUNAR = get_reference("lunar_femoral_neck_white_female")
GRID = prediction_grid(made_up_table(patients=30, per_patient=3))
DRAWS = patient_draws(30, seed=0, replicates=300)  # more than one block


def drawn(replicate):
    """Return the rows of a replicate as if they had been copied."""
    rows = np.repeat(np.arange(len(GRID.target)), DRAWS.weights[1 + replicate][GRID.patients])
    return GRID.target[rows], GRID.predictions["xattn"][0][rows]


@pytest.mark.parametrize("replicate", [0, 255, 256, 299])
def test_a_replicate_is_the_metric_of_the_drawn_rows(replicate):
    target, prediction = drawn(replicate)
    regression = pooled_regression(GRID, model="xattn", draws=DRAWS)
    for name, metric in REGRESSION_METRICS.items():
        assert regression[name].replicates[replicate] == pytest.approx(metric(target, prediction))
    screened = pooled_screening(GRID, model="xattn", draws=DRAWS, reference=LUNAR, threshold=-1.0)
    expected = screening(target, prediction, reference=LUNAR)
    names = [*RATES, *CELLS, "auroc", "auprc"]
    assert set(screened) == {*names, "brier"}
    for name in names:
        assert screened[name].replicates[replicate] == pytest.approx(getattr(expected, name))
    low = low_density(target, reference=LUNAR, threshold=-1.0)
    assert screened["auroc"].replicates[replicate] == pytest.approx(roc_auc_score(low, -prediction))
    assert screened["auprc"].replicates[replicate] == pytest.approx(average_precision_score(low, -prediction))
    called = low_density(prediction, reference=LUNAR, threshold=-1.0)
    for average in ("macro", "weighted"):
        averaged = pooled_average(screened, average=average)
        expected = precision_recall_fscore_support(low, called, average=average)[:3]
        assert [averaged[name].replicates[replicate] for name in averaged] == pytest.approx(expected)


def test_brier_is_the_mean_over_repeats_and_what_is_fitted_stays():
    table = made_up_table(patients=30, per_patient=2, repeats=2)
    grid = prediction_grid(table[~table["radiograph_id"].isin([f"r{i}" for i in range(0, 30, 2)])])  # one or two each
    draws = patient_draws(30, seed=0, replicates=20)
    brier = pooled_screening(grid, model="xattn", draws=draws, reference=LUNAR, threshold=-1.0)["brier"]
    low = low_density(grid.target, reference=LUNAR, threshold=-1.0)
    fitted = risk(grid, model="xattn", reference=LUNAR, threshold=-1.0).probability
    assert brier.value == pytest.approx(np.mean([brier_score_loss(low, each) for each in fitted]))
    weights = draws.weights[1 + 4][grid.patients]
    expected = np.mean([brier_score_loss(low, each, sample_weight=weights) for each in fitted])
    assert brier.replicates[4] == pytest.approx(expected)


def test_brier_of_one_fold_is_nan_and_nothing_else_is():
    grid = prediction_grid(made_up_table(patients=30, folds=1))
    draws = patient_draws(30, seed=0, replicates=20)
    screened = pooled_screening(grid, model="xattn", draws=draws, reference=LUNAR, threshold=-1.0)
    assert [name for name, each in screened.items() if np.isnan(each.value)] == ["brier"]
