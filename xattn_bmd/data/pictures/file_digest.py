"""SHA-256 of files, remembered, so that opening a finished cache reads none of them again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from xattn_bmd.atomic import atomic_write
from xattn_bmd.data.cache_folder import json_hash
from xattn_bmd.data.volumes.series import scan_files
from xattn_bmd.errors import CacheError

_CHUNK = 1 << 20
_MEMO_NAME = "digests.json"


class FileDigests:
    """Digests of files by path, size and times; the memo holds hashed paths, for a path may name a patient.

    Args:
        folder: the cache folder that keeps the memo between runs.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / _MEMO_NAME
        self._known = _memo(self._file)
        self._fresh: dict[str, str] = {}

    def digest(self, path: Path) -> str:
        """Return the SHA-256 of a file's bytes, from the memo where size and times are unchanged.

        Raises:
            OSError: if the file cannot be read.
        """
        key = _key(path)
        if key not in self._known:
            self._known[key] = self._fresh[key] = _sha256(path)
        return self._known[key]

    def save(self) -> None:
        """Add what was learned to the memo on disk.

        Raises:
            CacheError: if the disk is full or cannot be written.
        """
        if self._fresh:
            merged = _memo(self._file) | self._fresh
            atomic_write(self._file, json.dumps(merged), error=CacheError)
            self._fresh = {}


def folder_digest(folder: Path, known: FileDigests) -> str:
    """Return one digest of the files directly in a folder, whatever their names: a DICOM series.

    Args:
        folder: the folder; hidden files do not count.
        known: digests of single files.

    Raises:
        OSError: if a file cannot be read.
    """
    return json_hash(sorted(known.digest(file) for file in scan_files(folder)))


def _key(path: Path) -> str:
    status = path.stat()
    # the change time catches tools that edit a file and put its modification time back
    text = f"{path.absolute()}|{status.st_size}|{status.st_mtime_ns}|{status.st_ctime_ns}"
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _memo(file: Path) -> dict[str, str]:
    try:
        memo = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in memo.items()} if isinstance(memo, dict) else {}
