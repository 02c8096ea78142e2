"""The command line: jsonargparse reads the signature and the docstring of each command."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence

from xattn_bmd.commands import COMMANDS
from xattn_bmd.errors import XattnBmdError

_LISTS = ("--models", "--objectives", "--classes")
"""Options that take several words."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: words after the program's name; None takes the process's own.

    Returns:
        0 if it ended well, 2 for bad input, 130 if it was interrupted.
    """
    from jsonargparse import ArgumentParser

    words = _listed(sys.argv[1:] if arguments is None else arguments)
    parser = ArgumentParser(prog="xattn-bmd", description="Bone mineral density from radiographs and the record.")
    commands = parser.add_subcommands()
    for name, function in COMMANDS.items():
        command = ArgumentParser()
        if name in words:  # reading a signature takes time, and only the chosen command's is needed
            command.add_function_arguments(function, as_positional=True)
        commands.add_subcommand(name, command, help=_summary(function))
    chosen = parser.parse_args(words)
    name = chosen.subcommand
    try:
        COMMANDS[name](**chosen[name].as_dict())
    except XattnBmdError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command continues where it stopped", file=sys.stderr)
        return 130
    return 0


def _listed(arguments: Sequence[str]) -> list[str]:
    """Return the words as jsonargparse reads them: ``--models a b`` as ``--models=["a", "b"]``, ``-`` as ``_``."""
    words: list[str] = []
    option, names = "", list[str]()
    for word in [*arguments, "--"]:
        if option and not word.startswith("-"):
            names.append(word)
            continue
        if option:
            words.append(f"{option}={json.dumps(names)}")
        option, names = (word, []) if word in _LISTS else ("", [])
        if not option:
            words.append(_underscored(word))
    return words[:-1]


def _underscored(word: str) -> str:
    name, equals, value = word.partition("=")
    return f"--{name[2:].replace('-', '_')}{equals}{value}" if name.startswith("--") else word


def _summary(function: Callable[..., None]) -> str:
    return (function.__doc__ or "").split("\n")[0]


if __name__ == "__main__":
    sys.exit(main())
