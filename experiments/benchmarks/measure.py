"""Print each speed target beside what was measured, in one run, variants in turn, medians.

Run: python experiments/benchmarks/measure.py [--quick] [--only 1 2 7 gpu] [--repeats 3] [--out FILE] [--readme]
A full run writes results/targets.csv; a quick or partial one writes only where --out says, or, with --update, puts its
targets' rows in place of the stored ones.
"""

from __future__ import annotations

import argparse
import importlib
import time
from pathlib import Path

from measured import Measured
from targets_table import TARGETS, printed, update_csv, write_csv, write_readme

from xattn_bmd.training.environment import machine

PARTS = {
    "1": "epoch",
    "2": "epoch",
    "3": "input",
    "4": "input",
    "5": "workers",
    "6": "overhead",
    "7": "startup",
    "8": "memory",
    "9": "frozen",
    "10": "pruning",
    "gpu": "gpu",
}
"""The file that measures each target; a file named twice measures both in one go."""


def parsed() -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small pictures, few fits: to try the script")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="TARGET")
    parser.add_argument("--repeats", type=int, default=3, help="rounds of the alternating variants")
    parser.add_argument("--out", type=Path, help="CSV file in place of results/targets.csv")
    parser.add_argument("--update", action="store_true", help="put the rows into results/targets.csv")
    parser.add_argument("--readme", action="store_true", help="put results/targets.csv into the README and end")
    return parser.parse_args()


def collected(asked: argparse.Namespace) -> list[Measured]:
    """Measure what was asked for, one file after the other; a file that fails does not lose the others' rows."""
    rows: list[Measured] = []
    for part in dict.fromkeys(PARTS[target] for target in asked.only):
        begin = time.perf_counter()
        print(f"{part}:", flush=True)
        try:
            rows += importlib.import_module(part).measure(quick=asked.quick, repeats=asked.repeats)
        except Exception as error:
            number = ", ".join(target for target in PARTS if PARTS[target] == part)
            rows.append(
                Measured(f"{number} {part}: failed", "", float("nan"), "", 0, f"{type(error).__name__}: {error}")
            )
        print(f"  {time.perf_counter() - begin:.0f} s", flush=True)
    return rows


def main() -> None:
    """Measure, print the table and store it."""
    asked = parsed()
    if asked.readme:
        return write_readme()
    rows = collected(asked)
    print(f"\n{printed(rows)}\n\nmachine: {machine()}; medians of n runs{'; QUICK sizes' if asked.quick else ''}")
    if asked.update and not asked.quick:
        update_csv(rows, machine=machine())
    whole = not asked.quick and set(asked.only) == set(PARTS)
    path = asked.out or (TARGETS if whole else None)
    if path is not None:
        write_csv(rows, machine=machine(), path=path)
        print(f"written: {path.name}")
    return None


if __name__ == "__main__":
    main()
