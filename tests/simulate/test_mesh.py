import numpy as np
import pytest
from scipy.spatial import ConvexHull

from xattn_bmd.simulate.mesh import Mesh, ray_thickness


def sphere(radius, centre, points=6000):
    """A closed triangulated sphere with outward winding."""
    turn = np.pi * (1 + 5**0.5) * np.arange(points)
    z = 1 - (2 * np.arange(points) + 1) / points
    unit = np.stack([np.sqrt(1 - z * z) * np.cos(turn), np.sqrt(1 - z * z) * np.sin(turn), z], axis=1)
    faces = ConvexHull(unit).simplices
    corners = unit[faces]
    inward = np.linalg.det(corners) < 0
    faces[inward] = faces[inward][:, ::-1]
    return unit * radius + np.asarray(centre, float), faces


def test_thickness_of_a_sphere_matches_the_chord():
    vertices, faces = sphere(20.0, (31.3, 30.7, 5.0))
    column, row = np.meshgrid(np.arange(64), np.arange(64))
    squared = 20.0**2 - (column - 31.3) ** 2 - (row - 30.7) ** 2
    chord = 2 * np.sqrt(np.maximum(squared, 0))
    inside = squared > 15
    found = ray_thickness(vertices, faces, shape=(64, 64))
    assert np.abs(found - chord)[inside].max() < 0.4
    assert np.all(found[squared < -5] == 0)


def test_thickness_ignores_winding_and_what_lies_outside_the_picture():
    vertices, faces = sphere(20.0, (2.0, 60.0, 0.0))
    whole = ray_thickness(vertices + np.array([30, 0, 0]), faces, shape=(128, 128))
    cut = ray_thickness(vertices, faces, shape=(128, 98))
    np.testing.assert_allclose(cut, whole[:, 30:], atol=1e-4)
    np.testing.assert_allclose(ray_thickness(vertices, faces[:, ::-1], shape=(128, 98)), cut, atol=1e-4)


def test_volume_is_conserved():
    vertices, faces = sphere(20.0, (31.3, 30.7, 5.0))
    assert ray_thickness(vertices, faces, shape=(64, 64)).sum() == pytest.approx(4 / 3 * np.pi * 20**3, rel=0.01)


def test_two_bodies_add_up():
    first, faces = sphere(10.0, (30, 30, 0))
    second, _ = sphere(10.0, (30, 30, 50))
    both = ray_thickness(np.vstack([first, second]), np.vstack([faces, faces + len(first)]), shape=(64, 64))
    np.testing.assert_allclose(both, 2 * ray_thickness(first, faces, shape=(64, 64)), atol=1e-3)


def test_endosteal_surface_lies_inside_by_the_cortical_thickness():
    vertices, faces = sphere(20.0, (0, 0, 0))
    inner = Mesh(vertices, faces, np.full(len(vertices), 3.0)).endosteal(0.5)
    np.testing.assert_allclose(np.linalg.norm(inner, axis=1), 18.5, atol=0.1)
