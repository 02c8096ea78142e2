import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.surface import surface_distance


def brute(found, drawn, spacing):
    """Every surface voxel against every other, the surface by looking at each neighbour."""

    def surface(region):
        around = np.pad(region, 1)
        inner = region.copy()
        for axis in range(region.ndim):
            for step in (-1, 1):
                middle = tuple(slice(1, -1) for _ in range(region.ndim))
                inner &= np.roll(around, step, axis)[middle]
        return np.argwhere(region & ~inner) * np.array(spacing)

    one, other = surface(found), surface(drawn)
    apart = np.linalg.norm(one[:, None] - other[None], axis=-1)
    there, back = apart.min(axis=1), apart.min(axis=0)
    return (there.sum() + back.sum()) / (len(there) + len(back)), max(np.percentile(there, 95), np.percentile(back, 95))


regions = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).random((4, 5, 6)) < 0.4)


@settings(max_examples=40, deadline=None)
@given(regions, regions, st.tuples(*[st.floats(0.3, 5)] * 3))
def test_equals_brute_force(found, drawn, spacing):
    found[0, 0, 0] = drawn[3, 4, 5] = True
    assert surface_distance(found, drawn, spacing_mm=spacing) == pytest.approx(brute(found, drawn, spacing), rel=1e-9)


def test_equals_monai():
    metrics = pytest.importorskip("monai.metrics")
    rng = np.random.default_rng(0)
    place = np.stack(np.meshgrid(*map(np.arange, (12, 20, 24)), indexing="ij"), axis=-1)
    drawn = np.linalg.norm((place - [6, 10, 12]) / [4, 7, 8], axis=-1) < 1
    found = (np.linalg.norm((place - [6, 11, 13]) / [4, 6, 8], axis=-1) < 1) | (rng.random(drawn.shape) < 0.001)
    one, other = (torch.from_numpy(each)[None, None] for each in (found, drawn))
    spacing = (3.0, 0.8, 1.1)
    ours = surface_distance(found, drawn, spacing_mm=spacing)
    assd = metrics.compute_average_surface_distance(
        one, other, include_background=True, symmetric=True, spacing=spacing
    )
    hd95 = metrics.compute_hausdorff_distance(one, other, include_background=True, percentile=95, spacing=spacing)
    assert ours.assd == pytest.approx(float(assd), rel=1e-4)
    assert ours.hd95 == pytest.approx(float(hd95), rel=1e-4)


def test_by_hand():
    """Two plates of one voxel, three slices of 2 mm apart."""
    found, drawn = np.zeros((6, 3, 3), bool), np.zeros((6, 3, 3), bool)
    found[1], drawn[4] = True, True
    assert surface_distance(found, drawn, spacing_mm=(2.0, 1.0, 1.0)) == (6.0, 6.0)
    assert surface_distance(drawn, drawn, spacing_mm=(2.0, 1.0, 1.0)) == (0.0, 0.0)
    assert np.isnan(surface_distance(found, np.zeros_like(found), spacing_mm=(2.0, 1.0, 1.0))).all()


@pytest.mark.parametrize(
    ("found", "spacing"),
    [
        (np.zeros((2, 2, 3), bool), (1.0, 1.0, 1.0)),
        (np.zeros((2, 2, 2)), (1.0, 1.0, 1.0)),
        (np.zeros((2, 2, 2), bool), (1.0, 1.0)),
        (np.zeros((2, 2, 2), bool), (1.0, 0.0, 1.0)),
        (np.zeros((2, 2, 2), bool), (1.0, float("nan"), 1.0)),
    ],
)
def test_faults(found, spacing):
    with pytest.raises(MetricError):
        surface_distance(found, np.zeros((2, 2, 2), bool), spacing_mm=spacing)
