"""The cache folder: where it is, made private, and how entries in it are named, moved aside and swept."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from xattn_bmd.errors import CacheError

_ENVIRONMENT = "XATTN_BMD_CACHE"
_STALE_SECONDS = 24 * 3600


def default_cache_folder() -> Path:
    """Return the folder of ``XATTN_BMD_CACHE``, else ``xattn_bmd`` in the user's cache folder.

    Example:
        >>> default_cache_folder().name
        'xattn_bmd'
    """
    named = os.environ.get(_ENVIRONMENT)
    if named:
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "xattn_bmd"


def make_private(folder: Path) -> None:
    """Make the cache folder, readable by its owner alone, for it holds patients' pictures.

    Raises:
        CacheError: if it cannot be made.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as cause:
        raise CacheError(
            f"The image cache needs a writable folder, but {folder} cannot be made; "
            f"name another one in the environment variable {_ENVIRONMENT}."
        ) from cause


def discard(folder: Path) -> None:
    """Move a damaged entry aside in one step, then delete it."""
    aside = Path(tempfile.mkdtemp(prefix=".partial-discarded-", dir=folder.parent))
    with contextlib.suppress(FileNotFoundError):  # another process moved it first
        folder.replace(aside / "entry")
    shutil.rmtree(aside, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Delete what killed builds left behind; younger remains may belong to a process that is still writing."""
    for partial in folder.glob(".partial-*"):
        with contextlib.suppress(OSError):
            if time.time() - partial.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(partial, ignore_errors=True)


def json_hash(values: Any) -> str:  # noqa: ANN401
    """Return the SHA-256 of plain JSON values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
