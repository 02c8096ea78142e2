"""Print how long `import xattn_bmd` and `xattn-bmd --help` take over bare Python: medians of alternating runs.

Run: python experiments/startup/measure.py
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time

RUNS = 15
COMMANDS = {
    "bare Python": [sys.executable, "-c", "pass"],
    "import xattn_bmd": [sys.executable, "-c", "import xattn_bmd"],
    "xattn-bmd --help": [sys.executable, "-m", "xattn_bmd.cli", "--help"],
}


def seconds(command: list[str]) -> float:
    """Return the wall time of one run of a command."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Run the commands in turn and print their medians."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(RUNS + 1):
        for name, command in COMMANDS.items():
            times[name].append(seconds(command))
    medians = {name: statistics.median(values[1:]) for name, values in times.items()}
    bare = medians["bare Python"]
    print(f"machine: {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, n = {RUNS} runs")
    for name, wanted in (("import xattn_bmd", 0.10), ("xattn-bmd --help", 0.30)):
        over = medians[name] - (bare if name.startswith("import") else 0.0)
        unit = "s over bare Python" if name.startswith("import") else "s in all"
        print(f"{name}: {over:.3f} {unit} (wanted: at most {wanted:.2f})")


if __name__ == "__main__":
    main()
