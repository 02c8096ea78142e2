"""Every picture read once, before any is written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from xattn_bmd.data.jsrt.files import ORGANS, SourceFiles
from xattn_bmd.data.jsrt.film import film_levels
from xattn_bmd.data.jsrt.masks import read_mask
from xattn_bmd.errors import CohortError


def picture_problems(source: SourceFiles, *, step: Callable[[], None]) -> tuple[str, list[str]]:
    """Return a digest of all files that a conversion takes, and one sentence for each that is damaged.

    Args:
        source: the files.
        step: called after each radiograph.
    """
    digest, problems = hashlib.sha256(), list[str]()
    for name, film in source.radiographs.items():
        digest.update(f"{name} {_digest(film, film_levels, problems)}\n".encode())
        for organ in ORGANS:
            for part in source.parts(name, organ):
                digest.update(f"{name} {part.parent.name} {_digest(part, read_mask, problems)}\n".encode())
        step()
    return digest.hexdigest(), problems


def _digest(path: Path, read: Callable[..., object], problems: list[str]) -> str:
    """Return the digest of a file's content, and add a problem if it cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as cause:
        problems.append(f"Every file must be readable, but {_called(path)} is not ({cause.strerror}); mend it.")
        return ""
    try:
        read(content, name=_called(path))
    except CohortError as error:
        problems.append(str(error))
    return hashlib.sha256(content).hexdigest()


def _called(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
