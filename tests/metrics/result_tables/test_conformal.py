"""The table of coverage: never fitted on scored rows, honest where it knows nothing."""

import numpy as np
import pandas as pd
import pytest

from tests.metrics.tables import made_up_table
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.crossfit import calibration_rows
from xattn_bmd.metrics.tables.conformal import CONFORMAL_COLUMNS, conformal_table

FEW = {"replicates": 100}


def with_head(table, head, *, seed=0):
    """Return the table with columns of a head whose spread is twice as large for every other radiograph."""
    spread = np.where(table["radiograph_id"].str[1:].astype(int) % 2, 0.05, 0.1)
    rng = np.random.default_rng(seed)
    table = table.assign(prediction=table["target"] + spread * rng.normal(size=len(table)))
    if head == "gaussian":
        return table.assign(sd=spread)
    ends = {"q05": table["prediction"] - 1.645 * spread, "q95": table["prediction"] + 1.645 * spread}
    return table.assign(q50=table["prediction"], **ends)


def made_up_calibration(table, *, size=30, seed=0):
    """Return a calibration table: other radiographs predicted by the models of every fold."""
    rng = np.random.default_rng(seed)
    parts = []
    for (model, repeat, fold), _ in table.groupby(["model", "repeat", "fold"]):
        target = rng.normal(0.88, 0.147, size)
        parts.append(
            pd.DataFrame(
                {
                    "radiograph_id": [f"c{number}" for number in range(size)],
                    "patient_id": [f"c{number}" for number in range(size)],
                    "site": "",
                    "model": model,
                    "repeat": repeat,
                    "fold": fold,
                    "target": target,
                    "prediction": 0.88 + 0.6 * (target - 0.88) + rng.normal(0, 0.08, size),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def test_one_row_for_each_model_method_level_and_group():
    table = made_up_table(patients=60, repeats=2)
    sex = np.where(np.arange(60) % 2, "female", "male")
    sex[:5] = ""
    found = conformal_table(
        table, groups={"sex": sex}, calibration=calibration_rows(made_up_calibration(table)), seed=1, **FEW
    )
    assert tuple(found.columns) == CONFORMAL_COLUMNS
    assert len(found) == 3 * 2 * 2 * 3
    assert set(found["group"]) == {"all", "sex=female", "sex=male"}
    assert dict(zip(found["method"], found["fitted_on"], strict=True)) == {
        "split": "inner validation part",
        "cross_fold": "other folds",
    }
    assert set(found.loc[found["group"] == "all", "n"]) == {60}
    assert found.loc[found["group"] != "all", "n"].sum() == 55 * 3 * 2 * 2
    varied = found[found["coverage"] < 1]
    assert len(varied) > 20
    assert ((varied["low"] <= varied["coverage"]) & (varied["coverage"] <= varied["high"])).all()
    assert found.loc[found["coverage"] == 1, ["low", "high"]].isna().all(axis=None)


def test_coverage_and_width_by_hand():
    table = made_up_table(patients=30, models=("ridge",), folds=3, per_patient=2)
    found = conformal_table(table, levels=(0.8,), **FEW).iloc[0]
    inside, widths = [], []
    for fold in range(3):
        scored, others = table[table["fold"] == fold], table[table["fold"] != fold]
        errors = np.sort(np.abs(others["target"] - others["prediction"]))
        half = errors[int(np.ceil((len(errors) + 1) * 0.8)) - 1]
        inside += (np.abs(scored["target"] - scored["prediction"]) <= half).tolist()
        widths += [2 * half] * len(scored)
    assert found["coverage"] == pytest.approx(np.mean(inside))
    assert found["width"] == pytest.approx(np.mean(widths))
    assert (found["n"], found["patients"]) == (60, 30)


@pytest.mark.parametrize("kind", ["cross_fold", "split"])
def test_the_scored_rows_of_a_fold_never_move_its_own_width(kind):
    table = made_up_table(patients=60, models=("ridge",), folds=3)
    calibration = calibration_rows(made_up_calibration(table)) if kind == "split" else None
    spoiled = table.copy()
    first = spoiled["fold"] == 0
    spoiled.loc[first, "prediction"] += 5.0
    labels = table.sort_values("radiograph_id")["fold"].to_numpy()
    groups = {"fold": np.where(labels == 0, "scored", "other")}

    def widths(rows):
        found = conformal_table(rows, groups=groups, calibration=calibration, levels=(0.9,), **FEW)
        return found[found["method"] == kind].set_index("group")["width"]

    assert widths(spoiled)["fold=scored"] == pytest.approx(widths(table)["fold=scored"], rel=1e-9)
    if kind == "cross_fold":
        assert widths(spoiled)["fold=other"] > 5
    else:
        assert widths(spoiled)["fold=other"] == pytest.approx(widths(table)["fold=other"])


def test_a_small_calibration_part_gives_infinite_width_that_is_shown():
    table = made_up_table(patients=40, models=("ridge",))
    calibration = calibration_rows(made_up_calibration(table, size=12))
    found = conformal_table(table, calibration=calibration, **FEW).set_index(["method", "level"])
    assert np.isfinite(found.loc[("split", 0.9), "width"])
    assert found.loc[("split", 0.95), "width"] == np.inf
    assert found.loc[("split", 0.95), "coverage"] == 1.0


def test_groups_under_ten_patients_are_named_and_not_scored():
    table = made_up_table(patients=40, models=("ridge",), per_patient=2)
    owner = table.sort_values("radiograph_id")["patient_id"].to_numpy()
    site = np.where(np.isin(owner, [f"p{number}" for number in range(9)]), "small", "large")
    found = conformal_table(table, groups={"site": site}, levels=(0.9,), **FEW).set_index("group")
    assert found.loc["site=small", ["n", "patients"]].tolist() == [18, 9]
    assert found.loc["site=small", ["coverage", "low", "high", "width"]].isna().all()
    assert found.loc["site=large", ["coverage", "low", "high", "width"]].notna().all()


def test_a_single_fold_has_no_other_folds():
    table = made_up_table(patients=40, models=("ridge",)).assign(fold=0)
    assert conformal_table(table, **FEW).empty
    calibration = calibration_rows(made_up_calibration(table))
    assert set(conformal_table(table, calibration=calibration, **FEW)["method"]) == {"split"}


def test_a_single_patient_has_no_interval_of_the_coverage():
    table = made_up_table(patients=1, per_patient=3, models=("ridge",))
    calibration = calibration_rows(made_up_calibration(table))
    row = conformal_table(table, calibration=calibration, levels=(0.9,), **FEW).iloc[0]
    assert 0 <= row["coverage"] <= 1
    assert np.isnan([row["low"], row["high"]]).all()


def test_three_radiographs_in_three_folds():
    found = conformal_table(made_up_table(patients=3, folds=3, models=("ridge",)), **FEW)
    assert (found["width"] == np.inf).all()
    assert (found["coverage"] == 1).all()


@pytest.mark.parametrize("head", ["gaussian", "quantile"])
def test_a_heads_own_interval_and_the_widths_that_follow_it(head):
    table = with_head(made_up_table(patients=600, models=("xattn",)), head)
    found = conformal_table(table, **FEW).set_index(["method", "level"])
    own = found.loc[(head, 0.9)]
    assert own["fitted_on"] == ""
    assert own["coverage"] == pytest.approx(0.9, abs=0.03)
    assert own["width"] == pytest.approx(2 * 1.645 * 0.075, rel=0.01)
    assert ((head, 0.95) in found.index) == (head == "gaussian")
    assert found.loc[("cross_fold", 0.9), "width"] == pytest.approx(own["width"], rel=0.1)
    odd = np.where(np.arange(600) % 2, "narrow", "wide")
    ids = [f"r{number}" for number in range(600)]
    groups = {"spread": odd[np.argsort(ids)]}
    by_group = conformal_table(table, groups=groups, levels=(0.9,), **FEW).set_index(["method", "group"])
    narrow, wide = (by_group.loc[("cross_fold", f"spread={name}")] for name in ("narrow", "wide"))
    assert wide["width"] > narrow["width"] + 0.1
    assert narrow["coverage"] == pytest.approx(0.9, abs=0.05)
    assert wide["coverage"] == pytest.approx(0.9, abs=0.05)


def test_a_model_without_the_columns_stands_beside_one_that_has_them():
    table = with_head(made_up_table(patients=60, models=("xattn", "ridge")), "gaussian")
    table.loc[table["model"] == "ridge", "sd"] = np.nan
    found = conformal_table(table, **FEW)
    assert set(found[found["model"] == "xattn"]["method"]) == {"cross_fold", "gaussian"}
    assert set(found[found["model"] == "ridge"]["method"]) == {"cross_fold"}


def test_calibration_rows_carry_the_heads_columns():
    table = with_head(made_up_table(patients=60, models=("xattn",)), "gaussian")
    calibration = made_up_calibration(table)
    wide = calibration_rows(calibration.assign(sd=0.01))
    narrow = calibration_rows(calibration.assign(sd=1.0))
    first, second = (
        conformal_table(table, calibration=rows, levels=(0.9,), **FEW).set_index("method").loc["split", "width"]
        for rows in (wide, narrow)
    )
    assert first == pytest.approx(100 * second)


def test_labels_that_do_not_pair_with_radiographs_are_refused():
    with pytest.raises(MetricError, match="'sex' has 3 for 40 radiographs"):
        conformal_table(made_up_table(), groups={"sex": np.array(["f", "m", "f"])}, **FEW)
