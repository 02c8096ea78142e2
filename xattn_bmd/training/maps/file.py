"""One file of stored feature maps: written a block at a time, whole or absent, opened as a memory map."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from xattn_bmd.atomic import disk_errors, remove_partials
from xattn_bmd.errors import CacheError

_LOCK = ".features.lock"
_log = logging.getLogger(__name__)

Blocks = Generator[NDArray[np.float32], None, None]


def stored_maps(path: Path, *, rows: int, views: int, blocks: Callable[[], Blocks]) -> NDArray[np.float32]:
    """Open the maps of a file, computing them where there is none or a damaged one.

    Processes of one machine that want maps at the same time wait for the first one to compute them.

    Args:
        path: the ``.npy`` file; its name says all that its content depends on.
        rows: radiographs, ``N``.
        views: maps of each, ``K``.
        blocks: makes the maps of the radiographs in order, ``(B, K, C, ..., h, w)`` float32 at a time.

    Returns:
        ``(N, K, C, h, w)`` float32, of volumes ``(N, K, C, s, h, w)``, a read-only memory map.

    Raises:
        CacheError: if the folder is full or cannot be written; nothing half-written stays.
    """
    opened = open_maps(path, rows=rows, views=views)
    if opened is not None:
        return opened
    with disk_errors(path, error=CacheError), _alone(path.parent):
        opened = open_maps(path, rows=rows, views=views, quiet=True)  # another process may have made it meanwhile
        if opened is None:
            _write(path, blocks(), rows=rows)
            opened = open_maps(path, rows=rows, views=views)
    if opened is None:
        raise CacheError(
            f"Stored feature maps must be readable, but {path.name}, just written in {path.parent}, is not; another "
            "program may be deleting it: choose another cache folder."
        )
    return opened


def open_maps(path: Path, *, rows: int, views: int, quiet: bool = False) -> NDArray[np.float32] | None:
    """Open the maps of a file; None where there is none, or where it is damaged (said in the log).

    Args:
        path: the ``.npy`` file.
        rows: radiographs that it must hold.
        views: maps of each.
        quiet: say nothing of damage.
    """
    if not path.is_file():
        return None
    try:
        maps: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
        _require_whole(maps, path, rows=rows, views=views)
    except (OSError, ValueError, EOFError) as cause:
        if not quiet:
            _log.warning("The stored feature maps %s are damaged (%s); they are computed again.", path.name, cause)
        return None
    return maps


def _require_whole(maps: NDArray[np.float32], path: Path, *, rows: int, views: int) -> None:
    if (
        maps.dtype != np.float32
        or maps.ndim not in (5, 6)
        or maps.shape[:2] != (rows, views)
        or not maps.flags.c_contiguous
    ):
        raise ValueError(f"{maps.dtype} of shape {maps.shape} in place of float32 of ({rows}, {views}, C, ..., h, w)")
    excess = path.stat().st_size - maps.nbytes - maps.offset  # type: ignore[attr-defined]
    if excess:
        raise ValueError(f"{excess} bytes too many")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder for one process; the lock falls with the process, however it ends."""
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / _LOCK).open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        remove_partials(folder)
        yield


def _write(path: Path, blocks: Blocks, *, rows: int) -> None:
    handle, name = tempfile.mkstemp(prefix=f".partial-{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream, closing(blocks):
            _write_blocks(stream, blocks, rows=rows)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _write_blocks(stream: BinaryIO, blocks: Blocks, *, rows: int) -> None:
    for number, block in enumerate(blocks):
        if number == 0:
            shape = (rows, *block.shape[1:])
            npy.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
        stream.write(np.ascontiguousarray(block, dtype="<f4").data)
