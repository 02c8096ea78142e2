"""The table of targets: as CSV, as text, and as Markdown between two markers of the README."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from measured import Measured

HERE = Path(__file__).parent
TARGETS = HERE / "results" / "targets.csv"
COLUMNS = ("target", "wanted", "measured", "unit", "n", "machine")
BEGIN, END = "<!-- targets: begin -->", "<!-- targets: end -->"


def write_csv(rows: Sequence[Measured], *, machine: str, path: Path) -> None:
    """Write one line a row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write([list(COLUMNS), *_lines(rows, machine)], path)


def update_csv(rows: Sequence[Measured], *, machine: str, path: Path = TARGETS) -> None:
    """Put rows in place of the stored ones of the same targets; the other targets' rows stay.

    Raises:
        ValueError: if no whole run is stored, or one of the rows could not be measured.
    """
    failed = [row.target for row in rows if "failed" in row.target]
    if failed or not path.exists():
        raise ValueError(f"{path.name} is updated after a whole run, with rows that were measured; found: {failed}.")
    with path.open(newline="") as file:
        stored = list(csv.reader(file))
    numbers = {_number(row.target) for row in rows}
    kept = [line for line in stored[1:] if _number(line[0]) not in numbers]
    _write([stored[0], *sorted([*kept, *_lines(rows, machine)], key=lambda line: _place(line[0]))], path)


def _lines(rows: Sequence[Measured], machine: str) -> list[list[str]]:
    return [[row.target, row.wanted, f"{row.measured:.6g}", row.unit, str(row.n), machine] for row in rows]


def _write(lines: Sequence[Sequence[str]], path: Path) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(lines)


def _number(target: str) -> str:
    return target.split()[0]


def _place(target: str) -> tuple[bool, int]:
    number = _number(target)
    return (False, int(number)) if number.isdigit() else (True, 0)


def met(wanted: str, measured: float) -> str:
    """Return ``"yes"`` or ``"no"``, or nothing where nothing is wanted that can be judged.

    Example:
        >>> met(">= 1.6", 1.5), met("<= 50", 12.0), met("= 1", 1.0), met("", 3.0)
        ('no', 'yes', 'yes', '')
    """
    found = re.match(r"(>=|<=|<|>|=)\s*([\d.,]+)", wanted)
    if found is None or measured != measured:
        return ""
    limit = float(found[2].replace(",", ""))
    fulfilled = {
        ">=": measured >= limit,
        "<=": measured <= limit,
        ">": measured > limit,
        "<": measured < limit,
        "=": measured == limit,
    }
    return "yes" if fulfilled[found[1]] else "no"


def printed(rows: Sequence[Measured]) -> str:
    """Return the table as text, with the notes below it."""
    lines = [("target", "wanted", "measured", "unit", "n", "met")]
    for row in rows:
        lines.append(
            (row.target, row.wanted, _short(row.measured), row.unit, str(row.n), met(row.wanted, row.measured))
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    notes = [f"{row.target}: {row.note}" for row in rows if row.note]
    return "\n".join([*text, "", *notes])


def markdown(path: Path = TARGETS) -> str:
    """Return the stored table as Markdown, the machine below it."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines = ["| target | wanted | measured | n | met |", "|---|---|---|---|---|"]
    for row in rows:
        value = float(row["measured"])
        cell = _short(value) if value != value else f"{_short(value)} {row['unit']}"
        lines.append(f"| {row['target']} | {row['wanted']} | {cell} | {row['n']} | {met(row['wanted'], value)} |")
    machines = "; ".join(dict.fromkeys(row["machine"] for row in rows))
    return "\n".join(
        [*lines, "", f"Medians of n runs; the variants of a target ran in turn, in one run. Machine: {machines}."]
    )


def write_readme(readme: Path = HERE / "README.md", *, path: Path = TARGETS) -> None:
    """Put the stored table between the README's two markers.

    Raises:
        ValueError: if the README does not have both.
    """
    before, begin, rest = readme.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{readme.name} needs the lines {BEGIN} and {END}; put them where the table belongs.")
    readme.write_text(f"{before}{BEGIN}\n{markdown(path)}\n{END}{after}")


def _short(value: float) -> str:
    if value != value:
        return "not measured"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
