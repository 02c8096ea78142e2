"""Mean HU in trabecular bone as a density, with and without a calibration phantom: the classical measurement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.bone.calibration import NOMINAL_LINE, DensityLine, fit_density_line
from xattn_bmd.bone.phantom import HA_PHANTOM, CalibrationPhantom
from xattn_bmd.bone.qct import qct_class
from xattn_bmd.data.volumes.hounsfield import ValueRange, require_hounsfield
from xattn_bmd.data.volumes.rods import find_rods
from xattn_bmd.data.volumes.trabecular import METAL_HU, METAL_MARGIN_MM, Mask, trabecular_region
from xattn_bmd.errors import VolumeError
from xattn_bmd.types import LabelMap, Volume

Calibration = Literal["phantom", "phantom_or_assumed", "assumed"]

_LEAST_ML = 0.5
_LEAST_HU = -150.0


@dataclass(frozen=True, kw_only=True)
class LevelDensity:
    """Trabecular bone of one vertebra.

    Attributes:
        density: mg/cm³.
        hu: mean HU.
        sd: standard deviation over its voxels, HU.
        volume_ml: size of the region.
    """

    density: float
    hu: float
    sd: float
    volume_ml: float


@dataclass(frozen=True, kw_only=True)
class MeasuredDensity:
    """Trabecular density of one scan.

    Attributes:
        density: mean of the levels, mg/cm³.
        qct_class: ``normal``, ``low`` or ``osteoporosis``, by 120 and 80 mg/cm³.
        levels: each vertebra.
        line: from HU to mg/cm³.
        calibrated: whether a phantom gave the line; else it was assumed.
        steps: what was done, in words.
    """

    density: float
    qct_class: str
    levels: dict[str, LevelDensity]
    line: DensityLine
    calibrated: bool
    steps: tuple[str, ...]


def measure_density(
    volume: Volume,
    labels: LabelMap,
    *,
    levels: Mapping[str, int],
    calibration: Calibration = "phantom",
    phantom: CalibrationPhantom = HA_PHANTOM,
    assumed: DensityLine = NOMINAL_LINE,
    margin_mm: float = 4.0,
) -> MeasuredDensity:
    """Measure trabecular density as quantitative CT does: mean HU in eroded vertebral bodies, through a line to mg/cm³.

    Args:
        volume: HU.
        labels: on its voxels; bodies, or whole vertebrae.
        levels: which vertebrae, by name, and their labels, as ``{"L1": 31, "L2": 30}``.
        calibration: ``"phantom"`` asks for one in the field; ``"phantom_or_assumed"`` falls back to the assumed line
            and says so; ``"assumed"`` looks for none.
        phantom: which one.
        assumed: line of a scanner without phantom; hydroxyapatite at 120 kVp unless stated.
        margin_mm: how far the region keeps from the surface of the bodies.

    Returns:
        the density with its class, each level, the line and the steps.

    Raises:
        VolumeError: if no phantom is found that was asked for; if a level is not shown, lies in air or fat, or nothing
            of it is left beside metal; if the values are not HU, or labels lie on another grid.

    Example:
        >>> hu = np.full((9, 20, 20), -1000.0, dtype=np.float32)
        >>> hu[:, 4:14, 4:14] = 132.8
        >>> marks = np.zeros(hu.shape, dtype=np.uint16)
        >>> marks[:, 4:14, 4:14] = 1
        >>> volume = Volume(hu, (3.0, 2.0, 2.0), np.eye(4), ())
        >>> labels = LabelMap(marks, {"L1": 1}, volume.spacing_mm, volume.affine, ())
        >>> found = measure_density(volume, labels, levels={"L1": 1}, calibration="assumed")
        >>> round(found.density, 1), found.qct_class, found.calibrated
        (100.0, 'low', False)
    """
    _require_same_grid(volume, labels)
    _require_units(volume)
    if not levels:
        raise VolumeError("A density is measured in one vertebra or more, but levels is empty; name some.")
    regions = {
        name: _region(volume, labels, name=name, label=label, margin_mm=margin_mm) for name, label in levels.items()
    }
    shown = np.flatnonzero(np.logical_or.reduce([region.any(axis=(1, 2)) for region in regions.values()]))
    line, calibrated, how = _line(
        volume, calibration, phantom=phantom, assumed=assumed, slices=(int(shown[0]), int(shown[-1]) + 1)
    )
    measured = {name: _level(volume, region, name=name, line=line) for name, region in regions.items()}
    density = float(np.mean([level.density for level in measured.values()]))
    return MeasuredDensity(
        density=density,
        qct_class=str(qct_class(density)),
        levels=measured,
        line=line,
        calibrated=calibrated,
        steps=(
            f"trabecular region: more than {margin_mm:g} mm below the surface, more than {METAL_MARGIN_MM:g} mm from "
            f"voxels of {METAL_HU:g} HU and above",
            how,
        ),
    )


def _require_same_grid(volume: Volume, labels: LabelMap) -> None:
    if labels.labels.shape != volume.voxels.shape:
        raise VolumeError(
            f"Labels lie on the voxels of their volume, but they have {labels.labels.shape} and the volume "
            f"{volume.voxels.shape}; give the labels of this scan."
        )


def _require_units(volume: Volume) -> None:
    """Refuse values that are no HU: stored numbers, normalised values, or densities, whose air is above -930."""
    part: NDArray[np.float32] = np.asarray(volume.voxels[:: max(1, volume.voxels.shape[0] // 40)], dtype=np.float32)
    finite = np.isfinite(part)
    lowest, highest = (float(part[finite].min()), float(part[finite].max())) if finite.any() else (np.inf, -np.inf)
    broken = int(part.size - np.count_nonzero(finite))
    found = ValueRange(lowest, highest, voxels=part.size, floored=0, broken=broken)
    require_hounsfield(found, name="the volume")
    if lowest > -930 and np.count_nonzero(part < -400) > 0.01 * part.size:
        raise VolumeError(
            f"A CT volume holds Hounsfield units (air -1000), but its air reads {lowest:.0f}: it looks like densities "
            "in mg/cm³; give the scan before calibration."
        )


def _region(volume: Volume, labels: LabelMap, *, name: str, label: int, margin_mm: float) -> Mask:
    body: Mask = labels.labels == label
    if not body.any():
        raise VolumeError(
            f"The density of {name} needs its bone in the field, but no voxel has its label {label}; name levels that "
            "the scan shows."
        )
    region = trabecular_region(volume, body, margin_mm=margin_mm)
    size = float(np.count_nonzero(region)) * float(np.prod(volume.spacing_mm)) / 1000
    if size < _LEAST_ML:
        raise VolumeError(
            f"A density needs at least {_LEAST_ML} ml of trabecular bone, but {name} has {size:.2f} ml "
            f"{margin_mm:g} mm below its surface and {METAL_MARGIN_MM:g} mm from metal; name another level, or a "
            "smaller margin."
        )
    return region


def _line(
    volume: Volume,
    calibration: Calibration,
    *,
    phantom: CalibrationPhantom,
    assumed: DensityLine,
    slices: tuple[int, int],
) -> tuple[DensityLine, bool, str]:
    """Return the line to mg/cm³, whether a phantom gave it, and how in words."""
    words = f"{assumed.slope:.4f} mg/cm³ for each HU {assumed.intercept:+.1f}"
    if calibration == "assumed":
        return assumed, False, f"no calibration: assumed {words}"
    try:
        rods = find_rods(volume, phantom, slices=slices)
    except VolumeError:
        if calibration == "phantom":
            raise
        return assumed, False, f"the phantom {phantom.name} was not found; assumed {words}"
    line = fit_density_line(rods.hu, phantom.densities)
    return line, True, (
        f"calibrated by {phantom.name}: {line.slope:.4f} mg/cm³ for each HU {line.intercept:+.1f}, rods "
        f"{line.residual:.1f} mg/cm³ off the line"
    )  # fmt: skip


def _level(volume: Volume, region: Mask, *, name: str, line: DensityLine) -> LevelDensity:
    values = volume.voxels[region].astype(np.float64)
    hu = float(values.mean())
    if hu < _LEAST_HU:
        raise VolumeError(
            f"Trabecular bone reads above {_LEAST_HU:g} HU even where its marrow is all fat, but {name} reads {hu:.0f}"
            ": its label lies in air or fat; give the labels of this scan."
        )
    return LevelDensity(
        density=line.density(hu),
        hu=hu,
        sd=float(values.std()),
        volume_ml=len(values) * float(np.prod(volume.spacing_mm)) / 1000,
    )
