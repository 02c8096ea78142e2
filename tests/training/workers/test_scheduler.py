"""Work for a scheduler that somebody else runs: what it must be, what its workers must be, and what a loss says."""

import itertools
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.training.workers import worker_tasks
from xattn_bmd.errors import RunError
from xattn_bmd.training.workers.checks import ONE_THREAD, QUICK_MEMORY
from xattn_bmd.training.workers.cluster import open_workers
from xattn_bmd.training.workers.engine import map_on_workers

ROOT = Path(__file__).parents[3]


def test_a_scheduler_that_does_not_answer_is_one_sentence():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(RunError, match=r"none answered at tcp://127.0.0.1:\d+ within 1 s"):
            open_workers(scheduler=address, connect=1.0).__enter__()


@pytest.fixture(scope="module")
def scheduler():
    from distributed import LocalCluster

    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=None) as cluster:
        yield cluster.scheduler_address


@contextmanager
def dask_worker(scheduler, *more, path="", **environment):
    """Run ``dask worker`` as on another machine, with some folders earlier on its path."""
    inherited = {name: value for name, value in os.environ.items() if name not in ONE_THREAD | QUICK_MEMORY}
    command = [sys.executable, "-m", "dask", "worker", scheduler, "--no-dashboard", *(more or ("--nthreads", "1"))]
    process = subprocess.Popen(
        command,
        cwd=path or ROOT,
        env=inherited | {"PYTHONPATH": f"{path}{os.pathsep}{ROOT}"} | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def _gone(scheduler):
    """Wait until the scheduler has no worker."""
    from distributed import Client

    with Client(scheduler, set_as_default=False) as looking:
        while looking.scheduler_info()["workers"]:
            time.sleep(0.05)


def _without_package(folder):
    (folder / "xattn_bmd").mkdir()
    (folder / "xattn_bmd" / "__init__.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'xattn_bmd'\", name='xattn_bmd')\n"
    )


def _other_version(folder):
    (folder / "xattn_bmd-9.9.9.dist-info").mkdir()
    (folder / "xattn_bmd-9.9.9.dist-info" / "METADATA").write_text("Name: xattn-bmd\nVersion: 9.9.9\n")


def test_a_scheduler_without_workers_is_one_sentence(scheduler):
    with pytest.raises(RunError, match=r"had none within 0\.2 s; start `dask worker tcp"):
        open_workers(scheduler=scheduler, patience=0.2).__enter__()


@pytest.mark.parametrize(
    ("plant", "options", "words"),
    [
        (_without_package, (), "cannot import it; install xattn-bmd=="),
        (_other_version, (), "client has .* has 9.9.9"),
        (lambda folder: None, ("--nthreads", "2"), "has 2 threads; start it with `dask worker --nthreads 1`"),
    ],
)
def test_an_unfit_worker_is_refused(scheduler, tmp_path, plant, options, words):
    plant(tmp_path)
    with (
        dask_worker(scheduler, "--no-nanny", *(options or ("--nthreads", "1")), path=tmp_path),
        pytest.raises(RunError, match=words),
    ):
        open_workers(scheduler=scheduler).__enter__()
    _gone(scheduler)


def _joining_late(scheduler, folder, *, items):
    """Yield the results of one worker, which is joined by another with a folder earlier on its path."""
    with dask_worker(scheduler, "--no-nanny", "--nthreads", "1"), open_workers(scheduler=scheduler) as opened:
        results = map_on_workers(opened, worker_tasks.slowly_where, range(items), shared=None, ahead=4)
        yield next(results)
        with dask_worker(scheduler, "--no-nanny", "--nthreads", "1", path=folder):
            yield from results
    _gone(scheduler)


def test_a_late_worker_of_another_version_is_refused(scheduler, tmp_path):
    _other_version(tmp_path)
    with pytest.raises(RunError, match=r"client has .* has 9.9.9"):
        list(_joining_late(scheduler, tmp_path, items=200))


def test_a_late_worker_without_the_package_takes_nothing_with_it(scheduler, tmp_path):
    """It cannot even read what it is sent, so the scheduler drops it and gives its work to the other."""
    _without_package(tmp_path)
    results = list(_joining_late(scheduler, tmp_path, items=30))
    assert sorted(item for item, _ in results) == list(range(30))
    assert len({place for _, place in results}) == 1


def test_a_worker_with_slow_memory_is_named_once_with_the_cure(scheduler):
    with (
        dask_worker(scheduler, "--nthreads", "1"),
        pytest.warns(UserWarning, match="MALLOC_TRIM_THRESHOLD_=42949"),
        open_workers(scheduler=scheduler) as opened,
    ):
        assert dict(map_on_workers(opened, worker_tasks.square, [3], shared=0)) == {3: 9}
    _gone(scheduler)


def test_the_cure_cures(scheduler, recwarn):
    with dask_worker(scheduler, "--nthreads", "1", **QUICK_MEMORY), open_workers(scheduler=scheduler):
        assert not [str(one.message) for one in recwarn if "MALLOC" in str(one.message)]
    _gone(scheduler)


def test_a_lost_scheduler_is_one_sentence():
    from distributed import LocalCluster

    own = LocalCluster(n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None)
    with own, open_workers(scheduler=own.scheduler_address, connect=2.0) as opened:
        results = map_on_workers(opened, worker_tasks.where, itertools.count(), shared=None, ahead=4)
        next(results)
        own.close()
        with pytest.raises(RunError, match="scheduler, but it was lost before"):
            for _ in results:
                pass
