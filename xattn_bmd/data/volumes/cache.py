"""Every volume decoded once: an int16 memory map of whole HU, keyed by the files' content.

Layout, in the cache folder of the radiographs::

    volumes/KEY/voxels.npy      (D, H, W) int16
    volumes/KEY/record.json     spacing, affine, steps, checksum
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from xattn_bmd.atomic import atomic_folder
from xattn_bmd.data.cache_folder import default_cache_folder, discard, json_hash, make_private, sweep
from xattn_bmd.data.pictures.file_digest import FileDigests
from xattn_bmd.data.volume import read_volume
from xattn_bmd.data.volumes.series import scan_files
from xattn_bmd.errors import CacheError, VolumeError
from xattn_bmd.types import Volume

VOLUME_FORMAT = 1
"""Raised with every change of reader or layout, so that no older voxels are ever mixed in."""

_VOXELS, _RECORD = "voxels.npy", "record.json"
_ATTEMPTS = 3  # another process may move an entry aside that it found damaged just before it was mended
_log = logging.getLogger(__name__)


def cached_volume(path: str | Path, *, folder: Path | None = None, series: str | None = None) -> Volume:
    """Open a volume from the cache; what the cache does not hold yet is read once and kept.

    Args:
        path: as for :func:`xattn_bmd.read_volume`.
        folder: the cache folder; None takes the user's.
        series: SeriesInstanceUID, where a folder holds several CT series.

    Returns:
        the volume with voxels ``(D, H, W)`` int16, a read-only memory map: HU rounded to whole numbers.

    Raises:
        VolumeError: if the files are not one CT volume in Hounsfield units.
        CacheError: if the cache folder is full or cannot be written.
    """
    path, folder = Path(path), folder or default_cache_folder()
    make_private(folder)
    entry = folder / "volumes" / _key(path, series=series, folder=folder)
    for _ in range(_ATTEMPTS):
        opened = _opened(entry)
        if opened is not None:
            return opened
        _write(entry, read_volume(path, series=series))
    raise CacheError(
        f"A finished cache entry must be readable, but the one just written in {folder} is not; another program may "
        "be deleting it: choose another cache folder."
    )


def _key(path: Path, *, series: str | None, folder: Path) -> str:
    """Return the key of a scan: the content of its files, whatever their names, and which series is meant."""
    known = FileDigests(folder)
    try:
        chosen = None if path.is_dir() else known.digest(path)
        nifti = path.name.lower().endswith((".nii", ".nii.gz"))
        files = (path,) if nifti else scan_files(path if path.is_dir() else path.parent)
        content = sorted(known.digest(file) for file in files)
    except OSError as cause:
        raise VolumeError(
            f"A CT volume is a readable folder or file, but {path.name} does not exist or cannot be read; correct the "
            "path or its permissions."
        ) from cause
    known.save()
    return json_hash({"format": VOLUME_FORMAT, "files": content, "chosen": chosen, "series": series})[:32]


def _opened(entry: Path) -> Volume | None:
    """Open a finished entry; None where there is none, or where it is damaged (said in the log)."""
    if not entry.is_dir():
        return None
    try:
        body = json.loads((entry / _RECORD).read_text())
        record = body["record"]
        if body["checksum"] != json_hash(record) or (entry / _VOXELS).stat().st_size != record["bytes"]:
            raise CacheError("its size or checksum is another")
        voxels = np.load(entry / _VOXELS, mmap_mode="r", allow_pickle=False)
        if list(voxels.shape) != record["shape"] or voxels.dtype != np.int16:
            raise CacheError("its voxels have another shape")
        return _volume(voxels, record)
    except (OSError, ValueError, KeyError, TypeError, CacheError) as cause:
        _log.warning("The cached volume %s is damaged (%s); it is read again.", entry.name, cause)
        return None


def _volume(voxels: NDArray[np.int16], record: dict[str, Any]) -> Volume:
    slice_mm, row_mm, column_mm = (float(side) for side in record["spacing_mm"])
    return Volume(
        voxels=voxels,
        spacing_mm=(slice_mm, row_mm, column_mm),
        affine=np.array(record["affine"], dtype=np.float64),
        steps=tuple(record["steps"]),
    )


def _write(entry: Path, volume: Volume) -> None:
    """Keep a volume; the entry appears when it is complete."""
    if entry.exists():
        # either another process was faster, or the entry is damaged
        if _opened(entry) is not None:
            return
        discard(entry)
    sweep(entry.parent)
    try:
        with atomic_folder(entry, error=CacheError) as partial:
            _write_voxels(partial / _VOXELS, volume)
            record = {
                "shape": list(volume.voxels.shape),
                "bytes": (partial / _VOXELS).stat().st_size,
                "spacing_mm": list(volume.spacing_mm),
                "affine": volume.affine.tolist(),
                "steps": [*volume.steps, "rounded to whole HU for the cache"],
            }
            (partial / _RECORD).write_text(json.dumps({"record": record, "checksum": json_hash(record)}))
    except OSError:
        # another process finished the same entry first: its voxels are the same
        if _opened(entry) is None:
            raise


def _write_voxels(file: Path, volume: Volume) -> None:
    # ordinary writes: a full disk is then an error, whereas a memory map would kill the process
    with file.open("wb") as stream:
        header = {"descr": "<i2", "fortran_order": False, "shape": volume.voxels.shape}
        npy.write_array_header_1_0(stream, header)
        for plane in volume.voxels:
            stream.write(np.rint(plane).astype("<i2").tobytes())
        stream.flush()
        os.fsync(stream.fileno())
