import numpy as np
import pytest

from xattn_bmd.simulate.femur import MODE_LIMIT_SD, build_femur, femur_model, population, sample_femur, turn
from xattn_bmd.simulate.mesh import vertex_normals


def test_the_stored_model_has_its_modes_in_order_and_is_small():
    model = femur_model()
    spread = np.sqrt((model.modes**2).sum(axis=(1, 2)))
    assert len(model.modes) == 20
    assert np.all(np.diff(spread) < 0)
    assert 20 < model.head_radius < 26
    assert model.cortex.min() > 0.5 and model.cortex.max() < 9


@pytest.mark.parametrize("mode", range(20))
@pytest.mark.parametrize("sign", [-1, 1])
def test_every_mode_at_its_limit_is_still_a_femur(mode, sign):
    scores = np.zeros(20)
    scores[mode] = sign * MODE_LIMIT_SD
    bone, mean = build_femur(scores), build_femur(np.zeros(20))
    distance = np.linalg.norm(bone.mesh.vertices - mean.mesh.vertices, axis=1)
    assert distance.max() < 25
    normals = vertex_normals(bone.mesh.vertices, bone.mesh.faces)
    assert np.mean(np.sum(normals * vertex_normals(mean.mesh.vertices, mean.mesh.faces), axis=1)) > 0.97


def test_the_neck_lies_flat_in_the_pose_of_a_scan():
    bone = sample_femur(np.random.default_rng(0), height_cm=170, sex="male")
    assert bone.neck_axis[1] == pytest.approx(0, abs=1e-9)
    assert bone.neck_axis[0] > 0.4 and bone.neck_axis[2] < -0.4


def test_size_follows_stature_and_sex():
    def mean_radius(height, sex):
        return np.mean(
            [sample_femur(np.random.default_rng(s), height_cm=height, sex=sex).head_radius for s in range(20)]
        )

    women, men = mean_radius(160.0, "female"), mean_radius(174.0, "male")
    assert 20.5 < women < 23.0 and 23.0 < men < 26.0
    assert mean_radius(150.0, "female") < women


def test_two_draws_differ_and_the_same_seed_repeats():
    first, again, other = (sample_femur(np.random.default_rng(s), height_cm=165, sex="female") for s in (1, 1, 2))
    assert np.array_equal(first.mesh.vertices, again.mesh.vertices)
    assert not np.allclose(first.mesh.vertices, other.mesh.vertices)


def test_turning_keeps_lengths_and_returns():
    points = np.random.default_rng(0).normal(size=(5, 3))
    for axis in "xyz":
        turned = turn(points, about=axis, degrees=30)
        np.testing.assert_allclose(np.linalg.norm(turned, axis=1), np.linalg.norm(points, axis=1))
        np.testing.assert_allclose(turn(turned, about=axis, degrees=-30), points)


@pytest.mark.parametrize("femora, bones", [("benchmark", 16), ("pretraining", 10)])
def test_a_population_has_the_mean_and_covariance_of_its_own_femora(femora, bones):
    model = femur_model()
    own = np.isin(np.arange(26), model.benchmark) == (femora == "benchmark")
    mean, components = population(femora)
    assert own.sum() == bones and components.shape == (bones - 1, 20)
    np.testing.assert_allclose(mean, model.scores[own].mean(axis=0))
    np.testing.assert_allclose(components.T @ components, np.cov(model.scores[own].T), atol=1e-9)


def test_no_femur_is_in_both_populations():
    """Every bone of one population lies in the span of its own bones, and none of the other's does."""

    def outside(femora, scores):
        mean, components = population(femora)
        unit = components / np.linalg.norm(components, axis=1, keepdims=True)
        away = scores - mean
        return np.linalg.norm(away - away @ unit.T @ unit, axis=1)

    model = femur_model()
    own = np.isin(np.arange(26), model.benchmark)
    assert outside("benchmark", model.scores[own]).max() < 1e-5 < 0.1 < outside("benchmark", model.scores[~own]).min()
    assert (
        outside("pretraining", model.scores[~own]).max() < 1e-5 < 0.1 < outside("pretraining", model.scores[own]).min()
    )


def test_the_population_decides_the_bone():
    first, second = (
        sample_femur(np.random.default_rng(0), height_cm=165, sex="female", femora=femora)
        for femora in ("benchmark", "pretraining")
    )
    assert not np.allclose(first.mesh.vertices, second.mesh.vertices, atol=0.5)
