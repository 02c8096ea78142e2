"""Files and folders that are either whole or absent, whatever kills the process."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xattn_bmd.errors import RunError, XattnBmdError

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_REFUSED = {errno.EACCES, errno.EROFS, errno.EPERM, errno.EEXIST, errno.ENOTDIR}


@contextmanager
def atomic_folder(target: Path, *, error: type[XattnBmdError] = RunError) -> Iterator[Path]:
    """Yield a temporary sibling folder that becomes ``target`` when the block ends without an error.

    Args:
        target: the folder to make; it must not exist.
        error: the class raised for a full or unwritable disk.

    Raises:
        XattnBmdError: of class ``error`` where the disk is full or cannot be written; nothing is left behind.

    Example:
        >>> import tempfile, pathlib
        >>> root = pathlib.Path(tempfile.mkdtemp())
        >>> with atomic_folder(root / "fold_00") as folder:
        ...     _ = (folder / "history.csv").write_text("epoch")
        >>> (root / "fold_00" / "history.csv").read_text()
        'epoch'
    """
    with disk_errors(target, error=error):
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".partial-{target.name}-", dir=target.parent))
        try:
            yield partial
            partial.chmod(0o755)
            partial.replace(target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise


def atomic_write(target: Path, content: str | bytes, *, error: type[XattnBmdError] = RunError) -> None:
    """Write a file in one step: a reader sees the old content or the new, never a part.

    Args:
        target: the file to write; an existing one is replaced.
        content: text (stored as UTF-8) or bytes.
        error: the class raised for a full or unwritable disk.

    Raises:
        XattnBmdError: of class ``error`` where the disk is full or cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    with disk_errors(target, error=error):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".partial-{target.name}-", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            Path(name).chmod(0o644)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def atomic_replace(target: Path, text: str, *, begin: str, end: str, error: type[XattnBmdError] = RunError) -> None:
    """Replace what lies between two lines of a text file, in one step.

    Args:
        target: the file.
        text: what is to stand between them.
        begin: the line before; its first occurrence counts.
        end: the line behind.
        error: the class raised for a file without both, or for a full or unwritable disk.

    Raises:
        XattnBmdError: of class ``error``; the file stays as it was.

    Example:
        >>> import tempfile, pathlib
        >>> page = pathlib.Path(tempfile.mkdtemp()) / "README.md"
        >>> _ = page.write_text("title <b> old <e> rest")
        >>> atomic_replace(page, "new", begin="<b>", end="<e>")
        >>> page.read_text().split()
        ['title', '<b>', 'new', '<e>', 'rest']
    """
    before, begun, rest = target.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not begun or not ended:
        raise error(f"{target.name} needs the lines {begin} and {end}; put them where the text belongs.")
    atomic_write(target, f"{before}{begin}\n{text}\n{end}{after}", error=error)


def remove_partials(folder: Path) -> None:
    """Delete the temporary files and folders that a killed process left directly in ``folder``."""
    for partial in folder.glob(".partial-*"):
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


@contextmanager
def disk_errors(target: Path, *, error: type[XattnBmdError] = RunError) -> Iterator[None]:
    """Turn a full or unwritable disk within the block into one clear sentence.

    Args:
        target: what is being written.
        error: the class raised.

    Raises:
        XattnBmdError: of class ``error``.
    """
    try:
        yield
    except OSError as cause:
        if cause.errno in _NO_SPACE:
            raise error(
                f"Writing {target.name} needs free disk space, but the disk holding {target.parent} is full; "
                "nothing half-written was kept: free some space and run the same command again."
            ) from cause
        if cause.errno in _REFUSED:
            raise error(
                f"Writing {target.name} needs a writable folder, but {target.parent} is none; "
                "choose another output folder or mend its permissions."
            ) from cause
        raise
