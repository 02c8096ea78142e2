"""CT volume to the uint16 voxels that are cached: resample, crop or pad about the middle, window."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.config import ImageConfig
from xattn_bmd.config_image import check_volume_settings
from xattn_bmd.data.volumes.resample import resample
from xattn_bmd.data.volumes.window import window
from xattn_bmd.errors import VolumeError
from xattn_bmd.types import Volume

WHITE = 65535
"""Level of the upper end of the window in the cached volume; the lower end is 0."""

LEAST_COVERED = 0.5
"""Share of the field that a volume fills at least along each axis; less is another spacing, or another region."""


def volume_picture(volume: Volume, config: ImageConfig) -> tuple[NDArray[np.uint16], tuple[str, ...]]:
    """Return the voxels of a volume as networks see them, and the steps that made them.

    Hounsfield units are mapped by one fixed window, so that a level means the same density in every volume.

    Args:
        volume: as read from its files.
        config: slices, size, spacing and window.

    Returns:
        ``(slices, size, size)`` uint16 about the volume's middle, 0 at the lower end of the window and 65535 at the
        upper one, 0 beyond the volume; and the steps.

    Raises:
        ConfigError: if the settings are impossible.
        VolumeError: if the volume fills less than half of the field along an axis.

    Example:
        >>> volume = Volume(np.full((4, 64, 64), 400, dtype=np.float32), (3.0, 1.0, 1.0), np.eye(4), ())
        >>> voxels, steps = volume_picture(volume, ImageConfig(slices=4, size=32))
        >>> voxels.shape, int(voxels[0, 0, 0]), steps[-1]
        ((4, 32, 32), 32768, '-200 and 1000 HU mapped to 0 and 65535')
    """
    check_volume_settings(config)
    wanted, extent = np.array(config.shape), np.array(volume.voxels.shape) * volume.spacing_mm
    field = wanted * config.spacing_mm
    if (extent < LEAST_COVERED * field).any():
        raise VolumeError(
            f"A volume fills at least half of the field of {_words(field)} mm (image.slices, size and spacing_mm), but "
            f"this one is {_words(extent)} mm (slices, rows, columns); make the field smaller, or leave the scan out."
        )
    same = np.allclose(volume.spacing_mm, config.spacing_mm, rtol=1e-4, atol=0)
    voxels = volume.voxels if same else resample(volume, config.spacing_mm).voxels
    low, high = config.hu_window
    inside = window(_centred(voxels, config.shape), low=low, high=high)
    square = np.zeros(config.shape, dtype=np.uint16)
    kept = tuple(slice((w - i) // 2, (w - i) // 2 + i) for w, i in zip(config.shape, inside.shape, strict=True))
    square[kept] = np.rint(inside * WHITE)
    sides = " x ".join(f"{side:.4g}" for side in config.spacing_mm)
    return square, (
        f"spacing kept at {sides} mm" if same else f"resampled linearly to {sides} mm",
        f"{' x '.join(map(str, inside.shape))} voxels about the middle kept, padded to "
        f"{' x '.join(map(str, config.shape))} with the lower end of the window",
        f"{low:g} and {high:g} HU mapped to 0 and {WHITE}",
    )


def volume_hash(volume: Volume) -> str:
    """Return a fingerprint of a volume's whole Hounsfield units: one for a DICOM series and its NIfTI copy.

    Args:
        volume: as read from its files.

    Example:
        >>> voxels = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
        >>> one, other = (Volume(voxels + noise, (1.0, 1.0, 1.0), np.eye(4), ()) for noise in (0, 0.1))
        >>> volume_hash(one) == volume_hash(other)
        True
    """
    digest = hashlib.sha256(np.asarray(volume.voxels.shape, dtype="<u8").tobytes())
    for plane in volume.voxels:
        digest.update(np.rint(plane).astype("<i2").tobytes())
    return digest.hexdigest()


def _centred(
    voxels: NDArray[np.float32] | NDArray[np.int16], shape: tuple[int, ...]
) -> NDArray[np.float32] | NDArray[np.int16]:
    """Return the middle of an array, at most ``shape``."""
    starts = [max(0, (has - wants) // 2) for has, wants in zip(voxels.shape, shape, strict=True)]
    return voxels[tuple(slice(start, start + wants) for start, wants in zip(starts, shape, strict=True))]


def _words(sides_mm: NDArray[np.float64]) -> str:
    return " x ".join(f"{side:.4g}" for side in sides_mm)
