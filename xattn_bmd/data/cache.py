"""Every radiograph decoded once: a uint16 memory map keyed by the files' content and the preprocessing.

Layout of the cache folder (private to the user, for it holds patients' pictures)::

    digests.json                              memo of file digests, by hashed path, size and times
    PREPROCESSING/pictures/DIGEST.picture     single pictures of a build that is not finished
    PREPROCESSING/maps/FILES/pixels.npy       (N, size, size) uint16, or (N, slices, size, size) of CT volumes
    PREPROCESSING/maps/FILES/records.json     what is remembered of each row
    PREPROCESSING/masks/FILES/                masks placed like the pictures: xattn_bmd.data.masks.stored
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.config import ImageConfig
from xattn_bmd.data.cache_folder import default_cache_folder as default_cache_folder
from xattn_bmd.data.cache_folder import make_private
from xattn_bmd.data.checks.volume_files import require_kind
from xattn_bmd.data.pictures.build import build_map, default_workers
from xattn_bmd.data.pictures.file_digest import FileDigests, folder_digest
from xattn_bmd.data.pictures.picture import PictureRecord
from xattn_bmd.data.pictures.picture_map import PictureMap, map_key, open_map, preprocessing_key
from xattn_bmd.data.preprocess import Frame
from xattn_bmd.errors import CacheError

_ATTEMPTS = 3  # another process may move a map aside that it found damaged just before it was mended


Placement = tuple[tuple[int, int], Frame]
"""Rows and columns of a radiograph as read, and its frame in the picture."""


@dataclass(frozen=True)
class ImageCache:
    """The opened cache of a cohort; row ``i`` belongs to ``ids[i]``.

    Attributes:
        ids: radiograph ids, ``N`` long.
        pixels: ``(N, size, size)`` uint16, or ``(N, slices, size, size)`` of CT volumes, bone bright; a read-only
            memory map.
        picture_keys: ``N`` names of the cached pictures, made of the file's content and the preprocessing: what is
            computed from a picture may be stored under its key.
        content_hashes: ``N`` fingerprints of the decoded pictures; equal ones are one picture in two files.
        steps: by id, every step from file to cached picture.
        spacing_mm: by id, ``(row, column)`` spacing of the cached picture in mm, or None.
        decoded: files that this call had to decode; 0 on a second run.
        placements: by id, the ``(rows, columns)`` of the radiograph as read and its frame in the picture; None for a
            volume, and where an earlier version stored the picture without.
    """

    ids: tuple[str, ...]
    pixels: NDArray[np.uint16]
    picture_keys: tuple[str, ...]
    content_hashes: tuple[str, ...]
    steps: dict[str, tuple[str, ...]]
    spacing_mm: dict[str, tuple[float, float] | None]
    decoded: int
    placements: dict[str, Placement | None] = field(default_factory=dict)


def cached_images(
    paths: Mapping[str, Path],
    *,
    image: ImageConfig,
    folder: Path,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImageCache:
    """Open the cached pictures of a cohort, decoding the files that the cache does not hold yet.

    Args:
        paths: image file of each radiograph id.
        image: preprocessing settings.
        folder: the cache folder, made where it is absent.
        workers: decoding threads; None takes the CPU cores, at most 8.
        progress: called with (files decoded, files to decode).

    Returns:
        the pictures as a read-only memory map, in the order of ``paths``.

    Raises:
        ConfigError: if the settings are for CT volumes and the files are radiographs, or the other way round.
        RadiographError: if files cannot be read; one error lists them all.
        CacheError: if there is no file to read, or the cache folder is full or cannot be written.
    """
    if not paths:
        raise CacheError("The image cache needs at least one radiograph, but none was given; check the cohort.")
    require_kind(paths, image)
    make_private(folder)
    known = FileDigests(folder)
    home = folder / preprocessing_key(image)
    workers = workers or default_workers()
    digests = _known_digests(paths, known, workers=workers)
    known.save()
    complete, decoded = len(digests) == len(paths), 0
    opened = _opened(home, digests, shape=image.shape) if complete else None
    for _ in range(_ATTEMPTS):
        if opened is not None:
            return _as_cache(tuple(paths), opened, preprocessing=home.name, decoded=decoded)
        decoded += build_map(paths, digests, image=image, home=home, workers=workers, progress=progress)
        opened = _opened(home, digests, shape=image.shape)
    if opened is None:
        raise CacheError(
            f"A finished image cache must be readable, but the one just written in {folder} is not; "
            "another program may be deleting it: choose another cache folder."
        )
    return _as_cache(tuple(paths), opened, preprocessing=home.name, decoded=decoded)


def _known_digests(paths: Mapping[str, Path], known: FileDigests, *, workers: int) -> dict[str, str]:
    """Return the digest of each readable file; the reader explains the others."""
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="digest") as pool:
        found = pool.map(partial(_digest, known=known), map(Path, paths.values()))
        return {name: digest for name, digest in zip(paths, found, strict=True) if digest is not None}


def _digest(path: Path, *, known: FileDigests) -> str | None:
    try:
        return folder_digest(path, known) if path.is_dir() else known.digest(path)
    except OSError:
        return None


def _opened(home: Path, digests: Mapping[str, str], *, shape: tuple[int, ...]) -> PictureMap | None:
    return open_map(home / "maps" / map_key(tuple(digests.values())), shape=shape)


def _as_cache(ids: tuple[str, ...], opened: PictureMap, *, preprocessing: str, decoded: int) -> ImageCache:
    records = dict(zip(ids, opened.records, strict=True))
    return ImageCache(
        ids=ids,
        pixels=opened.pixels,
        picture_keys=tuple(f"{preprocessing}/{record.digest}" for record in opened.records),
        content_hashes=tuple(record.content_hash for record in opened.records),
        steps={name: record.steps for name, record in records.items()},
        spacing_mm={name: record.spacing_mm for name, record in records.items()},
        decoded=decoded,
        placements={name: _placement(record) for name, record in records.items()},
    )


def _placement(record: PictureRecord) -> Placement | None:
    return None if record.shape is None or record.frame is None else (record.shape, record.frame)
