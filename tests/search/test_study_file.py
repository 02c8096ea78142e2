"""A study as a file: one command runs it, the same command continues it, and what it cannot mean is refused."""

import pandas as pd
import pytest
import yaml

from tests.search.made_up import SPACE
from xattn_bmd.cli import main
from xattn_bmd.errors import ConfigError, RunError
from xattn_bmd.search.study_file import merged, read_study
from xattn_bmd.search.study_run import run_study

STUDY = {
    "plan": {"folds": 2, "seed": 3},
    "settings": {"model": {"width": 16, "heads": 2}, "training": {"epochs": 2, "batch_size": 8, "accelerator": "cpu"}},
    "models": ["metadata_only", "ridge"],
    "arms": {"primary": None, "mse": {"models": ["metadata_only"], "change": {"training": {"loss": "mse"}}}},
    "search": {"space": SPACE, "trials": 2, "inner_folds": 2},
    "outcomes": [
        {"of": "primary", "model": "metadata_only", "against": "ridge", "metric": "mse"},
        {"of": "mse", "model": "metadata_only", "metric": "mae"},
        {"of": "search", "metric": "mae"},
    ],
}


def written(folder, **changes):
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(STUDY | {"cohort": {"table": "cohort.csv"}} | changes, sort_keys=False))
    return path


@pytest.fixture
def study(tmp_path, cohort_table):
    """A study's file beside its cohort."""
    for name in ("cohort.csv", "cohort.yaml", "images"):
        (tmp_path / name).symlink_to(cohort_table.parent / name)
    return written(tmp_path)


def test_one_command_runs_a_whole_study_and_continues_it(study, tmp_path, capsys, undrawn):
    out = tmp_path / "S"
    assert main(["study", str(study), "--out", str(out)]) == 0
    assert "metadata_only" in capsys.readouterr().out
    done = run_study(study, out=out, progress=False)
    assert set(done.runs) == {"primary", "mse"} and done.search is not None
    assert done.runs["primary"].plan.hash == done.runs["mse"].plan.hash
    assert done.search.record["fingerprint"]["fold plan"] == done.runs["primary"].plan.hash
    assert done.runs["mse"].config.training.loss == "mse"
    first, second, third = done.outcomes.to_dict("records")
    (row,) = (
        done.runs["primary"]
        .comparison("metadata_only", "ridge")
        .query("metric == 'mse' and test == 'paired_patient_bootstrap'")
        .to_dict("records")
    )
    assert first["value"] == row["difference"] and first["relative"] == row["relative"]
    errors = (done.runs["mse"].predictions["target"] - done.runs["mse"].predictions["prediction"]).abs()
    assert second["value"] == pytest.approx(errors.mean())
    assert third["protocol"] == "nested search" and third["low"] < third["value"] < third["high"]
    assert len(pd.read_csv(out / "outcomes.csv")) == 3 and (out / "study.yaml").read_text() == study.read_text()
    written(tmp_path, plan={"folds": 2, "seed": 4})
    with pytest.raises(RunError, match="same file"):
        run_study(study, out=out)


BAD = [
    ({"cohorts": 1}, "did you mean 'cohort'"),
    ({"cohort": {"simulate": {"people": 5}}}, "people"),
    ({"cohort": 5}, "simulate"),
    ({"plan": {"folds": "many"}}, "whole number"),
    ({"settings": {"folds": 3}}, "stand outside of settings"),
    ({"settings": {"model": {"widht": 3}}}, "widht"),
    ({"arms": {"search": {}}}, "name of its own"),
    ({"arms": {"primary": {"model": "xattn"}}}, "'model'"),
    ({"search": {"trials": 3}}, "has a space"),
    ({"search": {"space": "all", "trails": 3}}, "trails"),
    ({"outcomes": [{"of": "secondary"}]}, "'secondary' was given"),
    ({"outcomes": [{"of": "primary", "model": "xattn"}]}, "'xattn' was given"),
    ({"outcomes": [{"of": "primary", "model": "ridge", "against": "gated"}]}, "'gated' was given"),
    ({"outcomes": [{"of": "primary", "model": "ridge", "metric": "accuracy"}]}, "'accuracy' was given"),
    ({"search": None}, "'search' was given"),
]


@pytest.mark.parametrize(("changes", "said"), BAD)
def test_a_study_that_contradicts_itself_is_refused(tmp_path, changes, said):
    with pytest.raises(ConfigError, match=said):
        read_study(written(tmp_path, **changes))


def test_a_file_that_is_no_study_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_study(tmp_path / "absent.yaml")
    (tmp_path / "list.yaml").write_text("[1, 2]")
    with pytest.raises(ConfigError, match="with a cohort"):
        read_study(tmp_path / "list.yaml")


def test_models_alone_are_one_arm_and_a_simulated_cohort_has_its_own_seed(tmp_path):
    plain = {
        "arms": None,
        "search": None,
        "outcomes": [{"model": "ridge"}],
        "cohort": {"simulate": {"n": 12, "seed": 4, "size": 64}},
    }
    study = read_study(written(tmp_path, **plain))
    assert [arm.name for arm in study.arms] == ["main"] and study.arms[0].config.models == ("metadata_only", "ridge")
    assert study.cohort.n == 12 and study.cohort.seed == 4 and study.plan.seed == 3
    (outcome,) = run_study(tmp_path / "study.yaml", out=tmp_path / "S", progress=False).outcomes.to_dict("records")
    assert outcome["simulated"] and outcome["n"] == 12 and (tmp_path / "S" / "cohort" / "cohort.csv").is_file()


def test_later_settings_win():
    assert merged({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"d": 4}) == {"a": {"b": 1, "c": 3}, "d": 4}
