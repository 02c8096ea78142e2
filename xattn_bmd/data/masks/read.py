"""One mask from its file to ``(H, W)`` bool, as its radiograph is displayed; anything doubtful is refused.

A NIfTI file is read in the order in which it is stored: its first axis runs along the columns of the radiograph, from
left to right, its second along the rows, from the top down, as ITK-SNAP and SimpleITK write a drawing on a flat
picture.  Its affine is not looked at, for a radiograph has no place in the patient.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.data.checks.problem import listed
from xattn_bmd.data.masks.truth import read_truth
from xattn_bmd.errors import CohortError

_GREY_MODES = ("L", "I", "I;16", "I;16B", "I;16L")
_GREY = 0x010101
_LABEL_SHARE = 0.05
_SOFT_EDGE_FROM = 128


def read_mask(path: Path, *, shape: tuple[int, int], region: str | None = None) -> NDArray[np.bool_]:
    """Return the mask of one structure.

    Every pixel that is not 0 lies inside.  Several values are taken for the soft edge of a drawing where one is large
    (from 128 on) and holds nearly all of the inside (no other 5 %); otherwise they are labels, which are refused.

    Args:
        path: PNG, ``.nii`` or ``.nii.gz`` file, or ``ID.npz`` of a simulation.
        shape: rows and columns of the radiograph as read from its file.
        region: name of the array in an ``.npz`` file.

    Returns:
        ``(H, W)`` bool.

    Raises:
        CohortError: if the file cannot be read, has another size, holds several labels or shares, or marks nothing or
            everything.
        SimulationError: if a truth file is damaged.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> path = Path(tempfile.mkdtemp()) / "hip.png"
        >>> Image.fromarray(np.eye(40, dtype=np.uint8)).save(path)
        >>> int(read_mask(path, shape=(40, 40)).sum())
        40
    """
    levels = read_levels(path, region=region)
    _require_size(levels, shape, path)
    inside: NDArray[np.bool_] = levels != 0
    if not inside.any():
        raise CohortError(
            f"A mask marks at least one pixel, but {path.name} marks none; draw it, or delete the file: a missing mask "
            "is allowed."
        )
    _require_one_structure(levels[inside], path)
    if inside.all():
        raise CohortError(
            f"A mask leaves part of its radiograph outside, but {path.name} marks every pixel; is it inverted? Save it "
            "with 0 outside."
        )
    return inside


def read_levels(path: Path, *, region: str | None = None) -> NDArray[np.generic]:
    """Return ``(H, W)`` values of a mask file as they are, 0 outside.

    Args:
        path: PNG, ``.nii`` or ``.nii.gz`` file, or ``ID.npz`` of a simulation.
        region: name of the array in an ``.npz`` file.

    Raises:
        CohortError: if the file is no such image.
        SimulationError: if a truth file is damaged.
    """
    if region is not None:
        return read_truth(path, (region,))[region]
    return _from_png(path) if path.suffix.lower() == ".png" else _from_nifti(path)


def _from_png(path: Path) -> NDArray[np.generic]:
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode in _GREY_MODES:
                return np.asarray(upright)
            channels = np.asarray(upright.convert("RGBA")).astype(np.int64)
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as cause:
        raise CohortError(f"A mask is an intact PNG file, but {path.name} is not readable; save it again.") from cause
    colours = (channels[..., 0] << 16 | channels[..., 1] << 8 | channels[..., 2]) * (channels[..., 3] > 0)
    return colours // _GREY if not (colours % _GREY).any() else colours


def _from_nifti(path: Path) -> NDArray[np.generic]:
    try:
        import nibabel as nib
    except ImportError as cause:
        raise CohortError(
            f"A NIfTI mask needs the package nibabel, but it is not installed, and {path.name} is one; install it with "
            "pip install 'xattn-bmd[nifti]', or save the masks as PNG."
        ) from cause
    try:
        values = np.asanyarray(nib.load(path).dataobj)  # type: ignore[attr-defined]
        whole = bool((values == np.rint(values)).all())
    except (nib.filebasedimages.ImageFileError, OSError, ValueError, TypeError, EOFError, zlib.error) as cause:
        raise CohortError(f"A mask is an intact NIfTI file, but {path.name} is not readable; save it again.") from cause
    flat = values.reshape(values.shape[:2]) if values.ndim >= 2 and values.size == np.prod(values.shape[:2]) else None
    if flat is None:
        sides = " x ".join(str(side) for side in values.shape)
        raise CohortError(f"A NIfTI mask is one slice, but {path.name} has {sides} voxels; save the slice alone.")
    if not whole:
        raise CohortError(
            f"A mask is drawn in whole numbers, but {path.name} holds shares between them; cut it at a threshold first."
        )
    return np.ascontiguousarray(flat.T)


def _require_size(levels: NDArray[np.generic], shape: tuple[int, int], path: Path) -> None:
    if levels.shape == shape:
        return
    turned = path.suffix.lower() != ".png" and levels.shape == shape[::-1]
    fix = "write its axes as x, y" if turned else "draw it on the file itself"
    raise CohortError(
        f"A mask has the size of its radiograph's file, but {path.name} has {levels.shape[0]} x {levels.shape[1]} "
        f"pixels and the radiograph {shape[0]} x {shape[1]}; {fix}."
    )


def _require_one_structure(inside: NDArray[np.generic], path: Path) -> None:
    if (inside == inside[0]).all():
        return
    values, counts = np.unique(inside, return_counts=True)
    large = counts >= _LABEL_SHARE * counts.sum()
    if large.sum() == 1 and values[large][0] >= _SOFT_EDGE_FROM:
        return
    labels = values[large] if large.sum() > 1 else values
    names = [f"#{int(value):06x}" if value >= 1 << 16 else f"{value:g}" for value in labels]
    raise CohortError(
        f"A mask shows one structure, but {path.name} holds the labels {listed(names)}; save each structure as masks "
        "of its own, 0 outside and 255 inside."
    )
