import math

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as oracle

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.paired.mcnemar import MCNEMAR_CLUSTERED, MCNEMAR_EXACT, mcnemar


def outcomes(both, only_a, only_b, neither):
    a = np.repeat([True, True, False, False], [both, only_a, only_b, neither])
    b = np.repeat([True, False, True, False], [both, only_a, only_b, neither])
    return a, b


@pytest.mark.parametrize("cells", [(50, 12, 3, 10), (5, 1, 0, 0), (0, 4, 4, 0), (7, 0, 0, 2), (100, 30, 31, 5)])
def test_one_radiograph_each_is_the_exact_test(cells):
    a, b = outcomes(*cells)
    result = mcnemar(a, b, patients=range(len(a)))
    table = [[cells[0], cells[1]], [cells[2], cells[3]]]
    assert result.test == MCNEMAR_EXACT
    assert result.p == pytest.approx(oracle(table, exact=True).pvalue)
    assert result.difference == pytest.approx((cells[1] - cells[2]) / sum(cells))


def test_identical_repeats_give_the_test_without_continuity_correction():
    a, b = outcomes(50, 12, 3, 10)
    result = mcnemar([a, a], [b, b], patients=range(len(a)))
    assert result.test == MCNEMAR_CLUSTERED
    assert result.p == pytest.approx(oracle([[50, 12], [3, 10]], exact=False, correction=False).pvalue)


def test_several_radiographs_by_the_formula():
    # Patients x: right by a only in 2 of 3; y: 1 of 1; z: by b only in 1 of 2.  d = 2/3, 1, -1/2.
    a, b = [1, 1, 0, 1, 0, 1], [0, 0, 0, 0, 1, 1]
    result = mcnemar(a, b, patients=["x", "x", "x", "y", "z", "z"])
    statistic = (2 / 3 + 1 - 1 / 2) ** 2 / (4 / 9 + 1 + 1 / 4)
    assert result.p == pytest.approx(math.erfc(math.sqrt(statistic / 2)))
    assert result.difference == pytest.approx((2 / 3 + 1 - 1 / 2) / 3)


def test_copies_of_a_radiograph_add_no_evidence():
    a, b = outcomes(50, 12, 3, 10)
    twice = mcnemar(np.tile(a, 2), np.tile(b, 2), patients=np.tile(np.arange(75), 2))
    assert twice.p == pytest.approx(oracle([[50, 12], [3, 10]], exact=False, correction=False).pvalue)


@pytest.mark.parametrize("patients", [range(4), ["p", "p", "q", "q"]])
def test_no_discordant_pair(patients):
    assert mcnemar([1, 0, 1, 1], [1, 0, 1, 1], patients=patients)[:2] == (0.0, 1.0)


def test_no_radiograph_of_a_class():
    assert all(map(math.isnan, mcnemar(np.empty((2, 0)), np.empty((2, 0)), patients=[])[:2]))


def test_shapes_must_agree():
    with pytest.raises(MetricError, match="pair them"):
        mcnemar([True, False], [True, False], patients=range(3))
