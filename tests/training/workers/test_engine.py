"""Work on real worker processes: order, sharing, errors, death, and the three traps of torch under dask."""

import itertools
import os
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.training.settings import tiny
from tests.training.workers import worker_tasks
from xattn_bmd import Cohort, FoldPlan
from xattn_bmd.errors import CohortError, ConfigError, RunError
from xattn_bmd.training.study import Job, Study
from xattn_bmd.training.workers.checks import WorkerFacts, package_version, refuse_unfit
from xattn_bmd.training.workers.cluster import check_worker_request, open_workers
from xattn_bmd.training.workers.engine import map_on_workers

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def client():
    with open_workers(workers=2) as opened:
        yield opened


def test_every_item_has_its_result(client):
    done = dict(map_on_workers(client, worker_tasks.square, range(20), shared=3))
    assert done == {item: item * item + 3 for item in range(20)}


def test_results_come_in_order_where_wanted_and_else_as_they_are_finished(client):
    ordered = [item for item, _ in map_on_workers(client, worker_tasks.slow_first, range(6), shared=None, ordered=True)]
    finished = [item for item, _ in map_on_workers(client, worker_tasks.slow_first, range(6), shared=None)]
    assert ordered == list(range(6))
    assert sorted(finished) == ordered and finished[0] != 0


@pytest.mark.parametrize("ordered", [True, False])
def test_an_endless_list_is_read_no_further_than_allowed(client, ordered):
    taken = []
    endless = (taken.append(number) or number for number in itertools.count())
    results = map_on_workers(client, worker_tasks.square, endless, shared=0, ordered=ordered, ahead=3)
    assert len(list(itertools.islice(results, 5))) == 5
    results.close()
    assert len(taken) <= 5 + 3


def test_no_item_gives_no_result(client):
    assert list(map_on_workers(client, worker_tasks.square, [], shared=0)) == []
    assert list(map_on_workers(client, worker_tasks.square, [], shared=0, ordered=True, ahead=2)) == []


def test_what_is_shared_is_one_object_in_each_process(client):
    places = {place for _, place in map_on_workers(client, worker_tasks.where, range(12), shared=["costly"])}
    processes = {process for process, _ in places}
    assert len(processes) == 2 and len(places) == 2
    assert os.getpid() not in processes


def test_an_error_of_ours_arrives_as_it_is_and_a_bug_as_itself(client):
    with pytest.raises(CohortError, match="the value 2 found"):
        list(map_on_workers(client, worker_tasks.refuse, range(4), shared=None))
    with pytest.raises(ZeroDivisionError, match="a bug"):
        list(map_on_workers(client, worker_tasks.stumble, range(4), shared=None, ordered=True))
    assert dict(map_on_workers(client, worker_tasks.square, [2], shared=0)) == {2: 4}


def test_the_items_of_a_killed_worker_run_again(client, tmp_path):
    mark = tmp_path / "killed"
    done = dict(map_on_workers(client, worker_tasks.die_once, range(6), shared=mark))
    assert mark.exists() and done == {item: item for item in range(6)}


def test_an_item_that_kills_every_worker_is_named_and_the_others_are_kept(client):
    kept = []
    with pytest.raises(RunError, match="4 workers died at fold 1, most likely for lack of memory"):
        for item, _ in map_on_workers(client, worker_tasks.die_always, range(6), shared=None, name="fold {}".format):
            kept.append(item)
    assert set(kept) <= {0, 2, 3, 4, 5} and kept


def test_workers_start_with_quick_memory_and_one_thread(client):
    client.wait_for_workers(2)
    for _, (environment, daemon) in map_on_workers(client, worker_tasks.environment, range(4), shared=None):
        assert environment["MALLOC_TRIM_THRESHOLD_"] == environment["MALLOC_MMAP_THRESHOLD_"] == str(4 * 2**30)
        assert {environment[f"{name}_NUM_THREADS"] for name in ("OMP", "MKL", "OPENBLAS")} == {"1"}
        assert daemon, "workers under a nanny are daemonic, where DataLoader workers cannot start"


