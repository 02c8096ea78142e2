import numpy as np
import pytest

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.auprc import auprc
from xattn_bmd.metrics.auroc import auroc


@pytest.mark.parametrize(("metric", "name"), [(auroc, "AUROC"), (auprc, "AUPRC")])
def test_what_does_not_pair_is_refused_by_name(metric, name):
    with pytest.raises(MetricError, match=rf"of an {name} have the same shape \(N,\), but \(2,\), \(3,\) and \(3,\)"):
        metric([True, False], [0.1, 0.2, 0.3])
    with pytest.raises(MetricError, match=r"\(2,\), \(2,\) and \(1,\)"):
        metric([True, False], [0.1, 0.2], weights=[1.0])
    with pytest.raises(MetricError, match=rf"scores of an {name} are finite"):
        metric([True, False], [0.1, np.nan])
