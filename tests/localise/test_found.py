"""The score threshold by hand."""

import pandas as pd
import pytest

from xattn_bmd.localise.found import best_threshold

COLUMNS = ["radiograph_id", "label", "x0", "y0", "x1", "y1"]


def rows(*boxes):
    return pd.DataFrame([["a", "x", place, 0.0, place + 10.0, 10.0] for place in boxes], columns=COLUMNS)


def test_the_threshold_lies_where_f1_is_highest():
    """Hits at 0.9 and 0.7, misses at 0.8 and 0.3: F1 is 2/3, 1/2, 4/5, 2/3 as they are taken in."""
    found = rows(0.0, 100.0, 20.0, 200.0).assign(score=[0.9, 0.8, 0.7, 0.3])
    assert best_threshold(rows(0.0, 20.0), found) == pytest.approx((0.7 + 0.3) / 2)


def test_a_label_is_only_hit_by_itself():
    found = rows(0.0, 20.0).assign(score=[0.9, 0.8], label=["x", "y"])
    assert best_threshold(rows(0.0, 20.0), found) == pytest.approx(0.85)


def test_nothing_hit_keeps_everything():
    assert best_threshold(rows(0.0), rows(50.0).assign(score=[0.9])) == 0.0
    assert best_threshold(rows(0.0), rows().assign(score=[])) == 0.0