def test_slow_memory_that_dask_left_behind_reaches_no_worker_and_nothing_is_left_of_ours(monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    before = dict(os.environ)
    with open_workers(workers=1) as opened:
        [(_, (environment, _))] = map_on_workers(opened, worker_tasks.environment, [0], shared=None)
    assert environment["MALLOC_TRIM_THRESHOLD_"] == str(4 * 2**30) and environment["MKL_NUM_THREADS"] == "1"
    assert dict(os.environ) == before


def test_a_fit_runs_in_a_daemonic_worker_with_its_own_number_of_threads(client, cohort_table, tmp_path):
    cohort = Cohort.from_csv(cohort_table, images=cohort_table.parent / "images").in_id_order()
    config = tiny(models=("concat",))
    config = replace(config, reference=cohort.roles.reference, training=replace(config.training, threads=2))
    plan = FoldPlan.make(cohort, folds=3)
    study = Study(cohort, plan, config, tmp_path)
    study.open()
    [(_, (threads, processes, daemon))] = map_on_workers(
        client, worker_tasks.facts_within_a_fit, [Job("concat", 0, 0)], shared=study
    )
    assert threads == [2, 2]
    assert processes and set(processes) == {0}
    assert daemon


def test_workers_are_reached_from_this_machine_alone(client):
    addresses = [client.scheduler.address, *client.scheduler_info()["workers"]]
    assert all(address.startswith("tcp://127.0.0.1:") for address in addresses)
    here = psutil.Process()
    sockets = [one for process in [here, *here.children(recursive=True)] for one in process.net_connections("tcp")]
    assert {one.laddr.ip for one in sockets if one.status == psutil.CONN_LISTEN} == {"127.0.0.1"}


def test_nothing_is_left_running_when_the_block_ends_in_an_interrupt():
    with pytest.raises(KeyboardInterrupt), open_workers(workers=1) as opened:
        [(_, (process, _))] = map_on_workers(opened, worker_tasks.where, [0], shared=None)
        raise KeyboardInterrupt
    assert not psutil.pid_exists(process)


def test_each_worker_gets_its_turn_of_the_gpus(client):
    from xattn_bmd.training.workers.gpu_slots import GpuSlots

    client.wait_for_workers(2)
    client.register_plugin(GpuSlots(["GPU-a", "GPU-b", "GPU-c"]))
    try:
        seen = [said[0].get("CUDA_VISIBLE_DEVICES") for said in client.run(worker_tasks.environment, 0, None).values()]
        assert sorted(seen) == ["GPU-a", "GPU-b"]
    finally:
        client.unregister_worker_plugin("xattn-bmd-gpu-slots")


@pytest.mark.parametrize(
    ("workers", "scheduler", "words"),
    [
        (0, None, "at least 1"),
        (-2, None, "-2"),
        (2, "tcp://10.0.0.5:8786", "both given"),
        (1, "10.0.0.5:8786", "tcp://HOST:PORT"),
        (1, "http://10.0.0.5:8786", "http://"),
        (1, "tcp://10.0.0.5", "tcp://HOST:PORT"),
        (1, "", "tcp://HOST:PORT"),
    ],
)
def test_impossible_requests_are_refused(workers, scheduler, words):
    with pytest.raises(ConfigError, match=words):
        check_worker_request(workers=workers, scheduler=scheduler)


@pytest.mark.parametrize(("workers", "scheduler"), [(1, None), (8, None), (1, "tcp://node7:8786"), (1, "tls://a-b:1")])
def test_possible_requests_are_not(workers, scheduler):
    check_worker_request(workers=workers, scheduler=scheduler)


def test_facts_of_a_worker_decide():
    good = WorkerFacts(package_version(), None)
    refuse_unfit({"tcp://a:1": good}, threads={"tcp://a:1": 1})
    with pytest.raises(RunError, match="tcp://b:1 cannot import it"):
        refuse_unfit({"tcp://a:1": good, "tcp://b:1": WorkerFacts(None, None)}, threads={})
