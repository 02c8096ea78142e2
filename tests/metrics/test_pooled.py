import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.metrics.tables import made_up_table
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.metrics.intervals import patient_draws
from xattn_bmd.metrics.pooled import pooled_regression, pooled_screening
from xattn_bmd.metrics.predictions import prediction_grid
from xattn_bmd.metrics.regression import REGRESSION_METRICS
from xattn_bmd.metrics.screening import low_density, screening

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
    for name in ("accuracy", "sensitivity", "specificity", "precision", "f1", "auroc", "tp", "fn", "fp", "tn"):
        assert screened[name].replicates[replicate] == pytest.approx(getattr(expected, name))
    low = low_density(target, reference=LUNAR, threshold=-1.0)
    assert screened["auroc"].replicates[replicate] == pytest.approx(roc_auc_score(low, -prediction))
