"""The stored figures, and the tables that the README and the terminal show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from xattn_bmd.atomic import atomic_replace, atomic_write
from xattn_bmd.training.environment import commit, machine

HERE = Path(__file__).parent
STORED = HERE / "results" / "explanations.csv"
BEGIN, END = "<!-- explanations: begin -->", "<!-- explanations: end -->"
REGIONS = ("neck", "femur", "pelvis", "background")
MEASURES = ("share_over_chance", "positive_share_over_chance")
AREAS = ("deletion_area", "insertion_area")
COLUMNS = [
    *("weights", "pixels", "method", "grid", "heat_of", "region", "measure", "value", "low", "high", "n", "seed"),
    *("commit", "machine"),
]
SHOWN = [(region, measure) for measure in MEASURES for region in REGIONS[:2]]


def update(found: pd.DataFrame, *, path: Path = STORED) -> None:
    """Store figures in place of those of the same weights and method."""
    rows = found.assign(commit=commit(HERE), machine=machine()).reindex(columns=COLUMNS)
    if path.exists():
        before = pd.read_csv(path, keep_default_na=False, na_values=[""])
        same = before[["weights", "method"]].apply(tuple, axis=1)
        fresh = set(rows[["weights", "method"]].itertuples(index=False, name=None))
        rows = pd.concat([before[~same.isin(fresh)], rows], ignore_index=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, rows.to_csv(index=False, float_format="%.6g"))


def printed(path: Path = STORED) -> str:
    """Return one table for each kind of weights, as Markdown."""
    stored = pd.read_csv(path)
    return "\n\n".join("\n".join(_lines(part)) for _, part in stored.groupby("weights", sort=False))


def write_readme(readme: Path = HERE / "README.md", *, path: Path = STORED) -> None:
    """Put the stored tables between the README's two markers.

    Raises:
        RunError: if the README does not have both.
    """
    atomic_replace(readme, printed(path), begin=BEGIN, end=END)


def _lines(rows: pd.DataFrame) -> Iterator[str]:
    judged = rows[rows["measure"] != "seconds"]
    one = rows.iloc[0]
    yield f"Weights `{one['weights']}`, {one['pixels']} pixels; share of the heat over chance:"
    yield ""
    heads = [f"{region}{', positive' if measure == MEASURES[1] else ''}" for region, measure in SHOWN]
    yield f"| method (grid, n) | heat of | {' | '.join(heads)} | deletion | insertion |"
    yield "|---" * (4 + len(SHOWN)) + "|"
    for (method, heat_of), part in judged.groupby(["method", "heat_of"], sort=False):
        first, figures = part.iloc[0], part.set_index(["region", "measure"])
        cells = [_cell(figures, key, "{:.2f}") for key in SHOWN]
        cells += [_cell(figures, ("picture", area), "{:+.4f}") for area in AREAS]
        whose = str(heat_of).replace("_", " ")
        yield f"| {method} ({first['grid']}, {first['n']:.0f}) | {whose} | {' | '.join(cells)} |"
    for row in rows[rows["measure"] == "seconds"].to_dict("records"):
        yield from ("", f"{row['n']} hips, {row['method']}: {row['value']:.0f} s.")
    yield ""
    yield f"Seed {one['seed']}; commit {', '.join(dict.fromkeys(rows['commit']))}; machine: {one['machine']}."


def _cell(figures: pd.DataFrame, key: tuple[str, str], form: str) -> str:
    if key not in figures.index or pd.isna(figures.loc[key, "value"]):
        return "–"
    value, low, high = figures.loc[key, ["value", "low", "high"]]
    return form.format(value) + ("" if pd.isna(low) else f" [{form.format(low)}, {form.format(high)}]")
