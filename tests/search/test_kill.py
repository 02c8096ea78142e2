"""Two processes on one study, one of them killed in the middle of a trial."""

import json
import signal
import time

import pandas as pd

from tests.processes import started
from tests.search import search_process
from xattn_bmd import load_search
from xattn_bmd.search.storage import open_storage, quiet_optuna


def trials_of(storage, name):
    import optuna

    with quiet_optuna():
        return optuna.load_study(storage=open_storage(str(storage)), study_name=f"tune/{name}").trials


def test_a_search_survives_the_sigkill_of_one_of_its_two_processes(cohort_table, tmp_path):
    storage, marker = tmp_path / "study.journal", tmp_path / "in-mid-trial"
    said = tmp_path / "said"
    doomed = started(search_process.main, cohort_table, tmp_path / "doomed", storage, marker, 2, errors=said)
    other = started(search_process.main, cohort_table, tmp_path / "S", storage, errors=said)
    begin = time.monotonic()
    while not marker.exists():
        assert doomed.is_alive() and time.monotonic() - begin < 300, said.read_text()
        time.sleep(0.05)
    doomed.kill()
    other.join(300)
    assert other.exitcode == 0, said.read_text()
    doomed.join()
    assert doomed.exitcode == -signal.SIGKILL
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
