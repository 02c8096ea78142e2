"""Two processes on one study, one of them killed in the middle of a trial."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from xattn_bmd import load_search
from xattn_bmd.search.storage import open_storage, quiet_optuna

ROOT = Path(__file__).parents[2]


def started(*words):
    command = [sys.executable, "-m", "tests.search.search_process", *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def trials_of(storage, name):
    import optuna

    with quiet_optuna():
        return optuna.load_study(storage=open_storage(str(storage)), study_name=f"tune/{name}").trials


def test_a_search_survives_the_sigkill_of_one_of_its_two_processes(cohort_table, tmp_path):
    storage, marker = tmp_path / "study.journal", tmp_path / "in-mid-trial"
    doomed = started(cohort_table, tmp_path / "doomed", storage, marker, 2)
    other = started(cohort_table, tmp_path / "S", storage)
    begin = time.monotonic()
    while not marker.exists():
        assert doomed.poll() is None and time.monotonic() - begin < 300, doomed.communicate()[1]
        time.sleep(0.05)
    doomed.send_signal(signal.SIGKILL)
    _, said = other.communicate(timeout=300)
    assert other.returncode == 0, said
    assert doomed.wait() == -signal.SIGKILL
    found = load_search(tmp_path / "S")
    counted = found.trials[found.trials["counts"]]
    assert counted.groupby("search").size().to_dict() == {"outer_00": 3, "outer_01": 3, "whole": 3}
    assert (counted["state"] == "complete").all()
    (dead,) = found.trials[~found.trials["counts"]].to_dict("records")
    assert dead["state"] == "fail" and "its process died; queued again" in dead["reason"]
    trials = trials_of(storage, dead["search"])
    (copy,) = (trial for trial in trials if trial.user_attrs.get("copy_of") == dead["trial"])
    killed = trials[dead["trial"]]
    assert copy.params == killed.params and copy.state.name == "COMPLETE"
    kept = {name: value for name, value in killed.user_attrs.items() if name.startswith("fold_")}
    assert kept and all(copy.user_attrs[name] == value for name, value in kept.items())  # fitted once, seconds and all
    assert json.loads((found.folder / "search.json").read_text())["nested"]
    assert len(pd.read_csv(found.folder / "predictions.csv")) == 40
