import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss

from tests.metrics.readers import CLASSES, made_up_readings
from xattn_bmd import reader_agreement
from xattn_bmd.metrics.intervals import patient_bootstrap, percentile_interval
from xattn_bmd.metrics.tables.reader_agreement import NO_COMMON_ITEM, ONE_CLASS_USED, READER_AGREEMENT_COLUMNS

TABLE = made_up_readings()
WIDE = TABLE.pivot_table(
    index=["patient_id", "item_id"], columns=["reader", "reading"], values="class", aggfunc="first"
).map(CLASSES.index)
PAIRS = {
    ("inter", "Aoki", "Baba", 1, 1),
    ("inter", "Aoki", "Chen", 1, 1),
    ("inter", "Baba", "Chen", 1, 1),
    ("intra", "Aoki", "Aoki", 1, 2),
    ("intra", "Baba", "Baba", 1, 2),
}


def by_metric(table, **options):
    found = reader_agreement(table, replicates=20, **options)
    return found[found["kind"] != "all readers"].set_index("metric")["value"]


def two_readers(first, second, *, names=CLASSES):
    items = pd.DataFrame({"item_id": range(len(first)), "patient_id": range(len(first))})
    parts = [
        items.assign(reader=reader, **{"class": [names[code] for code in codes]})
        for reader, codes in (("A", first), ("B", second))
    ]
    return pd.concat(parts, ignore_index=True)


def test_every_pair_equals_scikit_learn():
    result = reader_agreement(TABLE, classes=CLASSES, ordered=True, replicates=100)
    assert tuple(result.columns) == READER_AGREEMENT_COLUMNS
    pairs = result[result["kind"] != "all readers"]
    key = ["kind", "reader_a", "reader_b", "reading_a", "reading_b"]
    assert set(pairs[key].itertuples(index=False, name=None)) == PAIRS
    for (_, a, b, i, j), rows in pairs.groupby(key):
        first, second = WIDE[a, i], WIDE[b, j]
        expected = {
            "agreement": (first == second).mean(),
            "kappa": cohen_kappa_score(first, second),
            "kappa_linear": cohen_kappa_score(first, second, weights="linear"),
            "kappa_quadratic": cohen_kappa_score(first, second, weights="quadratic"),
        }
        assert rows.set_index("metric")["value"].to_dict() == pytest.approx(expected)
    assert (result[["items", "patients", "left_out"]] == [100, 25, 0]).all(axis=None)
    assert ((result["low"] < result["value"]) & (result["value"] < result["high"])).all()
    assert (result["reason"] == "").all()


