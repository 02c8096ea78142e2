import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xattn_bmd.bone.reference import REFERENCES, get_reference
from xattn_bmd.bone.tscore import density_at, is_low, t_score, who_class
from xattn_bmd.errors import ConfigError

LUNAR = get_reference("lunar_femoral_neck_white_female")


@given(density=st.floats(0.3, 1.6))
def test_lunar_t_score_is_the_published_formula(density):
    published = (((-0.023 + 0.939 * density - 0.019) / 1.087) - 0.858) / 0.120
    assert float(t_score(density, reference=LUNAR)) == pytest.approx(published, abs=1e-9)


@pytest.mark.parametrize("reference", REFERENCES.values(), ids=REFERENCES)
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_a_density_on_an_edge_has_the_class_of_the_edge(reference, kind):
    edges = density_at([-1.0, -2.5], reference=reference).astype(kind)
    assert who_class(t_score(edges, reference=reference)).tolist() == ["normal", "osteoporosis"]


def test_classes_and_missing():
    assert who_class([0.0, -1.001, -2.499, -3.0, np.nan]).tolist() == [
        "normal",
        "osteopenia",
        "osteopenia",
        "osteoporosis",
        "unknown",
    ]
    assert who_class(-1.0) == "normal"


@given(t=st.floats(-6, 4))
def test_low_agrees_with_the_classes(t):
    assert bool(is_low(t, threshold=-1.0)) == (who_class(t) != "normal")
    assert bool(is_low(t, threshold=-2.5)) == (who_class(t) == "osteoporosis")


def test_any_other_threshold_includes_its_edge():
    assert is_low([-1.99, -2.0, -2.1], threshold=-2.0).tolist() == [False, True, True]
    with pytest.raises(ConfigError, match=r"such as -1 or -2.5, but nan"):
        is_low([0.0], threshold=float("nan"))


def test_bone_imports_numpy_only():
    code = "import sys, xattn_bmd.bone.tscore; print([m for m in ('torch', 'pandas', 'scipy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
