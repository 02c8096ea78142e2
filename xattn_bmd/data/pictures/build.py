"""Build a map of pictures: reuse what other maps and interrupted builds hold, decode the rest in threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from xattn_bmd.config import ImageConfig
from xattn_bmd.data.pictures.picture import Picture, decode, load_picture, remove_pictures, save_picture
from xattn_bmd.data.pictures.picture_map import PictureMap, map_key, open_map, write_map
from xattn_bmd.errors import RadiographError, VolumeError

_MOST_WORKERS = 8
_AHEAD = 4
_VOLUMES_AT_A_TIME = 2  # each is in memory as a whole

Unreadable = RadiographError | VolumeError
"""Why a file is not one radiograph, or not one CT volume."""


def default_workers() -> int:
    """Return the number of decoding threads: the CPU cores this process may use, at most 8."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_MOST_WORKERS, cores)


def build_map(
    paths: Mapping[str, Path],
    digests: Mapping[str, str],
    *,
    image: ImageConfig,
    home: Path,
    workers: int,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write the map of the given files and return how many of them were decoded.

    Decoding happens in threads: the decoders release the interpreter lock, nothing is copied between processes, and a
    script without ``if __name__ == "__main__"`` works.

    Args:
        paths: image file of each radiograph id.
        digests: SHA-256 of each file that can be opened, by id.
        image: preprocessing settings.
        home: folder of this preprocessing.
        workers: decoding threads.
        progress: called with (files decoded, files to decode).

    Raises:
        RadiographError: if files cannot be read; one error lists them all, and what was decoded is kept for next time.
        CacheError: if the disk is full or cannot be written.
    """
    loose = home / "pictures"
    held = _held(home, set(digests.values()), shape=image.shape)
    wanted = {digests.get(name, name): Path(path) for name, path in paths.items()}
    missing = {
        key: path
        for key, path in wanted.items()
        if key not in held and load_picture(loose, key, shape=image.shape) is None
    }
    reasons = _decode_all(missing, image=image, loose=loose, workers=workers, progress=progress)
    if reasons:
        raise _unreadable({name: reasons.get(digests.get(name, name)) for name in paths}, total=len(paths))
    order = tuple(digests[name] for name in paths)
    pictures = (held[key] if key in held else _loose(loose, key, wanted[key], image=image) for key in order)
    rows = (_row(picture) for picture in pictures)
    write_map(home / "maps" / map_key(order), rows, rows=len(order), shape=image.shape)
    remove_pictures(loose, order)
    return len(missing)


_Held = tuple[PictureMap, int]


def _held(home: Path, wanted: set[str], *, shape: tuple[int, ...]) -> dict[str, _Held]:
    """Return where the finished maps of this preprocessing hold wanted pictures, newest map first."""
    found: dict[str, _Held] = {}
    maps = [folder for folder in (home / "maps").glob("[!.]*") if folder.is_dir()]
    for folder in sorted(maps, key=_age):
        opened = open_map(folder, shape=shape) if len(found) < len(wanted) else None
        for row, record in enumerate(opened.records if opened else ()):
            if opened and record.digest in wanted:
                found.setdefault(record.digest, (opened, row))
    return found


def _age(folder: Path) -> float:
    try:
        return -folder.stat().st_mtime
    except OSError:
        return 0.0


def _row(source: Picture | _Held) -> Picture:
    if isinstance(source, Picture):
        return source
    opened, row = source
    return Picture(pixels=opened.pixels[row], record=opened.records[row])


def _loose(folder: Path, digest: str, path: Path, *, image: ImageConfig) -> Picture:
    # absent only where another process finished the same map meanwhile and cleaned up
    return load_picture(folder, digest, shape=image.shape) or decode(path, digest=digest, image=image)


def _decode_all(
    missing: Mapping[str, Path],
    *,
    image: ImageConfig,
    loose: Path,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> dict[str, str]:
    """Decode files into single pictures; return why some could not be read."""
    reasons: dict[str, str] = {}
    for done, (key, outcome) in enumerate(_outcomes(missing, image=image, workers=workers), start=1):
        if isinstance(outcome, Unreadable):
            reasons[key] = str(outcome)
        else:
            save_picture(outcome, loose)
        if progress is not None:
            progress(done, len(missing))
    return reasons


def _outcomes(
    missing: Mapping[str, Path], *, image: ImageConfig, workers: int
) -> Iterator[tuple[str, Picture | Unreadable]]:
    """Yield each picture, or why there is none; few are in memory at a time."""
    workers = min(workers, _VOLUMES_AT_A_TIME) if image.is_volume else workers
    waiting: deque[tuple[str, Future[Picture | Unreadable]]] = deque()
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="decode") as pool:
        try:
            for key, path in missing.items():
                waiting.append((key, pool.submit(_outcome, path, digest=key, image=image)))
                if len(waiting) >= _AHEAD * workers:
                    key, future = waiting.popleft()
                    yield key, future.result()
            while waiting:
                key, future = waiting.popleft()
                yield key, future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _outcome(path: Path, *, digest: str, image: ImageConfig) -> Picture | Unreadable:
    try:
        return decode(path, digest=digest, image=image)
    except (RadiographError, VolumeError) as reason:
        return reason


def _unreadable(reasons: Mapping[str, str | None], *, total: int) -> RadiographError:
    failed = {name: reason for name, reason in reasons.items() if reason}
    listed = "".join(f"\n- {name}: {reason}" for name, reason in failed.items())
    return RadiographError(
        f"Every image of the table must be readable, but {len(failed)} of {total} are not; mend or remove them:{listed}"
    )
