"""Cone-beam geometry: from world coordinates to the pixels of the detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.simulate.mesh import Floats


@dataclass(frozen=True, kw_only=True)
class Beam:
    """One exposure: the source in front of the patient, the detector behind, the left femoral head at the origin.

    Attributes:
        size: rows and columns of the picture.
        spacing_mm: pixel pitch on the detector.
        source_detector_mm: distance from focus to detector.
        source_hip_mm: distance from focus to the coronal plane of the femoral head.
        centre_mm: x and z of the point in that plane that the central ray meets.
    """

    size: int
    spacing_mm: float
    source_detector_mm: float
    source_hip_mm: float
    centre_mm: tuple[float, float]

    @property
    def magnification(self) -> float:
        """Magnification in the coronal plane of the femoral head."""
        return self.source_detector_mm / self.source_hip_mm

    def project(self, vertices: Floats) -> Floats:
        """Return column (pixels), row (pixels) and depth (mm) of points ``(N, 3)``; exact perspective per point.

        Example:
            >>> beam = Beam(size=101, spacing_mm=1.0, source_detector_mm=1100.0, source_hip_mm=1000.0, centre_mm=(0, 0))
            >>> beam.project(np.array([[10.0, 0.0, 20.0]])).round(6).tolist()
            [[61.0, 28.0, 0.0]]
        """
        scale = self.source_detector_mm / (self.source_hip_mm + vertices[:, 1]) / self.spacing_mm
        middle = (self.size - 1) / 2
        column = middle + (vertices[:, 0] - self.centre_mm[0]) * scale
        row = middle - (vertices[:, 2] - self.centre_mm[1]) * scale
        return np.stack([column, row, vertices[:, 1]], axis=1)

    def plane_axes(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return x of every column ``(1, W)`` and z of every row ``(H, 1)`` in the plane of the femoral head, mm."""
        offset = (np.arange(self.size) - (self.size - 1) / 2) * self.spacing_mm / self.magnification
        x = (self.centre_mm[0] + offset)[None, :].astype(np.float32)
        z = (self.centre_mm[1] - offset)[:, None].astype(np.float32)
        return x, z

    def obliquity(self) -> NDArray[np.float32]:
        """Return the factor ``(H, W)`` by which a ray's path exceeds its depth; at most about 1.02."""
        offset = (np.arange(self.size) - (self.size - 1) / 2) * self.spacing_mm / self.source_detector_mm
        return np.sqrt(1 + offset[None, :] ** 2 + offset[:, None] ** 2).astype(np.float32)
