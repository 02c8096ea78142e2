"""The commands: typed functions whose signatures and docstrings are the command line's options and help.

Nothing heavy is imported before a command runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

from collections.abc import Callable

from xattn_bmd.commands.agreement import agreement_command
from xattn_bmd.commands.cohort import check_command, simulate_command
from xattn_bmd.commands.comparison import compare_command, demo_command
from xattn_bmd.commands.explain import explain_command
from xattn_bmd.commands.jsrt import jsrt_command
from xattn_bmd.commands.prediction import evaluate_command, predict_command, segment_command
from xattn_bmd.commands.report import report_command
from xattn_bmd.commands.tune import study_command, tune_command

COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo_command,
    "simulate": simulate_command,
    "jsrt": jsrt_command,
    "check": check_command,
    "compare": compare_command,
    "predict": predict_command,
    "segment": segment_command,
    "report": report_command,
    "evaluate": evaluate_command,
    "tune": tune_command,
    "study": study_command,
    "explain": explain_command,
    "agreement": agreement_command,
}
