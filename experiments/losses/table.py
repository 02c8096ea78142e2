"""The stored figures, and the table that the README and the terminal show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from xattn_bmd.atomic import atomic_replace, atomic_write
from xattn_bmd.training.environment import commit, machine

HERE = Path(__file__).parent
STORED = HERE / "results" / "losses.csv"
BEGIN, END = "<!-- losses: begin -->", "<!-- losses: end -->"
COLUMNS = ["loss", "network", "metric", "value", "low", "high", "radiographs", "n", "seed", "commit", "machine"]
RUN = ["network", "n", "seed"]
SHOWN = {
    "mae": "MAE",
    "r2": "R²",
    "mae_tail": "MAE, tail",
    "bias_tail": "bias, tail",
    "auroc": "AUROC",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "mae_change": "MAE against mse",
    "mae_tail_change": "MAE in the tail against mse",
}


def update(found: pd.DataFrame, *, path: Path = STORED) -> None:
    """Store figures in place of those of the same network, n and seed."""
    rows = found.rename(columns={"model": "loss"}).assign(commit=commit(HERE), machine=machine())[COLUMNS]
    if path.exists():
        before = pd.read_csv(path)
        same = before[RUN].apply(tuple, axis=1).isin(set(rows[RUN].itertuples(index=False, name=None)))
        rows = pd.concat([before[~same], rows], ignore_index=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, rows.to_csv(index=False, float_format="%.6g"))


def printed(path: Path = STORED) -> str:
    """Return one table for each network, n and seed, as Markdown."""
    return "\n\n".join("\n".join(_lines(part)) for _, part in pd.read_csv(path).groupby(RUN, sort=False))


def write_readme(readme: Path = HERE / "README.md", *, path: Path = STORED) -> None:
    """Put the stored tables between the README's two markers.

    Raises:
        RunError: if the README does not have both.
    """
    atomic_replace(readme, printed(path), begin=BEGIN, end=END)


def _lines(rows: pd.DataFrame) -> Iterator[str]:
    one = rows.iloc[0]
    tail = rows.loc[rows["metric"] == "mae_tail", "radiographs"].iloc[0]
    yield f"`{one['network']}`, {one['n']:,} simulated hips, {tail} of them in the tail, seed {one['seed']}:"
    yield ""
    yield "| loss | " + " | ".join(SHOWN.values()) + " |"
    yield "|---" * (1 + len(SHOWN)) + "|"
    for loss, figures in rows.groupby("loss", sort=False):
        by_metric = figures.set_index("metric")
        yield f"| {loss} | " + " | ".join(_cell(by_metric, metric) for metric in SHOWN) + " |"
    yield ""
    yield f"Commit {one['commit']}; machine: {one['machine']}."


def _cell(by_metric: pd.DataFrame, metric: str) -> str:
    if metric not in by_metric.index or pd.isna(by_metric.loc[metric, "value"]):
        return "–"
    value, low, high = by_metric.loc[metric, ["value", "low", "high"]]
    interval = "" if pd.isna(low) else f" [{low:.3f}, {high:.3f}]"
    return f"{value:.3f}{interval}"
