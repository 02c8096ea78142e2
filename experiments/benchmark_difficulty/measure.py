"""Print how hard the simulated hips are: every row of the difficulty table, in parts that can be run one by one.

Run: python experiments/benchmark_difficulty/measure.py --work FOLDER
     python experiments/benchmark_difficulty/measure.py --work FOLDER --parts record truth --subjects FILE --scale lunar
     python experiments/benchmark_difficulty/measure.py --work FOLDER --small --results trial.csv   (a minute: a trial)
A killed run is continued by the same command: radiographs, decoded pictures and the trained network stay in FOLDER, and
each finished part has its rows in results/difficulty.csv.  --readme puts the stored table into the README and ends.
"""

from __future__ import annotations

import argparse
import importlib
import os
import time
from pathlib import Path

from settings import Settings
from table import STORED, printed, update, write_readme

PARTS = ("record", "grey", "truth", "image", "repeats", "external")
FULL = {"n": 4000, "tested": 1000, "external": 1000, "repeated": 100, "size": 512, "pixels": 160, "epochs": 10}
SMALL = {"n": 100, "tested": 40, "external": 30, "repeated": 8, "size": 96, "pixels": 96, "epochs": 1}


def parsed() -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="folder of cohorts, decoded pictures and weights")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--small", action="store_true", help="few hips, small pictures: to try the script")
    for name in FULL:
        parser.add_argument(f"--{name}", type=int, help=f"{FULL[name]} unless stated")
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--draws", type=int, default=1000, help="bootstrap draws of patients")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--subjects", type=Path, help="table of real people for further rows of record and truth")
    parser.add_argument("--scale", choices=["lunar", "hologic"], help="DXA device of that table")
    parser.add_argument("--results", type=Path, default=STORED)
    parser.add_argument("--readme", action="store_true")
    asked = parser.parse_args()
    if not asked.readme and asked.work is None:
        parser.error("name a folder: --work FOLDER")
    if asked.small and asked.results == STORED:
        parser.error("a trial is not stored: name another file, --results FILE")
    return asked


def settings_of(asked: argparse.Namespace) -> Settings:
    """Return the settings; what is stated goes before the sizes of a full or small run."""
    sizes = (SMALL if asked.small else FULL) | {
        name: value for name in FULL if (value := getattr(asked, name)) is not None
    }
    others = ("repeats", "seed", "draws", "work", "workers", "subjects", "scale")
    return Settings(**sizes, **{name: getattr(asked, name) for name in others})


def main() -> None:
    """Measure part by part, store each, and print the table."""
    asked = parsed()
    if asked.readme:
        return write_readme()
    settings = settings_of(asked)
    settings.work.mkdir(parents=True, exist_ok=True)
    for part in asked.parts:
        begin = time.perf_counter()
        print(f"{part}:", flush=True)
        update(importlib.import_module(part).measure(settings), path=asked.results)
        print(f"  {time.perf_counter() - begin:.0f} s", flush=True)
    print(f"\nSIMULATED hips; 95 % intervals from {settings.draws} draws of patients\n\n{printed(asked.results)}")
    if asked.results == STORED:
        write_readme()
    return None


if __name__ == "__main__":
    main()
