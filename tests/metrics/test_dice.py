import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap
from sklearn.metrics import f1_score, jaccard_score

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.dice import dice
from xattn_bmd.metrics.tables.masks import MASK_COLUMNS, dice_table


def drawn(seed=0, n=5):
    random = np.random.default_rng(seed)
    return random.random((n, 9, 7)) < 0.4, random.random((n, 9, 7)) < 0.3


def test_dice_is_the_f1_score_and_gives_the_jaccard_index():
    found, mask = drawn()
    got = dice(found, mask)
    assert got == pytest.approx([f1_score(m.ravel(), f.ravel()) for f, m in zip(found, mask, strict=True)])
    iou = [jaccard_score(m.ravel(), f.ravel()) for f, m in zip(found, mask, strict=True)]
    assert got / (2 - got) == pytest.approx(iou)


@given(st.integers(0, 10_000))
def test_dice_is_symmetric_a_share_and_one_for_itself(seed):
    found, mask = drawn(seed, n=2)
    got = dice(found, mask)
    assert np.array_equal(got, dice(mask, found))
    assert ((got >= 0) & (got <= 1)).all()
    assert (dice(mask, mask) == 1).all()
    assert (dice(mask, ~mask) == 0).all()


def test_two_empty_masks_have_none():
    nothing = np.zeros((1, 4, 4), dtype=bool)
    assert np.isnan(dice(nothing, nothing)).all()


def test_other_shapes_are_refused():
    with pytest.raises(MetricError, match=r"\(2, 4, 4\) and \(2, 5, 4\)"):
        dice(np.zeros((2, 4, 4), bool), np.zeros((2, 5, 4), bool))


def made_table(n=40, repeats=1, seed=0):
    random = np.random.default_rng(seed)
    rows = [
        (f"r{k}", f"p{k // 2}", "a", model, repeat, k % 4, random.uniform(0.5, 1), 0.1, 0.12)
        for model in ("xattn", "image_only")
        for repeat in range(repeats)
        for k in range(n)
    ]
    return pd.DataFrame(rows, columns=MASK_COLUMNS)


def test_the_table_is_the_mean_with_a_bootstrap_of_patients():
    table = made_table()
    found = dice_table(table, replicates=2000).set_index(["model", "metric"])
    part = table[table["model"] == "xattn"]
    row = found.loc[("xattn", "dice")]
    assert row["value"] == pytest.approx(part["dice"].mean())
    assert (row["n"], row["patients"]) == (40, 20)
    pairs = part.groupby("patient_id")["dice"].mean().to_numpy()
    expected = bootstrap((pairs,), np.mean, method="BCa", rng=np.random.default_rng(0)).confidence_interval
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high), abs=0.006)
    assert found.loc[("image_only", "iou"), "value"] < found.loc[("image_only", "dice"), "value"]


def test_a_radiograph_of_several_repeats_counts_once():
    table = made_table(repeats=3)
    row = dice_table(table, replicates=20).iloc[0]
    assert row["n"] == 40
    assert row["value"] == pytest.approx(table[table["model"] == "xattn"]["dice"].mean())


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.drop(columns="dice"), "dice is missing"),
        (lambda t: t.assign(dice=1.2), "between 0 and 1, but 1.2 is that of 'r0'"),
        (lambda t: t.assign(dice=np.nan), "but nan is that"),
    ],
)
def test_bad_tables_are_refused(spoil, message):
    with pytest.raises(MetricError, match=message):
        dice_table(spoil(made_table()))
