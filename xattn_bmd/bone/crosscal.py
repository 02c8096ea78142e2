"""Cross-calibration between DXA devices through standardised bone mineral density (sBMD).

Each device's density is a straight line away from sBMD: ``sBMD = 1000 * (intercept + slope * density)`` in mg/cm².
Source: hip regions Lu 2001 (PubMed 11446558), spine Hui 1997 (J Bone Miner Res 12:1463).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.errors import ConfigError

Device = Literal["hologic", "lunar", "norland"]
Region = Literal["femoral_neck", "trochanter", "total_hip", "spine"]


class Line(NamedTuple):
    """Straight line from a device's density to sBMD, both in g/cm²."""

    intercept: float
    slope: float


def _through(slope: float, density: float, standardised: float) -> Line:
    return Line(standardised - slope * density, slope)


LINES: dict[Region, dict[Device, Line]] = {
    "femoral_neck": {"hologic": Line(0.019, 1.087), "lunar": Line(-0.023, 0.939), "norland": Line(0.006, 0.985)},
    "trochanter": {"hologic": Line(-0.017, 1.105), "lunar": Line(-0.042, 0.949), "norland": Line(0.057, 0.961)},
    "total_hip": {"hologic": Line(0.006, 1.008), "lunar": Line(-0.031, 0.979), "norland": Line(0.026, 1.012)},
    "spine": {
        "hologic": _through(1.0550, 0.972, 1.0436),
        "lunar": _through(0.9683, 1.100, 1.0436),
        "norland": _through(0.9743, 0.969, 1.0436),
    },
}
"""Lines of every region and device; never use one region's line for another (Lu 2001)."""


def to_standardised(density: ArrayLike, *, device: Device, region: Region) -> NDArray[np.float64]:
    """Return the standardised density (sBMD) of densities measured on one device.

    Args:
        density: (N,) or scalar, g/cm².
        device: the device that measured it.
        region: the region that was measured.

    Returns:
        sBMD with the shape of ``density``, mg/cm².

    Raises:
        ConfigError: if the device or the region is unknown.

    Example:
        >>> round(float(to_standardised(0.858, device="hologic", region="femoral_neck")), 1)
        951.6
    """
    line = _line(device=device, region=region)
    return 1000.0 * (line.intercept + line.slope * np.asarray(density, dtype=np.float64))


def from_standardised(standardised: ArrayLike, *, device: Device, region: Region) -> NDArray[np.float64]:
    """Return the density that a device would report for a standardised density (sBMD).

    Args:
        standardised: (N,) or scalar, mg/cm².
        device: the device that would report it.
        region: the region that was measured.

    Returns:
        Density with the shape of ``standardised``, g/cm².

    Raises:
        ConfigError: if the device or the region is unknown.

    Example:
        >>> round(float(from_standardised(951.646, device="lunar", region="femoral_neck")), 3)
        1.038
    """
    line = _line(device=device, region=region)
    return (np.asarray(standardised, dtype=np.float64) / 1000.0 - line.intercept) / line.slope


def cross_calibrate(density: ArrayLike, *, source: Device, target: Device, region: Region) -> NDArray[np.float64]:
    """Return densities measured on one device as another device would report them.

    A single patient's converted value carries an error of about 3.5 %; group means do better.

    Args:
        density: (N,) or scalar, g/cm².
        source: the device that measured it.
        target: the device whose scale is wanted.
        region: the region that was measured.

    Returns:
        Density with the shape of ``density``, g/cm².

    Raises:
        ConfigError: if a device or the region is unknown.

    Example:
        >>> round(float(cross_calibrate(0.738, source="hologic", target="lunar", region="femoral_neck")), 3)
        0.899
    """
    standardised = to_standardised(density, device=source, region=region)
    return from_standardised(standardised, device=target, region=region)


def _line(*, device: Device, region: Region) -> Line:
    if region not in LINES:
        raise ConfigError(f"A region is one of {sorted(LINES)}, but {region!r} was given; choose one of them.")
    if device not in LINES[region]:
        raise ConfigError(f"A device is one of {sorted(LINES[region])}, but {device!r} was given; choose one of them.")
    return LINES[region][device]
