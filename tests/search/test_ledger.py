"""The book of trials: whatever processes do and however they end, none is lost and none is doubled."""

import subprocess
import sys
import threading

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xattn_bmd.search.ledger import APART, ATTEMPT, COPY_OF, MOST_ATTEMPTS, REASON, Ledger
from xattn_bmd.search.owner import Watch, _start, beating, own_name


class Known(Watch):
    """Tells that every process but the named ones is gone."""

    def __init__(self, living):
        super().__init__()
        self.living = living

    def is_lost(self, trial, owner):
        return trial not in self.living


def ledger_of(study, *, trials=4, living=None):
    return Ledger(study, trials=trials, first={"x": 0.5}, seed=1, watch=None if living is None else Known(living))


def study_of():
    return optuna.create_study(storage=optuna.storages.InMemoryStorage())


def run_one(ledger):
    """Run the next trial as a process does; return its parameter, or None where there was none to take."""
    with ledger.next_trial() as trial:
        if trial is None:
            return None
        x = trial.suggest_float("x", 0.0, 1.0)
        ledger.end(trial, [x**2])
        return x


def kill_one(ledger):
    """Take a trial and leave it as SIGKILL does; return its number and the block that is never ended."""
    block = ledger.next_trial()
    trial = block.__enter__()
    trial.suggest_float("x", 0.0, 1.0)
    trial.set_user_attr("fold_00", {"key": "k"})
    return trial.number, block


def counted_once(study, trials):
    """Check that as many trials count as were asked for, and that of every trial at most one copy does."""
    counted = [trial for trial in study.trials if APART not in trial.user_attrs]
    copies = [trial.user_attrs[COPY_OF] for trial in counted if COPY_OF in trial.user_attrs]
    assert len(counted) == trials and len(copies) == len(set(copies))
    assert all(trial.state.is_finished() for trial in study.trials)
    return counted


def test_a_study_ends_after_the_trials_asked_for_and_begins_with_the_default():
    study = study_of()
    ledger = ledger_of(study)
    found = [run_one(ledger) for _ in range(6)]
    assert found[0] == 0.5 and None not in found[:4] and found[4:] == [None, None]
    assert ledger.is_finished() and counted_once(study, 4)


def test_a_killed_trial_is_marked_with_its_reason_and_run_again_with_its_folds():
    study = study_of()
    run_one(ledger_of(study))
    died, _left = kill_one(ledger_of(study))
    ledger = ledger_of(study, living=())
    while run_one(ledger) is not None:
        pass
    counted = counted_once(study, 4)
    dead, again = study.trials[died], next(trial for trial in counted if trial.user_attrs.get(COPY_OF) == died)
    assert dead.state.name == "FAIL" and "died" in dead.user_attrs[REASON] and APART in dead.user_attrs
    assert again.params == dead.params and again.user_attrs["fold_00"] == {"key": "k"}
    assert again.user_attrs[ATTEMPT] == 2


def test_a_process_that_dies_while_it_queues_a_trial_again_doubles_nothing(monkeypatch):
    study = study_of()
    died, left = kill_one(ledger_of(study))
    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr(Ledger, "_close", lambda *a: 1 / 0)  # queued, and not marked as failed
        run_one(ledger_of(study, living=()))
    while run_one(ledger_of(study, living=())) is not None:
        pass
    copies = [trial for trial in study.trials if trial.user_attrs.get(COPY_OF) == died]
    assert len(copies) == 2 and "second copy" in copies[1].user_attrs[APART]
    assert APART in study.trials[died].user_attrs and counted_once(study, 4)
    left.__exit__(None, None, None)


def test_a_continued_study_tries_the_values_of_one_that_was_never_killed():
    whole = study_of()
    expected = [run_one(ledger_of(whole, trials=14)) for _ in range(14)]
    broken = study_of()
    for _ in range(3):
        run_one(ledger_of(broken, trials=14))
    left = [kill_one(ledger_of(broken, trials=14))]
    for _ in range(6):
        run_one(ledger_of(broken, trials=14, living=()))
    left.append(kill_one(ledger_of(broken, trials=14, living=())))
    while run_one(ledger_of(broken, trials=14, living=())) is not None:
        pass
    assert len(left) == 2 and [trial.params["x"] for trial in counted_once(broken, 14)] == expected


def test_a_trial_that_kills_every_process_counts_as_failed():
    study = study_of()
    left = [kill_one(ledger_of(study, trials=2, living=())) for _ in range(MOST_ATTEMPTS)]
    while run_one(ledger_of(study, trials=2, living=())) is not None:
        pass
    failed = [trial for trial in counted_once(study, 2) if trial.state.name == "FAIL"]
    assert len(left) == MOST_ATTEMPTS and len(failed) == 1
    assert f"{MOST_ATTEMPTS} processes died" in failed[0].user_attrs[REASON]


@pytest.mark.parametrize("cause", [KeyboardInterrupt, OSError])
def test_what_is_no_fault_of_the_trial_gives_it_back(cause):
    study = study_of()
    for _ in range(MOST_ATTEMPTS + 1):  # an interruption is no attempt
        with pytest.raises(cause), ledger_of(study).next_trial() as trial:
            trial.suggest_float("x", 0.0, 1.0)
            raise cause
    while run_one(ledger_of(study)) is not None:
        pass
    assert counted_once(study, 4)[0].params["x"] == 0.5


