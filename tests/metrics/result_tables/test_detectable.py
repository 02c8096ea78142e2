import math

import numpy as np
import pandas as pd
import pytest

from tests.metrics.tables import made_up_table
from xattn_bmd.metrics.tables.detectable import (
    DETECTABLE_COLUMNS,
    SAMPLE_SIZE_COLUMNS,
    SOURCE_CHANGES,
    detectable_sentence,
    detectable_table,
    sample_size_table,
)

TABLE = made_up_table(patients=80)


def of(metric, table=TABLE, **options):
    result = detectable_table(table, replicates=300, **options).set_index(["model_a", "metric"])
    return result.loc[("xattn", metric)]


def sentence(table, metric="mse", **options):
    rows = detectable_table(table, replicates=300, **options).to_dict("records")
    return detectable_sentence(next(row for row in rows if row["metric"] == metric))


def test_one_row_per_model_and_metric():
    result = detectable_table(TABLE, replicates=50)
    assert tuple(result.columns) == DETECTABLE_COLUMNS
    assert result[["model_a", "metric"]].values.tolist() == [[m, s] for m in ("xattn", "ridge") for s in SOURCE_CHANGES]
    assert result["power_at"].tolist() == list(SOURCE_CHANGES.values()) * 2
    assert (detectable_table(TABLE, relative=0.1, replicates=50)["power_at"] == 0.1).all()
    assert detectable_table(TABLE, against="film").empty


def test_standard_error_is_that_of_paired_errors():
    wide = TABLE.assign(squared=(TABLE["prediction"] - TABLE["target"]) ** 2)
    wide = wide.pivot(index="radiograph_id", columns="model", values="squared")
    difference = wide["xattn"] - wide["concat"]
    row = of("mse")
    expected = difference.std(ddof=0) / math.sqrt(len(difference))
    assert row["standard_error"] == pytest.approx(expected, rel=0.12)
    assert row["detectable"] == pytest.approx(2.8016 * row["standard_error"], rel=1e-4)
    assert row["detectable_relative"] == pytest.approx(row["detectable"] / wide["concat"].mean())
    assert row["observed_relative"] == pytest.approx(difference.mean() / wide["concat"].mean())


def test_power_is_eighty_percent_at_the_detectable_change():
    change = float(of("mae")["detectable_relative"])
    assert of("mae", relative=change)["power"] == pytest.approx(0.8, abs=1e-4)
    assert of("mae", relative=change / 2)["power"] < 0.8


def test_more_patients_detect_less():
    assert of("mse", made_up_table(patients=400))["detectable"] < of("mse", made_up_table(patients=50))["detectable"]


def test_copies_of_radiographs_do_not_help():
    copies = TABLE.assign(radiograph_id=TABLE["radiograph_id"] + "_again")
    twice = of("mse", pd.concat([TABLE, copies], ignore_index=True))
    assert twice["detectable"] == pytest.approx(of("mse")["detectable"])
    assert (twice["n"], twice["patients"]) == (160, 80)


def test_the_sentence():
    row = of("mse")
    text = sentence(TABLE)
    assert text.startswith(
        "With 80 radiographs of 80 patients the comparison of xattn with concat detects with 80 % power"
    )
    assert f"a change of MSE of at least {100 * row['detectable_relative']:.3g} %; " in text
    assert text.endswith(f"the source's 16.7 % would be found with power {row['power']:.2f}.")
    assert "; a change of 25 % would be found" in sentence(TABLE, relative=0.25)
    assert "the source's 6.03 % would" in sentence(TABLE, "mae")


def test_the_sentence_where_nothing_can_be_said():
    lone = made_up_table(patients=1, folds=1)
    assert sentence(lone).startswith(
        "With 1 radiograph of 1 patient the comparison of xattn with concat has no standard"
    )
    copy = TABLE.assign(prediction=TABLE["target"] + 0.05)
    assert "what it could detect cannot be said" in sentence(copy)


def test_the_sentence_where_the_base_is_not_positive():
    poor = TABLE.assign(prediction=np.where(TABLE["model"] == "concat", 0.3, TABLE["prediction"]))
    row = of("r2", poor)
    assert math.isnan(row["power"])
    assert math.isnan(row["detectable_relative"])
    text = sentence(poor, "r2")
    assert text.endswith(f"detects with 80 % power a difference in R² of at least {row['detectable']:.2g}.")


def test_the_sentence_where_no_decrease_is_large_enough():
    few = made_up_table(patients=4, folds=2)
    rows = detectable_table(few, replicates=300).to_dict("records")
    rows = [row for row in rows if row["metric"] != "r2" and not math.isnan(row["detectable"])]
    assert {"no decrease is that large" in detectable_sentence(row) for row in rows} == {True, False}
    for row in rows:
        assert ("no decrease" in detectable_sentence(row)) == (row["detectable_relative"] >= 1)


def test_sample_size_of_the_source():
    table = sample_size_table(233, 12, 0.35)
    assert tuple(table.columns) == SAMPLE_SIZE_COLUMNS
    met = table.set_index("criterion")["met"].to_dict()
    assert met == {"shrinkage": True, "optimism": True, "residual_sd": False, "mean": True, "all": False}
    assert sample_size_table(246, 12, 0.35)["met"].all()
