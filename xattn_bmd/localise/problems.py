"""Problems that are told at once: as one error, or as one warning."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Literal

from xattn_bmd.errors import ConfigError, LocaliseError

OnProblem = Literal["raise", "warn"]


def tell(messages: Sequence[str], *, on_problem: OnProblem, what: str) -> None:
    """Raise or warn once, with every message numbered; nothing happens without any.

    Args:
        messages: one sentence each.
        on_problem: ``"raise"`` or ``"warn"``.
        what: what breaks the rules, for the first line.

    Raises:
        LocaliseError: with every message, where problems are raised.
        ConfigError: if ``on_problem`` is neither.
    """
    if on_problem not in ("raise", "warn"):
        raise ConfigError(f"on_problem is 'raise' or 'warn', but {on_problem!r} was given; choose one of the two.")
    if not messages:
        return
    lines = "\n".join(f"{number}. {message}" for number, message in enumerate(messages, start=1))
    if on_problem == "raise":
        raise LocaliseError(
            f"{what} break(s) {len(messages)} rule(s); mend it, or pass on_problem='warn' to go on:\n{lines}"
        )
    warnings.warn(f"{what} break(s) {len(messages)} rule(s):\n{lines}", stacklevel=3)
