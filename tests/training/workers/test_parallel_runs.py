"""One study on one process, on workers, through deaths and on two machines: the same bytes every time."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from tests.processes import started
from tests.training.settings import tiny
from xattn_bmd import Cohort, compare
from xattn_bmd.errors import ConfigError
from xattn_bmd.training.workers.checks import QUICK_MEMORY

ROOT = Path(__file__).parents[3]
SETTINGS = tiny(models=("concat", "ridge", "boosted_trees"))
TABLES = ("predictions.csv", "calibration.csv", "metrics.csv")


_SERIAL = """
import sys
from tests.training.workers.test_parallel_runs import SETTINGS
from xattn_bmd import Cohort, compare
table, images, out = sys.argv[1:]
compare(Cohort.from_csv(table, images=images), out=out, config=SETTINGS, progress=False)
print("loaded:", *sorted({"dask", "distributed"} & set(sys.modules)))
"""


@pytest.fixture(scope="module")
def one_process(cohort_table, tmp_path_factory):
    """A run of one process, which has loaded nothing before, and what that process said; read-only."""
    folder = tmp_path_factory.mktemp("serial") / "RUN"
    command = [sys.executable, "-c", _SERIAL, cohort_table, cohort_table.parent / "images", folder]
    said = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True, text=True
    )
    return folder, said.stdout


@pytest.fixture(scope="module")
def serial(one_process):
    """A run of one process; read-only."""
    return one_process[0]


def _same(folder, serial):
    for name in TABLES:
        assert (folder / name).read_bytes() == (serial / name).read_bytes(), name
    for path in serial.glob("*/repeat_*/fold_*/*"):
        assert (folder / path.relative_to(serial)).read_bytes() == path.read_bytes(), path
    assert not list(folder.rglob(".partial-*"))


def _stored(folder):
    return sorted(folder.glob("*/repeat_*/fold_*"))


def _fork_servers(process):
    return [child for child in psutil.Process(process).children() if "forkserver" in " ".join(child.cmdline())]


def _kill_a_worker_after_the_first_fit(folder, killed):
    while not _stored(folder):
        time.sleep(0.01)
    [server] = _fork_servers(os.getpid())
    workers = server.children()
    workers[0].kill()
    killed.append(workers[0].pid)


def test_two_workers_one_of_which_is_killed_give_the_bytes_of_one_process(serial, cohort, tmp_path):
    killed = []
    killer = threading.Thread(target=_kill_a_worker_after_the_first_fit, args=(tmp_path / "RUN", killed))
    killer.start()
    compare(cohort, out=tmp_path / "RUN", config=SETTINGS, workers=2, progress=False)
    killer.join()
    assert killed and not psutil.pid_exists(killed[0])
    _same(tmp_path / "RUN", serial)


def compare_on_two_workers(table, out):
    """Compare in a process group of its own, as a terminal starts it."""
    os.setsid()
    compare(Cohort.from_csv(table, images=table.parent / "images"), out=out, config=SETTINGS, workers=2)


@pytest.fixture
def client_process(cohort_table, tmp_path):
    """A process that compares on two workers."""
    return started(compare_on_two_workers, cohort_table, tmp_path / "RUN", errors=tmp_path / "errors.txt")


def _first_fit(process, folder):
    while not _stored(folder):
        assert process.exitcode is None
        time.sleep(0.01)
    return psutil.Process(process.pid).children(recursive=True)


def _all_gone(processes):
    _, alive = psutil.wait_procs(processes, timeout=20)
    return not alive


def test_a_killed_client_leaves_whole_fits_and_no_process_and_goes_on(serial, cohort, client_process, tmp_path):
    workers = _first_fit(client_process, tmp_path / "RUN")
    client_process.kill()
    client_process.join()
    assert workers and _all_gone(workers)
    kept = {path: path.stat().st_mtime_ns for path in _stored(tmp_path / "RUN")}
    assert not (tmp_path / "RUN" / "predictions.csv").exists()
    compare(cohort, out=tmp_path / "RUN", config=SETTINGS, progress=False)
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())
    _same(tmp_path / "RUN", serial)


def test_an_interrupt_ends_every_process(client_process, tmp_path):
    workers = _first_fit(client_process, tmp_path / "RUN")
    [server] = _fork_servers(client_process.pid)
    assert QUICK_MEMORY.items() <= server.environ().items(), "read at its start"
    os.killpg(client_process.pid, signal.SIGINT)
    client_process.join(120)
    assert client_process.exitcode == 1 and "KeyboardInterrupt" in (tmp_path / "errors.txt").read_text()
    assert _all_gone(workers)
    assert not list((tmp_path / "RUN").rglob(".partial-*"))


def test_two_machines_finish_one_study_with_caches_of_their_own(serial, cohort, tmp_path):
    from distributed import LocalCluster

    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster:
        address, caches = cluster.scheduler_address, (tmp_path / "cache_a", tmp_path / "cache_b")
        machines = [started(_machine, address, cache) for cache in caches]
        try:
            _wait_for(cluster, 2)
            compare(cohort, out=tmp_path / "RUN", config=SETTINGS, scheduler=address, progress=False)
        finally:
            for machine in machines:
                machine.terminate()
                machine.join(20)
    _same(tmp_path / "RUN", serial)
    assert all(list(cache.glob("*/maps/*/pixels.npy")) for cache in caches)


def _machine(address, cache):
    """Do what the command ``dask worker`` does on a machine with a cache folder of its own."""
    from distributed.cli.dask_worker import main

    os.environ.update(XATTN_BMD_CACHE=str(cache), MALLOC_TRIM_THRESHOLD_="-1")
    main([address, "--no-dashboard", "--nthreads", "1", "--no-nanny"])


def _wait_for(cluster, count):
    while len(cluster.scheduler_info["workers"]) < count:
        time.sleep(0.05)


def test_a_finished_run_needs_no_worker(serial, cohort, tmp_path):
    shutil.copytree(serial, tmp_path / "RUN")
    compare(cohort, out=tmp_path / "RUN", config=SETTINGS, scheduler="tcp://127.0.0.1:1", progress=False)
    _same(tmp_path / "RUN", serial)


def test_one_process_loads_no_dask(one_process):
    assert one_process[1].split() == ["loaded:"]


_UNGUARDED = """
from xattn_bmd.training.workers.cluster import open_workers
with open_workers(workers=1):
    print("started")
"""


def test_a_script_that_starts_workers_without_a_guard_is_told_so(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(_UNGUARDED)
    done = subprocess.run(
        [sys.executable, script],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode != 0 and "started" not in done.stdout
    said = [line for line in done.stderr.splitlines() if line.startswith("xattn_bmd.errors.RunError")][-1]
    assert 'under `if __name__ == "__main__":`' in said


@pytest.mark.parametrize("asked", [{"workers": 0}, {"workers": 2, "scheduler": "tcp://a:1"}, {"scheduler": "a"}])
def test_impossible_requests_write_nothing(cohort, tmp_path, asked):
    with pytest.raises(ConfigError):
        compare(cohort, out=tmp_path / "RUN", config=SETTINGS, progress=False, **asked)
    assert not (tmp_path / "RUN").exists()
