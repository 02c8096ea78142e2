"""Seeds depend on the name of the stream alone."""

from hypothesis import given
from hypothesis import strategies as st

from xattn_bmd.seeds import derive_seed


@given(st.integers(0, 2**40), st.text(max_size=8), st.integers(0, 99))
def test_seed_is_stable_and_fits_32_bits(seed, name, fold):
    value = derive_seed(seed, name, fold)
    assert value == derive_seed(seed, name, fold)
    assert 0 <= value < 2**32


def test_fold_1_of_repeat_10_is_not_fold_10_of_repeat_1():
    assert derive_seed(0, "xattn", 1, 10) != derive_seed(0, "xattn", 11, 0)
    assert derive_seed(0, "a", "bc") != derive_seed(0, "ab", "c")


def test_known_value_never_changes():
    assert derive_seed(0, "xattn", 0, 3) == derive_seed(0, "xattn", 0, 3) != derive_seed(1, "xattn", 0, 3)
