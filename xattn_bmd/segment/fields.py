"""A cohort of CT volumes cut to a fixed field around the bone that a segmenter found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import yaml
from numpy.typing import NDArray

from xattn_bmd.atomic import atomic_folder
from xattn_bmd.bone.calibration import NOMINAL_LINE, DensityLine
from xattn_bmd.data.checks.problem import listed
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.volume import read_volume
from xattn_bmd.data.volumes.hounsfield import AIR_FLOOR
from xattn_bmd.data.volumes.labels import read_labels
from xattn_bmd.data.volumes.write import write_volume
from xattn_bmd.errors import VolumeError
from xattn_bmd.types import LabelMap, Volume

Keep = Literal["field", "labels"]

_TABLE, _ROLES, _IMAGES = "cohort.csv", "cohort.yaml", "images"


def crop_volumes(
    cohort: Cohort,
    labels: str | Path,
    *,
    out: str | Path,
    field_mm: tuple[float, float, float],
    keep: Keep = "field",
    lines: Mapping[str, DensityLine] | None = None,
) -> Cohort:
    """Cut every volume to a fixed field about the middle of its labels, and make a cohort of the fields.

    The voxels are the scan's own, not resampled; what of a field lies beyond the scan is air (-1024 HU).  Table and
    roles stay, but files are found by id.

    Args:
        cohort: CT volumes.
        labels: folder of label maps ``<id>.nii.gz`` on the voxels of the volumes; everything above 0 counts.
        out: new folder: ``images/``, ``cohort.csv`` and ``cohort.yaml``; whole or absent.
        field_mm: slices, rows and columns of the field, mm.
        keep: ``"field"`` keeps all that the field shows; ``"labels"`` sets what is not labelled to air.
        lines: line from HU to mg/cm³ of each scan, from the phantom in its field.  HU are then written as an assumed
            faultless scanner would read them (:data:`~xattn_bmd.bone.calibration.NOMINAL_LINE`); None leaves them.

    Returns:
        The cohort in ``out``.

    Raises:
        CohortError: listing every problem of the cohort.
        VolumeError: if the field is not three lengths, ``out`` exists, a label map is missing, empty or on another
            grid, a line is missing, or a volume cannot be read.
    """
    out, folder_in = Path(out), Path(labels)
    if not all(np.isfinite(side) and side > 0 for side in field_mm):
        raise VolumeError(f"A field is three positive lengths in mm, but {field_mm} was given; correct field_mm.")
    if out.exists():
        raise VolumeError(f"Fields are written into a new folder, but {out} exists; choose another name.")
    cohort.require_valid(require_target=False)
    maps = {name: folder_in / f"{name}.nii.gz" for name in cohort.radiograph_ids}
    _require_all([name for name, path in maps.items() if not path.is_file()], what=f"a label map in {folder_in}")
    if lines is not None:
        _require_all([name for name in maps if name not in lines], what="a line from HU to density")
    roles = replace(cohort.roles, image=None)
    column = cohort.roles.image
    dropped = [column] if column is not None and column != cohort.roles.id else []
    with atomic_folder(out, error=VolumeError) as folder:
        for name, path in cohort.image_paths.items():
            volume = read_volume(path)
            drawn = read_labels(maps[name], like=volume)
            seen = volume if lines is None else calibrated(volume, lines[name])
            write_volume(cut_field(seen, drawn, field_mm=field_mm, keep=keep), folder / _IMAGES / f"{name}.nii.gz")
        cohort.table.drop(columns=dropped).to_csv(folder / _TABLE, index=False)
        text = yaml.safe_dump(roles.to_dict(), sort_keys=False, allow_unicode=True)
        (folder / _ROLES).write_text(text, encoding="utf-8")
    return Cohort.from_csv(out / _TABLE)


def cut_field(
    volume: Volume, labels: LabelMap, *, field_mm: tuple[float, float, float], keep: Keep = "field"
) -> Volume:
    """Return the field about the middle of the box around the labels; a side has the nearest whole number of voxels.

    Args:
        volume: in HU.
        labels: on its voxels.
        field_mm: slices, rows and columns of the field, mm.
        keep: as in :func:`crop_volumes`.

    Raises:
        VolumeError: if the labels are empty.

    Example:
        >>> hu = np.arange(5.0, dtype=np.float32).repeat(25).reshape(5, 5, 5)
        >>> marks = np.zeros((5, 5, 5), dtype=np.uint16)
        >>> marks[3:5, 2, 2] = 1
        >>> volume = Volume(hu, (2.0, 1.0, 1.0), np.eye(4), ())
        >>> labels = LabelMap(marks, {}, volume.spacing_mm, volume.affine, ())
        >>> cut_field(volume, labels, field_mm=(8.0, 3.0, 3.0)).voxels[:, 1, 1].tolist()
        [2.0, 3.0, 4.0, -1024.0]
    """
    places = np.argwhere(labels.labels)
    if not len(places):
        raise VolumeError("A field lies about the labels, but no voxel is labelled; leave the scan out, or label it.")
    middle = (places.min(axis=0) + places.max(axis=0)) / 2
    sides = np.maximum(1, np.rint(np.divide(field_mm, volume.spacing_mm)).astype(int))
    start = np.rint(middle - (sides - 1) / 2 + 1e-6).astype(int)
    shown = volume.voxels if keep == "field" else np.where(labels.labels > 0, volume.voxels, np.float32(AIR_FLOOR))
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ start
    words = " x ".join(f"{side:g}" for side in field_mm)
    return Volume(
        voxels=_box(shown, start, sides),
        spacing_mm=volume.spacing_mm,
        affine=affine,
        steps=(*volume.steps, f"cut to {words} mm about the labels" + ", the rest set to air" * (keep == "labels")),
    )


def calibrated(volume: Volume, line: DensityLine) -> Volume:
    """Return HU as the assumed scanner would read them, by the scan's own line to density.

    Args:
        volume: HU as scanned.
        line: from its phantom.

    Example:
        >>> volume = Volume(np.full((1, 1, 1), 210.0, dtype=np.float32), (1.0, 1.0, 1.0), np.eye(4), ())
        >>> round(float(calibrated(volume, DensityLine(0.5, -5.0, 0.0)).voxels[0, 0, 0]), 3)  # 100 mg/cm³
        132.8
    """
    density = line.slope * volume.voxels.astype(np.float32) + line.intercept
    hu = np.maximum((density - NOMINAL_LINE.intercept) / NOMINAL_LINE.slope, AIR_FLOOR)
    steps = (*volume.steps, "HU of the assumed scanner, by the phantom")
    return replace(volume, voxels=hu.astype(np.float32), steps=steps)


def _box(
    voxels: NDArray[np.float32] | NDArray[np.int16], start: NDArray[np.intp], sides: NDArray[np.intp]
) -> NDArray[np.float32]:
    box = np.full(tuple(sides), AIR_FLOOR, dtype=np.float32)
    first, last = np.maximum(start, 0), np.minimum(start + sides, voxels.shape)
    inner = tuple(slice(a - s, b - s) for a, b, s in zip(first, last, start, strict=True))
    outer = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    box[inner] = voxels[outer]
    return box


def _require_all(absent: list[str], *, what: str) -> None:
    if absent:
        raise VolumeError(f"Every volume has {what}, but {listed(absent)} has none; add it, or leave the scan out.")
