import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xattn_bmd.bone.qct import qct_class
from xattn_bmd.bone.reference import QCT_SPINE
from xattn_bmd.bone.tscore import WHO_THRESHOLDS, density_at, is_low_density
from xattn_bmd.errors import ConfigError


def test_edges_are_low():
    values = [0.0, 79.999, 80.0, 100.0, 120.0, 120.001, np.nan]
    assert qct_class(values).tolist() == ["osteoporosis", "osteoporosis", "low", "low", "low", "normal", "unknown"]


@given(st.floats(-50, 400) | st.sampled_from([80.0, 120.0, 79.999, 120.001]))
def test_the_scale_of_the_tables_has_the_edges_of_the_classes(density):
    low, worse = (bool(is_low_density(density, reference=QCT_SPINE, threshold=t)) for t in WHO_THRESHOLDS)
    near_edge = min(abs(density - edge) for edge in (80, 120))
    if near_edge == 0 or near_edge > 1e-4:  # closer, it counts as on the edge
        expected = {"normal": (False, False), "low": (True, False), "osteoporosis": (True, True)}
        assert (low, worse) == expected[str(qct_class(density))]


def test_minus_1_and_minus_2_5_stand_for_the_cut_offs():
    np.testing.assert_allclose(density_at(WHO_THRESHOLDS, reference=QCT_SPINE), (120, 80))
    assert QCT_SPINE.unit == "mg/cm3" and "no population" in QCT_SPINE.source
    with pytest.raises(ConfigError, match="threshold"):
        is_low_density(100, reference=QCT_SPINE, threshold=float("nan"))