def test_a_trial_that_others_gave_up_is_left_to_its_copy():
    study = study_of()
    with ledger_of(study, trials=1).next_trial() as trial:
        trial.suggest_float("x", 0.0, 1.0)
        assert run_one(ledger_of(study, trials=1, living=())) == 0.5
        trial.report(1.0, step=0)
        raise AssertionError("a trial that ended elsewhere cannot go on")
    assert len(counted_once(study, 1)) == 1


def test_failed_and_refused_trials_count_and_keep_their_reason():
    study = study_of()
    ledger = ledger_of(study, trials=2)
    with ledger.next_trial() as trial:
        ledger.fail(trial, "diverged")
    with ledger.next_trial() as trial:
        ledger.refuse(trial, "too large")
    assert [trial.user_attrs[REASON] for trial in counted_once(study, 2)] == ["diverged", "too large"]
    assert [trial.state.name for trial in study.trials] == ["FAIL", "PRUNED"]


class Processes:
    """Three processes that take, end, fail and die in any order on one study."""

    def __init__(self):
        self.study, self.living, self.open, self.left = study_of(), set(), {}, []

    def ledger(self):
        return ledger_of(self.study, trials=5, living=self.living)

    def take(self, process):
        block = self.ledger().next_trial()
        trial = block.__enter__()
        if trial is None:
            block.__exit__(None, None, None)
            return
        trial.suggest_float("x", 0.0, 1.0)
        self.living.add(trial.number)
        self.open[process] = block, trial

    def leave(self, process, action):
        block, trial = self.open.pop(process)
        self.living.discard(trial.number)
        if action == "die":
            self.left.append(block)  # never ended, as a killed process leaves it
            return
        if action == "end":
            self.ledger().end(trial, [0.0])
        else:
            self.ledger().fail(trial, "diverged")
        block.__exit__(None, None, None)


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["take", "end", "die", "fail"])), max_size=40))
def test_any_interleaving_of_three_processes_loses_and_doubles_nothing(steps):
    processes = Processes()
    for process, action in steps:
        if process not in processes.open and action == "take":
            processes.take(process)
        elif process in processes.open and action != "take":
            processes.leave(process, action)
    processes.living.clear()
    while run_one(processes.ledger()) is not None:
        pass
    counted_once(processes.study, 5)
    for block in [*processes.left, *(block for block, _ in processes.open.values())]:
        block.__exit__(None, None, None)


def test_processes_that_begin_at_once_share_one_default_and_take_no_trial_too_many(monkeypatch):
    study = study_of()
    blocks = [ledger_of(study, trials=2).next_trial() for _ in range(2)]
    study.enqueue_trial({"x": 0.5}, user_attrs={COPY_OF: "default configuration"})
    study.enqueue_trial({"x": 0.5}, user_attrs={COPY_OF: "default configuration"})  # both found the study empty
    trials = [block.__enter__() for block in blocks]
    assert [trial.number for trial in trials] == [0, 2]
    monkeypatch.setattr(Ledger, "counted", lambda self: [])  # a third one looked before the two began
    surplus = study.ask()
    monkeypatch.undo()
    ledger = ledger_of(study, trials=2)
    assert "more than 2" in ledger._surplus(surplus)
    ledger._set_apart(surplus, "surplus")
    for block, trial in zip(blocks, trials, strict=True):
        trial.suggest_float("x", 0.0, 1.0)
        ledger.end(trial, [0.0])
        block.__exit__(None, None, None)
    counted_once(study, 2)


def test_a_process_of_another_machine_is_given_up_when_its_count_stands_still():
    now = [0.0]
    watch = Watch(clock=lambda: now[0], grace=120.0)
    owner = {"place": "elsewhere", "pid": 1, "start": 1, "beat": 0}
    assert not watch.is_lost(7, owner)
    now[0] = 100.0
    assert not watch.is_lost(7, owner | {"beat": 1})
    now[0] = 219.0
    assert not watch.is_lost(7, owner | {"beat": 1})
    now[0] = 221.0
    assert watch.is_lost(7, owner | {"beat": 1})
    assert not watch.is_lost(8, None)  # taken, and its process has written nothing yet
    now[0] = 342.0
    assert watch.is_lost(8, None)


def test_a_process_of_this_machine_is_known_at_once():
    assert not Watch().is_lost(0, own_name())
    assert Watch().is_lost(0, own_name() | {"start": 1})  # its number was given to another process since
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    owner = own_name() | {"pid": child.pid, "start": None}
    owner["start"] = _start(child.pid)
    assert not Watch().is_lost(0, owner)
    child.kill()
    for _ in range(1000):
        if _start(child.pid) is None:
            break
    assert Watch().is_lost(0, owner)  # a zombie is no process any more
    child.wait()


def test_the_count_grows_while_a_trial_is_worked_on():
    seen, grown = [], threading.Event()

    def write(owner):
        seen.append(owner["beat"])
        if len(seen) > 2:
            grown.set()

    with beating(write, every=0.001):
        assert grown.wait(10)
    assert seen[:3] == [0, 1, 2]
