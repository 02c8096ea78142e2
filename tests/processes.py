"""Processes that tests start and kill, forked from one that has loaded torch once for all of them."""

import multiprocessing
import os
import sys
import traceback

from xattn_bmd.training.workers.cluster import PRELOADED


def forking():
    """Return the context of processes that are forked from a server that has loaded torch."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def started(target, *arguments, errors=None):
    """Start a process that calls a function of a module, with the environment of the one that asks.

    A fresh interpreter takes seconds of CPU to load torch and Lightning.  Nothing that was set or patched in the
    asking process is there: the process is forked from a server that was started clean.

    Args:
        target: the function.
        arguments: what it is given.
        errors: a file for the traceback of what it raises.
    """
    process = forking().Process(target=_as_here, args=(dict(os.environ), target, arguments, errors))
    process.start()
    return process


def _as_here(environment, target, arguments, errors):
    os.environ.clear()
    os.environ.update(environment)
    try:
        target(*arguments)
    except BaseException:
        if errors is not None:
            errors.write_text(traceback.format_exc())
        sys.exit(1)
