"""The difficulty table: as CSV, as text, and as Markdown between two markers of the README."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from score import Scored

from xattn_bmd.atomic import atomic_replace, atomic_write
from xattn_bmd.training.environment import commit, machine

HERE = Path(__file__).parent
STORED = HERE / "results" / "difficulty.csv"
COLUMNS = ("property", "wanted", "value", "low", "high", "n", "seed", "size", "how", "commit", "machine")
BEGIN, END = "<!-- difficulty: begin -->", "<!-- difficulty: end -->"


class Row(NamedTuple):
    """One property of the bench.

    Attributes:
        property: what was measured; a row replaces the stored one of the same name.
        wanted: ``"0.22-0.35"``, ``"<= 0.25"``, ``">= 0.99"``, or nothing where it is only reported.
        found: the figure and its 95 % interval.
        n: radiographs, or hips where they are radiographed again.
        seed: of the people that are scored.
        size: rows and columns of their pictures; 0 where there are none.
        how: what was done, in words.
    """

    property: str
    wanted: str
    found: Scored
    n: int
    seed: int
    size: int
    how: str


def update(rows: Sequence[Row], *, path: Path = STORED) -> None:
    """Put rows in place of the stored ones of the same property, or after them."""
    lines = {line["property"]: line for line in stored(path)}
    lines |= {row.property: _line(row) for row in rows}
    path.parent.mkdir(parents=True, exist_ok=True)
    text = [",".join(COLUMNS), *(_joined([line[name] for name in COLUMNS]) for line in lines.values())]
    atomic_write(path, "\n".join(text) + "\n")


def stored(path: Path = STORED) -> list[dict[str, str]]:
    """Return the stored lines; none where nothing is stored."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def met(wanted: str, value: float) -> str:
    """Return ``"yes"`` or ``"no"``, or nothing where nothing is wanted.

    Example:
        >>> met("0.22-0.35", 0.29), met("<= 0.25", 0.26), met(">= 0.99", 0.994), met("", 1.0)
        ('yes', 'no', 'yes', '')
    """
    if not wanted:
        return ""
    first, last = re.match(r"(<=|>=|[\d.]+-)\s*([\d.]+)$", wanted).groups()
    bounds = {"<=": (float("-inf"), float(last)), ">=": (float(last), float("inf"))}
    low, high = bounds.get(first) or (float(first.rstrip("-")), float(last))
    return "yes" if low <= value <= high else "no"


def markdown(path: Path = STORED) -> str:
    """Return the stored table as Markdown, commits and machines below it."""
    lines = stored(path)
    text = ["| property | wanted | found [95 %] | met | n | seed | how |", "|---|---|---|---|---|---|---|"]
    text += ["| " + " | ".join(_cells(line)) + " |" for line in lines]
    commits, machines = (", ".join(dict.fromkeys(line[name] for line in lines)) for name in ("commit", "machine"))
    sizes = ", ".join(sorted({f"{line['size']} x {line['size']}" for line in lines if line["size"] != "0"}))
    return "\n".join([*text, "", f"All of it is simulated. Pictures {sizes}; commit {commits}; machine: {machines}."])


def printed(path: Path = STORED) -> str:
    """Return the stored table as text."""
    lines = [("property", "wanted", "found [95 %]", "met", "n", "seed", "how"), *map(_cells, stored(path))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def write_readme(readme: Path = HERE / "README.md", *, path: Path = STORED) -> None:
    """Put the stored table between the README's two markers.

    Raises:
        RunError: if the README does not have both.
    """
    atomic_replace(readme, markdown(path), begin=BEGIN, end=END)


def _line(row: Row) -> dict[str, str]:
    figures = (f"{figure:.6g}" for figure in row.found)
    values = (row.property, row.wanted, *figures, row.n, row.seed, row.size, row.how, commit(HERE), machine())
    return dict(zip(COLUMNS, map(str, values), strict=True))


def _joined(cells: Sequence[str]) -> str:
    return ",".join('"' + cell.replace('"', '""') + '"' if re.search(r'[",]', cell) else cell for cell in cells)


def _cells(line: dict[str, str]) -> tuple[str, ...]:
    value, low, high = (float(line[name]) for name in ("value", "low", "high"))
    found = f"{value:.3f} [{low:.3f}, {high:.3f}]"
    n = f"{int(line['n']):,}"
    return line["property"], line["wanted"], found, met(line["wanted"], value), n, line["seed"], line["how"]
