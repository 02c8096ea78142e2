"""Functions that tests run on worker processes."""

import gc
import multiprocessing
import os
import signal
import time

from xattn_bmd.errors import CohortError


class Opened:
    """Something costly that a process opens once; counts how often it was."""

    def __init__(self):
        self.times = 0

    def open(self):
        self.times += 1 if self.times == 0 else 0
        return id(self)


def square(item, shared):
    return item * item + shared


def slow_first(item, shared):
    time.sleep(1.0 if item == 0 else 0.0)
    return item


def where(item, shared):
    time.sleep(0.05)
    return os.getpid(), id(shared)


def environment(item, shared):
    return dict(os.environ), multiprocessing.current_process().daemon


def refuse(item, shared):
    if item == 2:
        raise CohortError("the rule, the value 2 found, the fix")
    return item


def stumble(item, shared):
    raise ZeroDivisionError("a bug")


def die_once(item, shared):
    if item == 1 and not shared.exists():
        shared.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def die_always(item, shared):
    if item == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def facts_within_a_fit(job, study):
    """Fit a network; return torch's threads, the loaders' processes at each epoch, and whether this is a daemon."""
    import torch
    from torch.utils.data import DataLoader

    from xattn_bmd.training.fits.fit import fit_job

    threads, processes = [], []

    def look(epoch):
        threads.append(torch.get_num_threads())
        processes.extend(one.num_workers for one in gc.get_objects() if isinstance(one, DataLoader))

    fit_job(job, study, on_epoch=look)
    return threads, processes, multiprocessing.current_process().daemon


def slowly_where(item, shared):
    """Tell the process after a while, so that a worker that joins gets work too."""
    time.sleep(0.2)
    return os.getpid()
