"""Print how fast hips or chests are simulated, process start included.

Run: python experiments/simulation_assets/speed.py --n 200
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import tempfile
import time

from xattn_bmd import simulate_cohort


def main() -> None:
    """Simulate a cohort in a temporary folder and print hips per second, CPU time and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--preset", default="hcs")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        simulate_cohort(
            folder, n=arguments.n, preset=arguments.preset, size=arguments.size, seed=0, workers=arguments.workers
        )
    wall = time.perf_counter() - start
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(one.ru_utime + one.ru_stime for one in used)
    peak = max(one.ru_maxrss for one in used) / 1024
    print(f"machine: {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    size, workers = arguments.size, arguments.workers
    print(f"{arguments.preset}, n = {arguments.n}, {size} x {size}, seed 0, {workers} workers")
    rate, each = arguments.n / wall, cpu / arguments.n
    print(f"{rate:.1f} radiographs/s, {each:.2f} s of CPU time each, {peak:.0f} MB in one process")


if __name__ == "__main__":
    main()
