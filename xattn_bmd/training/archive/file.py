"""The growing file of an estimated list: whole blocks of lines, so that a killed run continues at the last one.

``OUT.partial`` holds a line of JSON that says whose it is, then one line of JSON for each finished block with the text
that it adds to the table and to the list of problems.  A line counts when it is whole; a torn tail is cut off.  The
finished table is joined from the blocks and appears in one step.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from itertools import chain
from pathlib import Path
from typing import IO, Any

from xattn_bmd.atomic import disk_errors
from xattn_bmd.errors import RunError

PROBLEMS_HEADER = "radiograph_id,problem\n"

_FORMAT = "xattn-bmd-archive-2"


@dataclass(frozen=True)
class BlockText:
    """What one block of rows adds to the files.

    Attributes:
        number: position of the block, from 0.
        estimated: radiographs that were estimated.
        problems: radiographs that were not.
        estimates: their lines of the table.
        reasons: their lines of the list of problems.
    """

    number: int
    estimated: int
    problems: int
    estimates: str
    reasons: str


_KEYS = {item.name for item in fields(BlockText)}


def partial_path(out: Path) -> Path:
    """Return where the blocks of an unfinished table are kept.

    Example:
        >>> partial_path(Path("night/estimates.csv")).name
        'estimates.csv.partial'
    """
    return out.with_name(f"{out.name}.partial")


def problems_path(out: Path) -> Path:
    """Return where the radiographs that could not be estimated are listed.

    Example:
        >>> problems_path(Path("night/estimates.csv")).name
        'estimates.problems.csv'
    """
    return out.with_name(f"{out.stem}.problems{out.suffix or '.csv'}")


class ArchiveFile:
    """The finished blocks of a list, on disk.

    Args:
        out: the table to make.
        identity: all that decides its content, in words; the blocks of another identity are never continued.

    Raises:
        RunError: if ``OUT.partial`` belongs to another predictor, list or setting, or cannot be written.
    """

    def __init__(self, out: Path, *, identity: Mapping[str, str]) -> None:
        self._out, self._path = out, partial_path(out)
        self._done, self._end = 0, 0
        with disk_errors(self._path):
            if _has_line(self._path):
                self._continue(identity)
            if not self._done:
                self._begin(identity)

    @property
    def done(self) -> int:
        """Number of whole blocks."""
        return self._done

    def append(self, block: BlockText) -> None:
        """Keep a finished block; it outlives a loss of power.

        Raises:
            RunError: if the disk is full; the blocks before stay.
        """
        line = _line(asdict(block))
        with disk_errors(self._path), self._path.open("r+b") as stream:
            stream.truncate(self._end)
            stream.seek(self._end)
            stream.write(line)
            _settle(stream)
        self._end += len(line)
        self._done += 1

    def finish(self, header: str) -> tuple[int, int]:
        """Write the table and the list of problems, each in one step, and remove the blocks.

        The list of an earlier run is removed where nothing is to be listed; a table without a row is not written.

        Args:
            header: first line of the table.

        Returns:
            radiographs estimated, and radiographs with a problem.

        Raises:
            RunError: if the disk is full, or another process wrote to the same file; the blocks stay.
        """
        estimated, problems = self._counts()
        listed = problems_path(self._out)
        if problems:
            _write(listed, chain([PROBLEMS_HEADER], (block.reasons for block, _ in _whole_blocks(self._path))))
        else:
            listed.unlink(missing_ok=True)
        if estimated:
            _write(self._out, chain([header], (block.estimates for block, _ in _whole_blocks(self._path))))
        self._path.unlink()
        return estimated, problems

    def discard_empty(self) -> None:
        """Remove the file of a run that ended before its first block."""
        if not self._done:
            self._path.unlink(missing_ok=True)

    def _counts(self) -> tuple[int, int]:
        found = estimated = problems = 0
        for block, _ in _whole_blocks(self._path):
            found, estimated, problems = found + 1, estimated + block.estimated, problems + block.problems
        if found != self._done or self._path.stat().st_size != self._end:
            raise RunError(
                f"{self._path.name} grows by one command at a time, but another process wrote to it; "
                f"let one of the two finish, or delete {self._path} and begin again."
            )
        return estimated, problems

    def _continue(self, identity: Mapping[str, str]) -> None:
        with self._path.open("rb") as stream:
            first = stream.readline()
        begun = _parsed(first)
        if begun is None or begun.get("format") != _FORMAT:
            raise _foreign(self._path, ["program"])
        for _, end in _whole_blocks(self._path):
            self._done, self._end = self._done + 1, end
        other = [name for name, value in identity.items() if begun["identity"].get(name) != value]
        if other and self._done:
            raise _foreign(self._path, other)

    def _begin(self, identity: Mapping[str, str]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        line = _line({"format": _FORMAT, "identity": dict(identity)})
        with self._path.open("wb") as stream:
            stream.write(line)
            _settle(stream)
        self._end = len(line)


def _foreign(path: Path, other: list[str]) -> RunError:
    return RunError(
        f"An unfinished table is continued by the command that began it, but {path.name} was begun with another "
        f"{', '.join(other)}; run that command again, choose another output, or delete {path}."
    )


def _whole_blocks(path: Path) -> Iterator[tuple[BlockText, int]]:
    """Yield each whole block with the position of its end, up to the first that is torn or out of order."""
    with path.open("rb") as stream:
        end = len(stream.readline())
        for number, line in enumerate(stream):
            end += len(line)
            block = _parsed(line)
            if block is None or set(block) != _KEYS or block["number"] != number:
                return
            yield BlockText(**block), end


def _has_line(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.readline().endswith(b"\n")


def _parsed(line: bytes) -> dict[str, Any] | None:
    """Return what a whole line says; None for a torn one, or what no line of ours is."""
    try:
        value = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _write(target: Path, parts: Iterable[str]) -> None:
    """Write a file part by part; it appears, or replaces an older one, in one step."""
    beside = target.with_name(f".partial-{target.name}")
    with disk_errors(target):
        try:
            with beside.open("w", encoding="utf-8", newline="") as stream:
                stream.writelines(parts)
                _settle(stream)
            beside.replace(target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def _settle(stream: IO[Any]) -> None:
    """Wait until what was written lies on the disk."""
    stream.flush()
    os.fsync(stream.fileno())
