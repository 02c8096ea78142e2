"""Published implementations, called as tests need them."""

from unittest import mock

from statsmodels.stats.multitest import multipletests


def statsmodels_holm(p):
    """Return p values adjusted by Holm's method, without the search for garbage that statsmodels makes each time."""
    with mock.patch("gc.collect"):
        return multipletests(p, method="holm")[1]
