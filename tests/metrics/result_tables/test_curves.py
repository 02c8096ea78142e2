import numpy as np
import pytest

from tests.metrics.tables import made_up_table
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.metrics.curves import PLACES, precision_recall, roc
from xattn_bmd.metrics.tables.curves import CURVES_COLUMNS, curves_table

LUNAR = get_reference("lunar_femoral_neck_white_female")


def test_layout_and_values():
    table = made_up_table(patients=60, models=("xattn", "ridge"))
    result = curves_table(table, LUNAR, replicates=200)
    assert tuple(result.columns) == CURVES_COLUMNS
    groups = result.groupby(["model", "threshold", "curve"])
    assert len(groups) == 2 * 2 * 2
    assert set(groups.size()) == {101, 100}
    one = result[(result["model"] == "ridge") & (result["threshold"] == -1.0)]
    rows = table[table["model"] == "ridge"]
    low, prediction = rows["target"].to_numpy() < 0.899, rows["prediction"].to_numpy()
    at = one[one["curve"] == "roc"]
    assert at["y"].tolist() == pytest.approx(roc(low, prediction, false_positive_rates=PLACES["roc"]).tolist())
    assert ((at["low"] <= at["y"] + 1e-12) & (at["y"] <= at["high"] + 1e-12)).mean() > 0.95
    at = one[one["curve"] == "precision_recall"]
    recalls = PLACES["precision_recall"]
    assert at["y"].tolist() == pytest.approx(precision_recall(low, prediction, recalls=recalls).tolist())


def test_row_order_and_seed():
    table = made_up_table(patients=30, models=("xattn",))
    shuffled = table.sample(frac=1.0, random_state=1)
    first, again = (curves_table(one, LUNAR, seed=2, replicates=50) for one in (table, shuffled))
    assert first.equals(again)
    other = curves_table(table, LUNAR, seed=3, replicates=50)
    assert first["y"].equals(other["y"]) and not first["low"].equals(other["low"])


def test_no_curve_where_only_one_class_occurs():
    table = made_up_table(patients=20, models=("xattn",))
    table["target"] = np.linspace(0.75, 1.1, 20)
    assert set(curves_table(table, LUNAR, replicates=50)["threshold"]) == {-1.0}
    empty = curves_table(table.assign(target=1.2), LUNAR, replicates=50)
    assert empty.empty and tuple(empty.columns) == CURVES_COLUMNS
