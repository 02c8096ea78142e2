import numpy as np

from xattn_bmd.bone.qct import qct_class


def test_edges_are_low():
    values = [0.0, 79.999, 80.0, 100.0, 120.0, 120.001, np.nan]
    assert qct_class(values).tolist() == ["osteoporosis", "osteoporosis", "low", "low", "low", "normal", "unknown"]
