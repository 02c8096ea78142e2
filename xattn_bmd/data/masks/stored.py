"""Masks placed once like their pictures: a uint8 memory map beside that of the pictures, whole or absent.

Its key is made of every mask file's content, its region and its picture's key, in the order of the rows, so an edited
mask, another picture or another preprocessing never meets an old placing.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from xattn_bmd.atomic import atomic_folder
from xattn_bmd.config import ImageConfig
from xattn_bmd.data.cache import Placement
from xattn_bmd.data.cache_folder import discard, sweep
from xattn_bmd.data.masks.placed import placed_mask
from xattn_bmd.data.masks.read import read_mask
from xattn_bmd.data.pictures.build import default_workers
from xattn_bmd.data.pictures.file_digest import FileDigests
from xattn_bmd.data.pictures.picture_map import preprocessing_key
from xattn_bmd.data.preprocess import frame_of
from xattn_bmd.data.radiograph import read_radiograph
from xattn_bmd.errors import CacheError, CohortError, SimulationError

MASK_FORMAT = 1
"""Raised with every change of how masks are read or placed, so that no older ones are ever mixed in."""

_FILE = "masks.npy"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MaskRow:
    """One radiograph whose mask is wanted.

    Attributes:
        mask: file of its mask, or None where it has none.
        image: file of the radiograph.
        picture_key: key of its cached picture, made of the file's content and the preprocessing.
        placement: size of the radiograph and its frame in the picture; None has the file decoded for it.
    """

    mask: Path | None
    image: Path
    picture_key: str
    placement: Placement | None


def stored_masks(
    rows: Mapping[str, MaskRow], *, region: str | None, image: ImageConfig, folder: Path
) -> NDArray[np.uint8]:
    """Open the placed masks of a cohort, making them where the cache does not hold them yet.

    Args:
        rows: the ``N`` radiographs by id.
        region: name of the array in each mask file, for the truth of simulated radiographs; None for images.
        image: preprocessing settings.
        folder: the cache folder of the pictures.

    Returns:
        ``(N, S, S)`` uint8, 1 inside and 0 outside or without a mask, read-only memory map; right hips are not
        mirrored yet.

    Raises:
        CohortError: if masks cannot be used; one error lists them all.
        RadiographError: if a radiograph has to be read again for its frame and cannot be.
        CacheError: if the cache folder is full or cannot be written.
    """
    target = folder / preprocessing_key(image) / "masks" / _key(rows, file_digests(rows, folder=folder), region=region)
    shape = (len(rows), image.size, image.size)
    opened = _opened(target, shape=shape)
    if opened is None:
        _write(target, rows, region=region, image=image)
        opened = _opened(target, shape=shape)
    if opened is None:
        raise CacheError(
            f"Finished masks must be readable, but those just written in {folder} are not; another program may be "
            "deleting them: choose another cache folder."
        )
    return opened


def file_digests(rows: Mapping[str, MaskRow], *, folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each mask file that can be opened, by radiograph id; reading explains the others.

    Args:
        rows: radiographs by id.
        folder: the cache folder, which remembers the digests of unchanged files.
    """
    known, found = FileDigests(folder), {}
    for name, row in rows.items():
        if row.mask is not None and row.mask.is_file():
            found[name] = known.digest(row.mask)
    known.save()
    return found


def _key(rows: Mapping[str, MaskRow], digests: Mapping[str, str], *, region: str | None) -> str:
    kinds = [(row.picture_key, digests.get(name), "" if row.mask is None else row.mask.suffix.lower())
             for name, row in rows.items()]  # fmt: skip
    return hashlib.sha256(json.dumps([MASK_FORMAT, region, kinds]).encode()).hexdigest()[:32]


def _opened(folder: Path, *, shape: tuple[int, int, int]) -> NDArray[np.uint8] | None:
    """Open finished masks; None where there are none, or where they are damaged (said in the log)."""
    if not folder.is_dir():
        return None
    try:
        masks: np.memmap[tuple[int, ...], np.dtype[np.uint8]] = np.load(
            folder / _FILE, mmap_mode="r", allow_pickle=False
        )
        whole = masks.offset + masks.nbytes == (folder / _FILE).stat().st_size
    except (OSError, ValueError, EOFError) as cause:
        _log.warning("The stored masks %s are damaged (%s); they are made again.", folder.name, cause)
        return None
    if not whole or masks.shape != shape or masks.dtype != np.uint8:
        _log.warning("The stored masks %s are damaged (wrong size); they are made again.", folder.name)
        return None
    return masks


def _write(target: Path, rows: Mapping[str, MaskRow], *, region: str | None, image: ImageConfig) -> None:
    if target.exists():
        discard(target)
    sweep(target.parent)
    shape = (len(rows), image.size, image.size)
    try:
        with atomic_folder(target, error=CacheError) as partly, (partly / _FILE).open("wb") as stream:
            npy.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
            for mask in _usable(_placed_all(rows, region=region, image=image), total=_count(rows)):
                stream.write(mask.tobytes())
            stream.flush()
            os.fsync(stream.fileno())
    except OSError:
        # another process finished the same masks first: they are the same
        if _opened(target, shape=shape) is None:
            raise


_Outcome = tuple[str, NDArray[np.uint8] | CohortError | SimulationError]


def _usable(outcomes: Iterable[_Outcome], *, total: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the masks up to the first that cannot be used; then look at the rest, and list all faults."""
    faults = []
    for name, outcome in outcomes:
        if not isinstance(outcome, np.ndarray):
            faults.append(f"\n- {name}: {outcome}")
        elif not faults:
            yield outcome
    if faults:
        raise CohortError(
            f"Every mask must fit its radiograph, but {len(faults)} of {total} cannot be used; mend or delete them:"
            + "".join(faults)
        )


def _placed_all(rows: Mapping[str, MaskRow], *, region: str | None, image: ImageConfig) -> Iterator[_Outcome]:
    with ThreadPoolExecutor(max_workers=default_workers(), thread_name_prefix="masks") as pool:
        yield from zip(rows, pool.map(partial(_placed, region=region, image=image), rows.values()), strict=True)


def _placed(
    row: MaskRow, *, region: str | None, image: ImageConfig
) -> NDArray[np.uint8] | CohortError | SimulationError:
    if row.mask is None:
        return np.zeros((image.size, image.size), dtype=np.uint8)
    shape, frame = row.placement or _placement(row.image, image)
    try:
        placed = placed_mask(read_mask(row.mask, shape=shape, region=region), frame=frame, size=image.size)
    except (CohortError, SimulationError) as fault:
        return fault
    if placed.any():
        return placed
    return CohortError(
        f"A mask is seen in the network's picture, but nothing of {row.mask.name} is left after cutting the border and "
        f"resizing to {image.size} pixels; choose a larger image.size, or image.crop: none."
    )


def _placement(path: Path, image: ImageConfig) -> Placement:
    radiograph = read_radiograph(path)
    return (radiograph.pixels.shape[0], radiograph.pixels.shape[1]), frame_of(radiograph, image)


def _count(rows: Mapping[str, MaskRow]) -> int:
    return sum(row.mask is not None for row in rows.values())
