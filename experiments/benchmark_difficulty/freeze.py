"""Freeze the bench: write xattn_bmd/simulate/assets/bench.json from what the code makes now.

Run: python experiments/benchmark_difficulty/freeze.py           (writes it; refuses to change a frozen version)
     python experiments/benchmark_difficulty/freeze.py --check   (only says where the code departs from it)
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

import xattn_bmd.simulate.assets
from xattn_bmd.atomic import atomic_write
from xattn_bmd.simulate.bench import FILE, bench_text, differences, fingerprint, frozen, made_bench

STORED = Path(xattn_bmd.simulate.assets.__file__).parent / FILE


def main() -> None:
    """Compare, and write the file where it is new or its version is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    made = made_bench()
    stored = frozen() if STORED.exists() else None
    found = [] if stored is None else differences(stored, made)
    if stored is not None:
        print(f"largest difference of a block mean: {_apart(stored, made):.2f} of 4096 grey levels")
    print("\n".join(found) or ("nothing is frozen yet" if stored is None else "the code makes the frozen bench"))
    if asked.check:
        sys.exit(bool(found) or stored is None)
    if stored is not None and stored["version"] == made["version"]:
        if found:
            sys.exit(f"{made['version']} is frozen; raise VERSION in xattn_bmd/simulate/cohort.py, or undo the change.")
    else:
        atomic_write(STORED, bench_text(made))
    print(f"{made['version']}: SHA-256 {fingerprint()}")


def _apart(stored: dict[str, Any], made: dict[str, Any]) -> float:
    pairs = zip(stored["hips"], made["hips"], strict=True)
    return max(float(np.abs(np.array(one["grey"]) - np.array(other["grey"])).max()) for one, other in pairs)


if __name__ == "__main__":
    main()
