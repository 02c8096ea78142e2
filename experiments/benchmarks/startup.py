"""Target 7: import and --help, timed as experiments/startup times them."""

from __future__ import annotations

import importlib.util
import statistics
from functools import partial
from pathlib import Path
from types import ModuleType

from measured import Measured
from rounds import in_turn

SCRIPT = Path(__file__).parents[1] / "startup" / "measure.py"


def measure(*, quick: bool, repeats: int) -> list[Measured]:
    """Return the seconds of import over bare Python and of ``--help`` in all."""
    script = _script()
    runs = max(repeats, 3 if quick else script.RUNS)
    times = in_turn(
        {name: partial(script.seconds, command) for name, command in script.COMMANDS.items()}, repeats=runs, quiet=True
    )
    bare, imported, helped = (statistics.median(values) for values in times.values())
    return [
        Measured("7 import xattn_bmd, over bare Python", "<= 0.10", imported - bare, "s", runs),
        Measured("7 xattn-bmd --help, in all", "<= 0.30", helped, "s", runs),
    ]


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("startup_measure", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
