import numpy as np
import pytest

from tests.metrics.tables import MODELS, made_up_table
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.prevalence import transferred_values
from xattn_bmd.metrics.tables.screening import screening_table, without_averages
from xattn_bmd.metrics.tables.transferred import (
    NHANES_PREVALENCES,
    NO_CALLS_THERE,
    TRANSFERRED_COLUMNS,
    transferred_table,
)

LUNAR = get_reference("lunar_femoral_neck_white_female")
TABLE = made_up_table(patients=80, repeats=2)


def test_published_prevalences():
    assert NHANES_PREVALENCES == {-1.0: (0.59, 0.32), -2.5: (0.10, 0.02)}


def test_values_follow_from_sensitivity_and_specificity():
    result = transferred_table(TABLE, LUNAR, replicates=200)
    assert tuple(result.columns) == TRANSFERRED_COLUMNS
    assert not result.duplicated(["model", "threshold", "prevalence", "metric"]).any()
    assert len(result) == len(MODELS) * 2 * 2 * 2
    rates = without_averages(screening_table(TABLE, LUNAR, replicates=50)).set_index(["model", "threshold", "metric"])
    rates = rates.sort_index()["value"]
    for row in result.itertuples():
        at = (row.model, row.threshold)
        expected = transferred_values(rates[*at, "sensitivity"], rates[*at, "specificity"], prevalence=row.prevalence)
        assert row.value == pytest.approx(float(getattr(expected, row.metric)))
    at_normal = result[result["threshold"] == -1.0]
    assert (at_normal["low"] < at_normal["value"]).all() and (at_normal["value"] < at_normal["high"]).all()


def test_at_the_cohorts_own_prevalence_they_are_the_cohorts_values():
    table = made_up_table(patients=50)
    rows = without_averages(screening_table(table, LUNAR, replicates=50)).set_index(["model", "threshold", "metric"])
    own = float(rows.sort_index().loc[("xattn", -1.0, "prevalence"), "value"])
    result = transferred_table(table, LUNAR, prevalences={-1.0: [own]}, replicates=50)
    for metric in ("ppv", "npv"):
        found = result[(result["model"] == "xattn") & (result["metric"] == metric)]["value"].item()
        assert found == pytest.approx(rows.sort_index().loc[("xattn", -1.0, metric), "value"])


def test_without_low_density_nothing_can_be_carried_over():
    healthy = TABLE.assign(target=TABLE["target"] + 1.0, prediction=TABLE["prediction"] + 1.0)
    result = transferred_table(healthy, LUNAR, replicates=50)
    assert result["value"].isna().all() and set(result["reason"]) == {"no radiograph is low"}


def test_nobody_called_low_has_no_ppv_but_an_npv():
    table = made_up_table(patients=40).assign(prediction=1.1)
    result = transferred_table(table, LUNAR, prevalences={-1.0: [0.3]}, replicates=50).set_index("metric")
    assert set(result.loc["ppv", "reason"]) == {NO_CALLS_THERE} and result.loc["ppv", "value"].isna().all()
    np.testing.assert_allclose(result.loc["npv", "value"], 0.7)


def test_refused():
    with pytest.raises(MetricError, match="share in 0-1"):
        transferred_table(TABLE, LUNAR, prevalences={-1.0: [59.0]}, replicates=20)
