"""Shares of picture and record."""

import numpy as np
import pytest

from tests.explanation.record.made_up import made_up_contributions
from xattn_bmd.explanation.record.modality_shares import modality_shares


def _value(table, part, measure, column="value"):
    return table.query("input == @part and measure == @measure")[column].item()


def test_measures_are_those_of_their_definition():
    made = made_up_contributions()
    table, record = modality_shares(made), made.record.sum(axis=1)
    assert _value(table, "image", "mean_size") == pytest.approx(np.abs(made.image).mean())
    assert _value(table, "record", "mean_size") == pytest.approx(np.abs(record).mean())
    expected = np.abs(made.image).mean() / (np.abs(made.image).mean() + np.abs(record).mean())
    assert _value(table, "image", "share") == pytest.approx(expected)
    moved = made.image + record
    covariance = np.cov(made.image, moved, ddof=0)[0, 1] / moved.var()
    assert _value(table, "image", "variance_share") == pytest.approx(covariance)


def test_shares_add_up_to_one_and_lie_in_their_intervals():
    table = modality_shares(made_up_contributions(n=60))
    for measure in ("share", "variance_share"):
        assert _value(table, "image", measure) + _value(table, "record", measure) == pytest.approx(1.0)
    assert (table["low"] < table["value"]).all() and (table["value"] < table["high"]).all()
    assert (table["n"] == 60).all() and (table["patients"] == 30).all()


def test_a_single_patient_has_no_interval():
    made = made_up_contributions(n=2)
    table = modality_shares(made)
    assert table[["low", "high"]].isna().all(axis=None)
    assert np.isfinite(_value(table, "image", "share"))
