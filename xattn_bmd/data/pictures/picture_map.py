"""A finished map of pictures on disk: ``pixels.npy`` and ``records.json`` in one folder, whole or absent."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from xattn_bmd.atomic import atomic_folder
from xattn_bmd.config import ImageConfig
from xattn_bmd.data.cache_folder import discard, json_hash, sweep
from xattn_bmd.data.pictures.picture import Picture, PictureRecord
from xattn_bmd.errors import CacheError

CACHE_FORMAT = 2
"""Raised with every change of reader, preprocessing or file layout, so that no older pixels are ever mixed in."""

_PIXELS, _RECORDS = "pixels.npy", "records.json"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PictureMap:
    """An opened map.

    Attributes:
        pixels: ``(N, size, size)`` uint16, or ``(N, slices, size, size)`` of volumes, read-only memory map.
        records: what is remembered of each row, ``N`` long.
    """

    pixels: NDArray[np.uint16]
    records: tuple[PictureRecord, ...]


def preprocessing_key(image: ImageConfig) -> str:
    """Return the key of a preprocessing: pictures of different keys never mix."""
    return json_hash({"format": CACHE_FORMAT, "image": image.settings_read()})[:16]


def map_key(digests: tuple[str, ...]) -> str:
    """Return the key of an ordered set of files."""
    return json_hash(digests)[:32]


def open_map(folder: Path, *, shape: tuple[int, ...]) -> PictureMap | None:
    """Open a finished map; None where there is none, or where it is damaged (said in the log).

    Args:
        folder: the map's folder.
        shape: of each picture.
    """
    if not folder.is_dir():
        return None
    try:
        body = json.loads((folder / _RECORDS).read_text())
        records = tuple(PictureRecord.from_dict(values) for values in body["records"])
        _require_whole(folder / _PIXELS, rows=len(records), shape=shape, records=body)
        pixels = np.load(folder / _PIXELS, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, KeyError, TypeError, CacheError) as cause:
        _log.warning("The image cache %s is damaged (%s); it is built again.", folder.name, cause)
        return None
    if pixels.shape != (len(records), *shape) or pixels.dtype != np.uint16:
        _log.warning("The image cache %s is damaged (wrong shape); it is built again.", folder.name)
        return None
    return PictureMap(pixels=pixels, records=records)


def write_map(folder: Path, pictures: Iterable[Picture], *, rows: int, shape: tuple[int, ...]) -> None:
    """Write a map row by row; the folder appears when it is complete.

    The rows go through ordinary writes: a full disk is then an error, whereas a memory map would kill the process.

    Args:
        folder: the map's folder.
        pictures: the ``rows`` pictures in order.
        rows: number of pictures.
        shape: of each picture.

    Raises:
        CacheError: if the disk is full or cannot be written; nothing is left behind.
    """
    if folder.exists():
        # either another process was faster, or the map is damaged
        if open_map(folder, shape=shape) is not None:
            return
        discard(folder)
    sweep(folder.parent)
    try:
        with atomic_folder(folder, error=CacheError) as partial:
            records = _write_pixels(partial / _PIXELS, pictures, rows=rows, shape=shape)
            body: dict[str, Any] = {"records": [record.to_dict() for record in records]}
            body["checksum"] = json_hash(body["records"])
            body["bytes"] = (partial / _PIXELS).stat().st_size
            (partial / _RECORDS).write_text(json.dumps(body))
    except OSError:
        # another process finished the same map first: its rows are the same
        if open_map(folder, shape=shape) is None:
            raise


def _write_pixels(file: Path, pictures: Iterable[Picture], *, rows: int, shape: tuple[int, ...]) -> list[PictureRecord]:
    records = []
    with file.open("wb") as stream:
        header = {"descr": "<u2", "fortran_order": False, "shape": (rows, *shape)}
        npy.write_array_header_1_0(stream, header)
        for picture in pictures:
            stream.write(np.ascontiguousarray(picture.pixels, dtype="<u2").tobytes())
            records.append(picture.record)
        stream.flush()
        os.fsync(stream.fileno())
    return records


def _require_whole(file: Path, *, rows: int, shape: tuple[int, ...], records: dict[str, Any]) -> None:
    found, stated = file.stat().st_size, int(records["bytes"])
    if found != stated or found < rows * math.prod(shape) * 2:
        raise CacheError(f"{stated} bytes belong in {file.name}, but it has {found}")
    if records["checksum"] != json_hash(records["records"]):
        raise CacheError(f"{_RECORDS} does not match its checksum")
