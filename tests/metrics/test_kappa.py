import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa as statsmodels_kappa

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.kappa import CHARGES, charges, cohens_kappa, kappa_from_matrix

CLASSES = ("a", "b", "c", "d")
RATINGS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30)


def named(codes):
    return [CLASSES[code] for code in codes]


@pytest.mark.filterwarnings("ignore:.*only one label in common", "ignore:invalid value")
@pytest.mark.parametrize("charge", CHARGES)
@given(pairs=RATINGS)
@settings(deadline=None, max_examples=40)
def test_scikit_learn_agrees(charge, pairs):
    first, second = zip(*pairs, strict=True)
    weights = None if charge == "plain" else charge
    expected = cohen_kappa_score(first, second, labels=[0, 1, 2, 3], weights=weights)
    found = cohens_kappa(named(first), named(second), classes=CLASSES, charge=charge)
    assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize(("charge", "wt"), [("plain", None), ("linear", "linear"), ("quadratic", "quadratic")])
def test_statsmodels_agrees(charge, wt):
    matrix = np.random.default_rng(0).integers(1, 20, (5, 5)).astype(float)
    assert kappa_from_matrix(matrix, charge=charge) == pytest.approx(statsmodels_kappa(matrix, wt=wt).kappa)


def test_by_hand():
    # Observed 0.7; expected 0.5 * 0.6 + 0.5 * 0.4 = 0.5.
    assert kappa_from_matrix(np.array([[20.0, 5.0], [10.0, 15.0]])) == pytest.approx(0.4)


@given(pairs=RATINGS, order=st.permutations(range(4)), seed=st.integers(0, 9))
@settings(deadline=None, max_examples=50)
def test_plain_kappa_knows_neither_the_order_of_classes_nor_of_items_nor_which_reader_is_first(pairs, order, seed):
    first, second = (np.array(side) for side in zip(*pairs, strict=True))
    kappa = cohens_kappa(named(first), named(second), classes=CLASSES)
    renamed = cohens_kappa(named(np.take(order, first)), named(np.take(order, second)), classes=CLASSES)
    shuffled = np.random.default_rng(seed).permutation(len(first))
    moved = cohens_kappa(named(second[shuffled]), named(first[shuffled]), classes=CLASSES)
    assert [renamed, moved] == pytest.approx([kappa, kappa], abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("charge", CHARGES)
@given(codes=st.lists(st.integers(0, 3), min_size=2, max_size=20).filter(lambda codes: len(set(codes)) > 1))
@settings(deadline=None, max_examples=25)
def test_identical_ratings_agree_fully(charge, codes):
    assert cohens_kappa(named(codes), named(codes), classes=CLASSES, charge=charge) == 1.0


@pytest.mark.parametrize("charge", CHARGES)
def test_undefined_only_where_both_use_one_and_the_same_class(charge):
    assert np.isnan(cohens_kappa(["b", "b"], ["b", "b"], classes=CLASSES, charge=charge))
    assert np.isnan(cohens_kappa([], [], classes=CLASSES, charge=charge))
    assert cohens_kappa(["b", "b"], ["b", "c"], classes=CLASSES, charge=charge) == 0.0
    assert cohens_kappa(["b", "b"], ["c", "c"], classes=CLASSES, charge=charge) == 0.0


def test_distance_counts_by_its_charge():
    near = (["a", "b", "c", "d", "a"], ["a", "b", "c", "d", "b"])
    far = (["a", "b", "c", "d", "a"], ["a", "b", "c", "d", "d"])
    plain = [cohens_kappa(*pair, classes=CLASSES) for pair in (near, far)]
    assert plain[0] == pytest.approx(plain[1])
    for charge in ("linear", "quadratic"):
        weighted = [cohens_kappa(*pair, classes=CLASSES, charge=charge) for pair in (near, far)]
        assert weighted[0] > weighted[1] + 0.1


def test_many_matrices_at_once():
    matrices = np.random.default_rng(1).integers(0, 5, (2, 7, 3, 3)).astype(float)
    together = kappa_from_matrix(matrices, charge="linear")
    each = [[kappa_from_matrix(matrix, charge="linear") for matrix in half] for half in matrices]
    np.testing.assert_allclose(together, each)


def test_refused():
    with pytest.raises(MetricError, match=r"shape.*\(2,\) and \(1,\)"):
        cohens_kappa(["a", "b"], ["a"], classes=CLASSES)
    with pytest.raises(MetricError, match="one of a, b, but c, x was found"):
        cohens_kappa(["a", "x"], ["c", "b"], classes=("a", "b"))
    with pytest.raises(MetricError, match="plain, linear, quadratic, but 'cubic'"):
        charges(3, charge="cubic")
