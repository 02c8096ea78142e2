"""Which files of the JSRT and SCR databases lie below two folders; found by name, wherever they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

NUMBERS = {"JPCLN": 154, "JPCNN": 93}
"""How many radiographs have names that begin so: with a lung nodule, and without."""

ORGANS = {
    "clavicle": ("left clavicle", "right clavicle"),
    "lungs": ("left lung", "right lung"),
    "heart": ("heart",),
}
"""The SCR folders whose masks together make one mask."""

_PARTS = {part.replace(" ", ""): part for parts in ORGANS.values() for part in parts}
_CLINICAL = ("clndat_en.txt", "cnndat_en.txt")
_NAMED = re.compile(r"(JPCLN|JPCNN)(\d{3})")


@dataclass(frozen=True)
class SourceFiles:
    """What was found.

    Attributes:
        radiographs: the ``.IMG`` file of each id, in order of the ids.
        masks: the ``.gif`` file of each id and part (``"left clavicle"``), in order of the ids.
        clinical: the English clinical texts.
        problems: one sentence for each fault.
    """

    radiographs: dict[str, Path] = field(default_factory=dict)
    masks: dict[tuple[str, str], Path] = field(default_factory=dict)
    clinical: tuple[Path, ...] = ()
    problems: tuple[str, ...] = ()

    def parts(self, radiograph: str, organ: str) -> list[Path]:
        """Return the files that together make the mask of an organ; none where the radiograph has no such mask."""
        keys = [(radiograph, part) for part in ORGANS[organ]]
        return [self.masks[key] for key in keys if key in self.masks]


def find_files(jsrt: Path, scr: Path) -> SourceFiles:
    """Look through two folders, which may be one, and all folders below them.

    Names match in upper and lower case.  A mask's part is the name of the folder that it lies in, with or without
    spaces and underscores; pictures in other folders, hidden files and ``__MACOSX`` are passed over.

    Args:
        jsrt: where the ``.IMG`` files and the clinical texts are.
        scr: where the ``.gif`` masks are.
    """
    problems: list[str] = []
    films: dict[str, list[Path]] = {}
    for path in _below(jsrt, ".img"):
        films.setdefault(_named(path, problems, root=jsrt), []).append(path)
    drawn: dict[tuple[str, str], list[Path]] = {}
    for path in _below(scr, ".gif"):
        if part := _PARTS.get(re.sub(r"[\s_-]", "", path.parent.name.lower())):
            drawn.setdefault((_named(path, problems, root=scr), part), []).append(path)
    problems += _absent(jsrt, scr, films=bool(films), drawn=bool(drawn))
    problems += [_twice(name, paths, root=jsrt) for name, paths in sorted(films.items()) if name and len(paths) > 1]
    problems += [
        _twice(f"{part} of {name}", paths, root=scr)
        for (name, part), paths in sorted(drawn.items())
        if name and len(paths) > 1
    ]
    found = SourceFiles(
        radiographs={name: paths[0] for name, paths in sorted(films.items()) if name},
        masks={key: paths[0] for key, paths in sorted(drawn.items()) if key[0]},
        clinical=tuple(path for path in _below(jsrt, ".txt") if path.name.lower() in _CLINICAL),
    )
    return SourceFiles(found.radiographs, found.masks, found.clinical, (*problems, *_halves(found)))


def _below(folder: Path, suffix: str) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
        if path.suffix.lower() == suffix and not hidden and path.is_file():
            yield path


def _named(path: Path, problems: list[str], *, root: Path) -> str:
    """Return the radiograph that a file is of, or empty text and one more problem."""
    match = _NAMED.fullmatch(path.stem.upper())
    if match and 1 <= int(match[2]) <= NUMBERS[match[1]]:
        return match[0]
    problems.append(
        f"JSRT names its radiographs JPCLN001 to JPCLN154 and JPCNN001 to JPCNN093, but {path.relative_to(root)} is "
        "called otherwise; give the file its original name, or move it away."
    )
    return ""


def _absent(jsrt: Path, scr: Path, *, films: bool, drawn: bool) -> list[str]:
    problems = []
    if not films:
        problems.append(
            f"JSRT is a folder with files such as JPCLN001.IMG, in it or below, but {jsrt} {_seen(jsrt)}; "
            "give the folder into which the archives were unpacked."
        )
    if not drawn:
        problems.append(
            f"SCR is a folder with files such as 'left clavicle/JPCLN001.gif', in it or below, but {scr} {_seen(scr)}; "
            "give the folder into which the archive was unpacked."
        )
    return problems


def _seen(folder: Path) -> str:
    return "has none" if folder.is_dir() else "is no folder"


def _twice(what: str, paths: list[Path], *, root: Path) -> str:
    places = " and ".join(str(path.relative_to(root)) for path in paths)
    return f"A file is there once, but {what} is there as {places}; move all but one away."


def _halves(found: SourceFiles) -> list[str]:
    """Return masks of one side only, which would call the other side's bone background."""
    problems = []
    for organ, parts in ORGANS.items():
        for name in sorted({name for name, part in found.masks if part in parts}):
            if lacking := [part for part in parts if (name, part) not in found.masks]:
                problems.append(
                    f"A mask of the {organ} needs both sides, but {name} has no {lacking[0]}; "
                    "add its file, or move the other side's away."
                )
    return problems
