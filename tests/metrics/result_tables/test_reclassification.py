import pandas as pd
import pytest

from tests.metrics.tables import made_up_table
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.metrics.tables.classes import confusion_table
from xattn_bmd.metrics.tables.reclassification import (
    RECLASSIFICATION_COLUMNS,
    RECLASSIFICATION_SUMMARY_COLUMNS,
    reclassification_summary_table,
    reclassification_table,
)

LUNAR = get_reference("lunar_femoral_neck_white_female")
TABLE = made_up_table(patients=60, repeats=2)


def test_counts_and_summary_tell_one_story():
    counts = reclassification_table(TABLE, LUNAR)
    summary = reclassification_summary_table(TABLE, LUNAR, replicates=100)
    assert tuple(counts.columns) == RECLASSIFICATION_COLUMNS
    assert tuple(summary.columns) == RECLASSIFICATION_SUMMARY_COLUMNS
    assert set(counts["model_a"]) == set(summary["model_a"]) == {"xattn", "ridge"}
    place = {"normal": 0, "osteopenia": 1, "osteoporosis": 2}
    codes = counts[["true_class", "class_a", "class_b"]].apply(lambda column: column.map(place))
    off = codes[["class_a", "class_b"]].sub(codes["true_class"], axis=0).abs()
    for model in ("xattn", "ridge"):
        here = counts["model_a"] == model
        share = counts["count"] / counts.loc[here, "count"].sum()
        expected = {
            "share_reclassified": share[here & (counts["class_a"] != counts["class_b"])].sum(),
            "better": share[here & (off["class_a"] < off["class_b"])].sum(),
            "worse": share[here & (off["class_a"] > off["class_b"])].sum(),
        }
        expected["net"] = expected["better"] - expected["worse"]
        rows = summary[summary["model_a"] == model].set_index("metric")
        assert rows["value"].to_dict() == pytest.approx(expected)
        assert (rows["low"] <= rows["value"]).all() and (rows["value"] <= rows["high"]).all()
        assert (rows["n"] == 60).all()


def test_margins_are_the_confusion_matrices():
    counts = reclassification_table(TABLE, LUNAR)
    confusion = confusion_table(TABLE, LUNAR)
    for model, side in (("xattn", "class_a"), ("concat", "class_b")):
        margin = counts[counts["model_a"] == "xattn"].groupby(["true_class", side])["count"].sum()
        expected = confusion[confusion["model"] == model].set_index(["true_class", "predicted_class"])["count"]
        assert margin.to_dict() == pytest.approx(expected.to_dict())


def test_a_model_against_its_copy_changes_nothing():
    copy = TABLE[TABLE["model"] == "concat"].assign(model="copy")
    summary = reclassification_summary_table(pd.concat([TABLE, copy]), LUNAR, replicates=50)
    assert (summary.loc[summary["model_a"] == "copy", "value"] == 0).all()


def test_another_model_as_b_and_an_absent_one():
    swapped = reclassification_summary_table(TABLE, LUNAR, against="xattn", replicates=50)
    plain = reclassification_summary_table(TABLE, LUNAR, replicates=50)
    value = swapped.set_index(["model_a", "metric"])["value"]
    forth = plain.set_index(["model_a", "metric"])["value"]
    assert value["concat", "better"] == pytest.approx(forth["xattn", "worse"])
    assert value["concat", "net"] == pytest.approx(-forth["xattn", "net"])
    assert reclassification_table(TABLE, LUNAR, against="film").empty
    assert reclassification_summary_table(TABLE, LUNAR, against="film").empty
