"""What damaged and killed builds leave in the cache folder: moved aside, then deleted."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from pathlib import Path

_STALE_SECONDS = 24 * 3600


def discard(folder: Path) -> None:
    """Move a damaged folder aside in one step, then delete it."""
    aside = Path(tempfile.mkdtemp(prefix=".partial-discarded-", dir=folder.parent))
    with contextlib.suppress(FileNotFoundError):  # another process moved it first
        folder.replace(aside / "map")
    shutil.rmtree(aside, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Delete what killed builds left behind; younger remains may belong to a process that is still writing."""
    for partial in folder.glob(".partial-*"):
        with contextlib.suppress(OSError):
            if time.time() - partial.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(partial, ignore_errors=True)
