"""The proximal femur: sampled from the principal components of 26 real ones."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.assets import load_arrays
from xattn_bmd.simulate.mesh import Floats, Mesh
from xattn_bmd.simulate.presets import Femora

MODE_LIMIT_SD = 2.0
_MEAN_STATURE_CM = 170.0


@dataclass(frozen=True)
class FemurModel:
    """Mean, components and landmarks of the proximal left femur, head centre at the origin.

    Attributes:
        mean: ``(N, 3)`` mm.
        modes: ``(M, N, 3)`` displacement of one SD of each component of all 26 femora, mm.
        scores: ``(26, M)`` of the single femora, SD.
        benchmark: ``(16,)`` which of them are the benchmark's.
        faces: ``(F, 3)``.
        cortex: ``(N,)`` typical cortical thickness, mm.
        head: indices of the vertices on the femoral head.
        neck: indices of the vertices around the femoral neck.
        head_radius: of the mean femur, mm.
    """

    mean: Floats
    modes: Floats
    scores: Floats
    benchmark: NDArray[np.int64]
    faces: NDArray[np.int64]
    cortex: Floats
    head: NDArray[np.int64]
    neck: NDArray[np.int64]
    head_radius: float


@dataclass(frozen=True)
class Femur:
    """One left femur in the pose of a DXA scan: neck parallel to the table, head centre at the origin.

    Attributes:
        mesh: surface and typical cortical thickness.
        head_radius: mm.
        neck_axis: unit vector from the head centre through the neck, ``(3,)``; its y is 0.
        anteversion: angle by which the bone was turned about its shaft to lay the neck flat, degrees.
    """

    mesh: Mesh
    head_radius: float
    neck_axis: Floats
    anteversion: float


@functools.cache
def femur_model() -> FemurModel:
    """Return the stored shape model.

    Raises:
        SimulationError: where the stored file is missing or damaged.
    """
    stored = load_arrays("femur.npz")
    try:
        return FemurModel(
            mean=stored["mean"] * float(stored["mean_step_mm"]),
            modes=stored["modes"] * stored["mode_step_mm"][:, None, None],
            scores=stored["scores"].astype(np.float64),
            benchmark=stored["benchmark"].astype(np.int64),
            faces=stored["faces"].astype(np.int64),
            cortex=stored["cortex_mm"] * float(stored["cortex_step_mm"]),
            head=stored["head"].astype(np.int64),
            neck=stored["neck"].astype(np.int64),
            head_radius=float(stored["head_radius_mm"]),
        )
    except KeyError as cause:
        raise SimulationError(
            f"femur.npz must hold the array {cause}, but the installed file lacks it; reinstall xattn-bmd."
        ) from cause


@functools.cache
def population(femora: Femora) -> tuple[Floats, Floats]:
    """Return the mean ``(M,)`` and the principal components ``(K, M)`` of some of the femora, as component scores.

    Args:
        femora: which of them; ``K`` is one less than their number.

    Example:
        >>> population("pretraining")[1].shape
        (9, 20)
    """
    model = femur_model()
    chosen = np.isin(np.arange(len(model.scores)), model.benchmark) == (femora == "benchmark")
    # stored, not decomposed anew: ten variances are equal, and there the result is up to the processor's rounding
    components: Floats = load_arrays("populations.npz")[femora]
    return model.scores[chosen].mean(axis=0), components


def sample_femur(rng: np.random.Generator, *, height_cm: float, sex: str, femora: Femora = "benchmark") -> Femur:
    """Draw one femur from the population that some real bones span.

    Components are independent normal deviates cut at +-2 SD. Size follows stature and sex: a femoral head of about
    44 mm in women of 160 cm and 50 mm in men of 174 cm.

    Args:
        rng: the only source of randomness.
        height_cm: stature.
        sex: ``"female"`` or ``"male"``.
        femora: the real bones.

    Example:
        >>> bone = sample_femur(np.random.default_rng(0), height_cm=160.0, sex="female")
        >>> 19 < bone.head_radius < 25
        True
    """
    mean, components = population(femora)
    deviates = rng.standard_normal(len(components))
    while np.any(outside := np.abs(deviates) > MODE_LIMIT_SD):
        deviates[outside] = rng.standard_normal(int(outside.sum()))
    scores = mean + np.einsum("k,km->m", deviates, components)
    size = (height_cm / _MEAN_STATURE_CM) ** 0.7 * (1.045 if sex == "male" else 0.985) * np.exp(rng.normal(0, 0.025))
    return build_femur(scores, size=float(size))


def build_femur(scores: Floats, *, size: float = 1.0) -> Femur:
    """Return the femur with given component scores, laid in the pose of a DXA scan.

    Args:
        scores: ``(M,)`` in SD.
        size: relative to the mean of the 26 femora.
    """
    model = femur_model()
    vertices = size * (model.mean + np.einsum("m,mnd->nd", scores, model.modes))
    vertices -= vertices[model.head].mean(axis=0) - size * model.mean[model.head].mean(axis=0)
    neck = vertices[model.neck].mean(axis=0)
    angle = float(np.arctan2(neck[1], neck[0]))
    vertices = turn(vertices, about="z", degrees=-np.degrees(angle))
    axis = vertices[model.neck].mean(axis=0)
    return Femur(
        mesh=Mesh(vertices, model.faces, model.cortex * size),
        head_radius=model.head_radius * size,
        neck_axis=axis / np.sqrt(np.sum(axis**2)),
        anteversion=float(np.degrees(angle)),
    )


@functools.cache
def canonical_coordinates() -> Floats:
    """Return x and z of the mean femur's vertices in the pose of a DXA scan, ``(N, 2)``, mm."""
    return build_femur(np.zeros(len(femur_model().modes))).mesh.vertices[:, [0, 2]]


def turn(vertices: Floats, *, about: str, degrees: float) -> Floats:
    """Return vertices ``(N, 3)`` turned about a world axis through the origin, right-handed."""
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[about]
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turned = vertices.copy()
    turned[:, first] = cos * vertices[:, first] - sin * vertices[:, second]
    turned[:, second] = sin * vertices[:, first] + cos * vertices[:, second]
    return turned
