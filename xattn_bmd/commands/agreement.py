"""``agreement``: how well readers agree with each other and with themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def agreement_command(
    readers: str,
    *,
    out: str | None = None,
    classes: list[str] | None = None,
    ordered: bool = False,
    seed: int = 0,
    replicates: int = 2000,
) -> None:
    """Print how well readers agree with each other and with themselves: Cohen's, weighted and Fleiss' kappa.

    Args:
        readers: readers' table (CSV): item_id, patient_id, reader, class and, where somebody read twice, reading.
        out: CSV file to write the table to; an existing one is replaced.
        classes: all classes, e.g. normal old fresh; those found in the table by default.
        ordered: whether the classes are named from the lowest to the highest; true adds the weighted kappas.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.
    """
    from xattn_bmd.atomic import atomic_write
    from xattn_bmd.errors import MetricError
    from xattn_bmd.metrics.readings import read_readings
    from xattn_bmd.metrics.tables.reader_agreement import reader_agreement

    given = read_readings(Path(readers))
    found = reader_agreement(given, classes=classes, ordered=ordered, seed=seed, replicates=replicates)
    print(agreement_text(found))
    if out is not None:
        atomic_write(Path(out), found.to_csv(index=False), error=MetricError)
        print(f"table: {out}")


def agreement_text(agreement: pd.DataFrame) -> str:
    """Return an agreement table as text, a heading for each comparison and a line for each metric.

    Args:
        agreement: from :func:`xattn_bmd.metrics.tables.reader_agreement.reader_agreement`.
    """
    lines = []
    for _, rows in agreement.groupby(
        ["kind", "reader_a", "reader_b", "reading_a", "reading_b"], sort=False, dropna=False
    ):
        one = rows.iloc[0]
        lines.append(f"{_heading(one)}: {one['items']} items of {one['patients']} patients{_left_out(one)}")
        lines += [_line(row) for _, row in rows.iterrows()]
    return "\n".join(["agreement of readers, 95 % interval by patient bootstrap (BCa)", *lines])


def _heading(one: pd.Series[Any]) -> str:
    if one["kind"] == "all readers":
        return f"all readers ({one['reader_a']})"
    a, b = (f"{one[f'reader_{side}']} (reading {one[f'reading_{side}']})" for side in "ab")
    return f"{one['kind']}-observer, {a} and {b}"


def _left_out(one: pd.Series[Any]) -> str:
    return f", {one['left_out']} left out that not all of them read" if one["left_out"] else ""


def _line(row: pd.Series[Any]) -> str:
    reason = f"  {row['reason']}" if row["reason"] else ""
    interval = "" if row["low"] != row["low"] else f" [{row['low']:.3f}, {row['high']:.3f}]"
    value = "-" if row["value"] != row["value"] else f"{row['value']:.3f}"
    return f"  {row['metric']:<16} {value}{interval}{reason}"
