"""Make ``femur.npz``: the principal components of 26 proximal femora, with landmarks and cortical thickness.

Run ``python femur_asset.py --data FOLDER_WITH_SHAPES --out xattn_bmd/simulate/assets/femur.npz``.

Source: the 26 left femora of gias2 0.7.14 (MPL-2.0). Every femur is brought to the mean by a similarity transform
of its proximal part (so size leaves the components and is set by stature and sex instead), put with its head centre
at the origin, and decomposed. The components are only coordinates: the scores of the single femora are kept, and two
populations, of 16 and of the other 10 femora, are drawn from their own means and covariances.
Coordinates: x lateral, y posterior, z up, mm.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

PROXIMAL_MM = 255.0
MODES = 20
STEP_MM = 0.02
BENCHMARK = 16
"""Femora whose variation the benchmark's hips show; the others are kept for the bone encoder's own hips."""


def main() -> None:
    """Read the femora, decompose them and write the asset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    source = np.load(arguments.data / "gias2_left_femur_26.npz")
    template = np.load(arguments.data / "gias2_pelvis_template.npz")
    mean, faces = _proximal(source["vertices_mean"].astype(float), source["faces"])
    kept = _kept(source["vertices_mean"].astype(float), source["faces"])
    subjects = source["vertices_subjects"].astype(float)[:, kept]
    aligned, scales = _align(subjects, mean)
    centre, radius = _sphere(mean, template["mean_femoral_head_centre"])
    head = np.linalg.norm(mean - centre, axis=1) < radius + 1.5
    aligned = np.stack([bone - _sphere(bone, centre)[0] for bone in aligned])
    average = aligned.mean(axis=0)
    _, singular, components = np.linalg.svd((aligned - average).reshape(len(aligned), -1), full_matrices=False)
    sd = singular / np.sqrt(len(aligned) - 1)
    print(
        "SD of size among the 26:",
        scales.std(ddof=1).round(4),
        "variance kept:",
        (np.sum(sd[:MODES] ** 2) / np.sum(sd**2)).round(4),
        "head radius",
        radius,
    )
    modes = components[:MODES].reshape(MODES, -1, 3) * sd[:MODES, None, None]
    scores = ((aligned - average).reshape(len(aligned), -1) @ components[:MODES].T) / sd[:MODES]
    benchmark = np.sort(np.random.default_rng(0).permutation(len(aligned))[:BENCHMARK])
    print("left over, mm rms:", round(_rms(aligned, average, modes), 3))
    neck = _neck_ring(average, radius)
    step = np.abs(modes).max(axis=(1, 2)) / 32767
    np.savez_compressed(
        arguments.out,
        mean=np.round(average / STEP_MM).astype(np.int16),
        mean_step_mm=np.float32(STEP_MM),
        modes=np.round(modes / step[:, None, None]).astype(np.int16),
        scores=scores.astype(np.float32),
        benchmark=benchmark.astype(np.uint8),
        mode_step_mm=step.astype(np.float64),
        faces=faces.astype(np.uint16),
        head=np.flatnonzero(head).astype(np.uint16),
        neck=np.flatnonzero(neck).astype(np.uint16),
        head_radius_mm=np.float32(radius),
        cortex_mm=(np.round(_cortex(average, faces) / STEP_MM)).astype(np.uint16),
        cortex_step_mm=np.float32(STEP_MM),
        reconstruction_rms_mm=np.float32(_rms(aligned, average, modes)),
    )


def _kept(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    inside = vertices[:, 2] > vertices[:, 2].max() - PROXIMAL_MM
    return np.unique(faces[inside[faces].all(axis=1)])


def _proximal(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    kept = _kept(vertices, faces)
    new = np.full(len(vertices), -1)
    new[kept] = np.arange(len(kept))
    faces = new[faces]
    return vertices[kept], faces[(faces >= 0).all(axis=1)]


def _align(subjects: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    target = mean - mean.mean(axis=0)
    aligned, scales = [], []
    for bone in subjects:
        bone = bone - bone.mean(axis=0)
        u, s, vt = np.linalg.svd(bone.T @ target)
        sign = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
        scale = np.sum(s * np.diag(sign)) / np.sum(bone**2)
        aligned.append(scale * bone @ (u @ sign @ vt) + mean.mean(axis=0))
        scales.append(1 / scale)
    return np.stack(aligned), np.array(scales)


def _sphere(vertices: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, float]:
    centre, radius = np.asarray(start, float), 23.3
    for _ in range(8):
        away = vertices - centre
        distance = np.linalg.norm(away, axis=1)
        medial = (np.abs(distance - radius) < 2.5) & (away @ np.array([-0.7, 0.0, 0.7]) > -8)
        points = vertices[medial]
        solution = np.linalg.lstsq(np.c_[2 * points, np.ones(len(points))], np.sum(points**2, axis=1), rcond=None)[0]
        centre = solution[:3]
        radius = float(np.sqrt(solution[3] + centre @ centre))
    return centre, radius


def _neck_ring(vertices: np.ndarray, radius: float) -> np.ndarray:
    axis = np.array([0.75, 0.1, -0.65])
    for _ in range(20):
        axis /= np.linalg.norm(axis)
        along = vertices @ axis
        away = np.linalg.norm(vertices - along[:, None] * axis, axis=1)
        ring = (along > 0.75 * radius) & (along < 1.5 * radius) & (away < 1.05 * radius)
        axis = vertices[ring].mean(axis=0)
    print("neck axis", axis / np.linalg.norm(axis), "vertices", ring.sum())
    return ring


def _normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    cross = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for i in range(3):
        np.add.at(normals, faces[:, i], cross)
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def _cortex(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return a typical adult cortical thickness per vertex, mm (a modelling assumption, see README)."""
    x, _, z = vertices.T
    normal = _normals(vertices, faces)
    ramp = np.clip((-60.0 - z) / 75.0, 0.0, 1.0)
    shaft = 1.4 + 4.2 * ramp + 0.7 * ramp * np.clip(-normal[:, 0], 0, 1)
    thin = np.full(len(z), 0.95)
    inferior = np.clip(-normal @ np.array([0.55, 0.0, 0.83]), 0.0, 1.0)
    along = vertices @ np.array([0.72, 0.0, -0.69])
    calcar = np.exp(-(((along - 48.0) / 24.0) ** 2)) * (x < 48)
    neck = np.exp(-(((along - 34.0) / 14.0) ** 2))
    medial_shaft = np.clip(-normal[:, 0], 0, 1) * np.exp(-(((z + 72) / 26) ** 2)) * (x < 40)
    lateral = np.clip(normal[:, 0], 0, 1) * np.exp(-(((z + 66) / 24) ** 2))
    upper = thin + 0.35 * neck + 2.3 * calcar * inferior + 1.6 * medial_shaft + 1.2 * lateral
    return np.maximum(upper, shaft * (z < -60))


def _rms(aligned: np.ndarray, average: np.ndarray, modes: np.ndarray) -> float:
    flat = modes.reshape(len(modes), -1)
    unit = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    residual = (aligned - average).reshape(len(aligned), -1)
    residual = residual - (residual @ unit.T) @ unit
    return float(np.sqrt(np.mean(residual**2) * 3))


if __name__ == "__main__":
    main()