def test_all_readers_equal_statsmodels():
    result = reader_agreement(TABLE, replicates=50)
    found = result[result["kind"] == "all readers"].set_index("metric")
    first = WIDE[[("Aoki", 1), ("Baba", 1), ("Chen", 1)]].to_numpy()
    assert found.loc["fleiss_kappa", "value"] == pytest.approx(statsmodels_fleiss(aggregate_raters(first, n_cat=3)[0]))
    pairwise = [np.mean(first[:, a] == first[:, b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert found.loc["agreement", "value"] == pytest.approx(np.mean(pairwise))
    assert found.loc["agreement", "reader_a"] == "Aoki, Baba, Chen" and found["reading_a"].isna().all()
    two = reader_agreement(TABLE[TABLE["reader"] != "Chen"], replicates=10)
    assert "all readers" not in set(two["kind"])


def test_intervals_draw_patients_with_all_their_items():
    result = reader_agreement(TABLE, seed=3, replicates=200).iloc[1]
    first, second = WIDE["Aoki", 1].to_numpy(), WIDE["Baba", 1].to_numpy()
    counts = patient_bootstrap(WIDE.index.get_level_values("patient_id"), seed=3, replicates=200)
    drawn = [cohen_kappa_score(first, second, sample_weight=row) for row in counts]
    expected = percentile_interval(drawn)
    assert result["metric"] == "kappa"
    assert (result["percentile_low"], result["percentile_high"]) == pytest.approx(expected)


def test_vertebrae_of_one_patient_are_not_patients():
    one = made_up_readings(patients=40, levels=1, readings=(("A", 1), ("B", 1)))
    five = pd.concat([one.assign(item_id=f"L{level}") for level in range(5)])
    alone, copied = (reader_agreement(table, replicates=300).set_index("metric") for table in (one, five))
    columns = ["value", "low", "high"]
    np.testing.assert_allclose(alone[columns], copied[columns])
    assert (alone["items"] == 40).all() and (copied["items"] == 200).all() and (copied["patients"] == 40).all()


def test_what_is_not_read_by_both_is_left_out_and_counted():
    unread = TABLE.copy()
    unread.loc[(unread["reader"] == "Aoki") & (unread["patient_id"] == "P0"), "class"] = None
    absent = unread[~((unread["reader"] == "Chen") & (unread["item_id"] == "L1"))]
    result = reader_agreement(absent, replicates=20)
    counts = result.drop_duplicates(["kind", "reader_a", "reader_b"])[["items", "patients", "left_out"]]
    assert counts.to_numpy().tolist() == [
        [96, 24, 4],
        [72, 24, 27],
        [75, 25, 25],
        [96, 24, 0],
        [100, 25, 0],
        [72, 24, 28],
    ]
    rest = WIDE[WIDE.index.get_level_values("patient_id") != "P0"]
    assert result["value"].iloc[1] == pytest.approx(cohen_kappa_score(rest["Aoki", 1], rest["Baba", 1]))


def test_first_readings_are_compared_between_readers_whatever_their_numbers():
    later = TABLE.assign(reading=TABLE["reading"] + 3 * (TABLE["reader"] == "Baba"))
    a, b = (reader_agreement(table, replicates=20) for table in (TABLE, later))
    pd.testing.assert_series_equal(a["value"], b["value"])
    assert b["reading_b"].iloc[0] == 4


def test_a_pair_without_a_common_item_is_nan_beside_others_that_have_some():
    moved = TABLE.assign(item_id=TABLE["item_id"] + np.where(TABLE["reader"] == "Chen", "x", ""))
    result = reader_agreement(moved, classes=CLASSES, ordered=True, replicates=20)
    none = result["reason"] == NO_COMMON_ITEM
    assert none.sum() == 2 * 4 + 2 and result.loc[none, "value"].isna().all()
    assert (result.loc[none, ["items", "patients"]] == 0).all(axis=None)
    assert result.loc[~none, "value"].notna().all()


def test_one_class_has_no_kappa_and_says_so():
    result = reader_agreement(TABLE.assign(**{"class": "old"}), replicates=20).set_index(["kind", "metric"])
    assert (result.xs("agreement", level="metric")["value"] == 1.0).all()
    kappas = result[result.index.get_level_values("metric") != "agreement"]
    assert kappas["value"].isna().all() and (kappas["reason"] == ONE_CLASS_USED).all()
    by_one = two_readers([0, 0, 0, 0], [0, 1, 0, 1])
    assert by_metric(by_one)["kappa"] == 0.0


def test_what_is_nan_has_a_reason():
    for table in (two_readers([0, 1], [0, 1]), made_up_readings(patients=1), made_up_readings(patients=2, levels=1)):
        result = reader_agreement(table, replicates=50)
        assert (result.loc[result["low"].isna(), "reason"] != "").all()
    single = reader_agreement(made_up_readings(patients=1), replicates=50)
    assert set(single["reason"]) == {"no interval: a single patient cannot be resampled"}


@given(
    pairs=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=12),
    order=st.permutations(range(3)),
    seed=st.integers(0, 9),
)
@settings(deadline=None, max_examples=15)
def test_order_of_rows_and_names_of_classes_do_not_matter(pairs, order, seed):
    first, second = zip(*pairs, strict=True)
    table = two_readers(first, second)
    expected = by_metric(table).to_dict()
    renamed = two_readers(first, second, names=[("zeta", "alpha", "mu")[place] for place in order])
    shuffled = table.sample(frac=1.0, random_state=seed)
    for other in (renamed, shuffled):
        assert by_metric(other).to_dict() == pytest.approx(expected, abs=1e-12, nan_ok=True)


@given(codes=st.lists(st.integers(0, 2), min_size=3, max_size=12).filter(lambda codes: len(set(codes)) > 1))
@settings(deadline=None, max_examples=10)
def test_identical_readers_agree_fully(codes):
    assert (by_metric(two_readers(codes, codes), classes=CLASSES, ordered=True) == 1.0).all()


def test_rows_in_another_order_give_the_same_table_to_the_last_digit():
    pd.testing.assert_frame_equal(
        reader_agreement(TABLE, replicates=50), reader_agreement(TABLE.sample(frac=1.0, random_state=1), replicates=50)
    )
