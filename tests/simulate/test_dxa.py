import numpy as np
import pytest

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate import dxa
from xattn_bmd.simulate.dxa import BOX_LENGTH_MM, CORTICAL_MINERAL, mineralise
from xattn_bmd.simulate.femur import sample_femur
from xattn_bmd.simulate.mesh import ray_thickness
from xattn_bmd.simulate.trabeculae import carry_pattern, trabecular_pattern


@pytest.fixture(scope="module")
def femur():
    return sample_femur(np.random.default_rng(3), height_cm=165, sex="female")


@pytest.fixture(scope="module")
def pattern():
    return trabecular_pattern(np.random.default_rng(4), z_score=0.0)


def fill(femur, pattern, *, bmd=0.85, share=0.47):
    return mineralise(femur, bmd=bmd, cortical_share=share, shaft_factor=1.0, pattern=pattern)


@pytest.mark.parametrize("bmd", [0.45, 0.7, 0.9, 1.2, 1.5])
def test_an_independent_scan_reads_the_density_of_the_person(femur, pattern, bmd):
    mineral = fill(femur, pattern, bmd=bmd)
    shape, scale = (300, 260), 2.0
    view = np.stack(
        [
            scale * (femur.mesh.vertices[:, 0] + 40),
            scale * (38 - femur.mesh.vertices[:, 2]),
            femur.mesh.vertices[:, 1],
        ],
        axis=1,
    )
    endosteal = femur.mesh.endosteal(mineral.cortical_factor)
    inside = np.stack([scale * (endosteal[:, 0] + 40), scale * (38 - endosteal[:, 2]), endosteal[:, 1]], axis=1)
    outer = ray_thickness(view, femur.mesh.faces, shape=shape)
    inner = np.minimum(ray_thickness(inside, femur.mesh.faces, shape=shape), outer)
    spongy = mineral.trabecular * carry_pattern(pattern, view, inner > 0)
    areal = (CORTICAL_MINERAL * (outer - inner) + spongy * inner) / 10
    x, z = np.arange(260)[None, :] / scale - 40, 38 - np.arange(300)[:, None] / scale
    along = x * femur.neck_axis[0] + z * femur.neck_axis[2]
    across = -x * femur.neck_axis[2] + z * femur.neck_axis[0]
    box = mineral.box
    inside_box = (np.abs(along - box.distance) < BOX_LENGTH_MM / 2) & (across < box.above) & (across > -box.below)
    assert areal[inside_box & (outer > 0)].mean() == pytest.approx(bmd, rel=0.03)
    assert mineral.neck_bmd == pytest.approx(bmd, rel=1e-9)


def test_the_cortex_holds_the_share_asked_for(femur, pattern):
    for share in (0.35, 0.5, 0.6):
        assert fill(femur, pattern, share=share).cortical_share == pytest.approx(share, abs=0.02)


def test_density_is_not_one_global_scale(femur, pattern):
    thin, thick = fill(femur, pattern, share=0.38), fill(femur, pattern, share=0.58)
    assert thin.neck_bmd == pytest.approx(thick.neck_bmd)
    assert thin.trabecular > 1.2 * thick.trabecular
    assert thin.cortical_factor.max() < thick.cortical_factor.max()


def test_the_box_lies_beside_the_head_across_the_whole_neck(femur, pattern):
    box = fill(femur, pattern).box
    assert box.distance > femur.head_radius + 0.3 * BOX_LENGTH_MM
    assert 22 < box.above + box.below < 50


@pytest.mark.parametrize("bmd", [0.0, -0.5, float("nan"), float("inf")])
def test_an_impossible_density_is_refused(femur, pattern, bmd):
    with pytest.raises(SimulationError, match="positive density"):
        fill(femur, pattern, bmd=bmd)


def test_a_density_below_the_thinnest_cortex_is_refused(femur, pattern):
    with pytest.raises(SimulationError, match="too low"):
        fill(femur, pattern, bmd=0.02)


def test_an_unread_box_would_be_noticed(femur, pattern, monkeypatch):
    """Planted fault: mineral scaled to another density must not read as the person's."""
    honest = fill(femur, pattern, bmd=0.8)
    monkeypatch.setattr(dxa, "CORTICAL_MINERAL", 2 * CORTICAL_MINERAL)
    assert fill(femur, pattern, bmd=0.8).cortical_factor.max() < 0.75 * honest.cortical_factor.max()
