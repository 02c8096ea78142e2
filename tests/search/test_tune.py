"""A whole search: nested or flat, continued, shared, refused, and never looking at the fold that scores it."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.cohorts import spread, write_cohort
from tests.search.made_up import SPACE, asked
from tests.search.test_kill import trials_of
from tests.training.settings import tiny
from xattn_bmd import Cohort, FoldPlan, compare, load_search, optimism, tune
from xattn_bmd.cli import main
from xattn_bmd.errors import ConfigError, ModelError, RunError
from xattn_bmd.search import part as parts
from xattn_bmd.search import trial as trials
from xattn_bmd.search.choice import best_trial

COUNTED = ["search", "state", "mae", "folds_scored", *SPACE]


@pytest.fixture(scope="module")
def whole(cohort_table):
    """The made-up cohort; read-only."""
    return Cohort.from_csv(cohort_table, images=cohort_table.parent / "images")


@pytest.fixture(scope="module")
def nested(whole, tmp_path_factory):
    """A finished nested search; read-only."""
    return tune(whole, out=tmp_path_factory.mktemp("nested"), **asked())


@pytest.fixture(scope="module")
def flat(whole, tmp_path_factory):
    """A finished flat search; read-only."""
    return tune(whole, out=tmp_path_factory.mktemp("flat"), nested=False, **asked())


def counted(found):
    """Return the trials that count, without their numbers and times."""
    table = found.trials
    return table[table["counts"]][COUNTED].reset_index(drop=True)


def of_first(found, *, first=True):
    """Return the counted trials of the search that never sees outer fold 0, or those of the others."""
    table = counted(found)
    return table[(table["search"] == "outer_00") == first]


def test_each_outer_fold_has_a_search_of_its_own_and_the_whole_cohort_one_more(nested, whole):
    assert nested.trials.groupby("search").size().to_dict() == {"outer_00": 3, "outer_01": 3, "whole": 3}
    assert list(nested.scores["outer_fold"]) == [0, 1] and not nested.optimistic
    assert sorted(nested.predictions["radiograph_id"]) == sorted(whole.radiograph_ids)
    folds = nested.predictions.groupby("fold")
    for fold, table in folds:
        (score,) = nested.scores.loc[nested.scores["outer_fold"] == fold, "outer_mae"]
        assert score == pytest.approx((table["target"] - table["prediction"]).abs().mean(), rel=1e-12)
        assert len(table) == nested.scores.loc[nested.scores["outer_fold"] == fold, "n"].item()


def test_what_is_chosen_is_never_worse_than_the_default_on_the_folds_of_its_search(nested):
    first = nested.trials.groupby("search").first()
    assert (first["models"] == "metadata_only").all()  # the configuration from which the search begins
    assert (nested.scores["searched_mae"] <= nested.scores["searched_default_mae"]).all()
    best = nested.trials.groupby("search")["mae"].min()
    assert nested.scores["searched_mae"].tolist() == pytest.approx(best[["outer_00", "outer_01"]].tolist(), rel=1e-12)


def test_every_output_says_which_kind_of_search_it_is(nested, flat):
    for found, said in ((nested, "nested search"), (flat, "flat search (optimistic")):
        for name in ("trials.csv", "scores.csv", "metrics.csv", "screening.csv"):
            assert pd.read_csv(found.folder / name)["protocol"].str.startswith(said).all(), name
        assert said in json.loads((found.folder / "search.json").read_text())["protocol"]
        assert said in found.summary()[0]
    assert "optimistic" in (flat.folder / "best.yaml").read_text() and flat.optimistic
    assert "never saw" in (nested.folder / "outer_00" / "best.yaml").read_text()


def test_the_chosen_trial_of_a_flat_search_scores_what_the_table_says(flat):
    """The fits of a flat search are those of a comparison: the same folds, the same bits."""
    (best,) = flat.scores["searched_mae"].unique()
    assert flat.scores["outer_mae"].mean() == pytest.approx(best, rel=1e-12)


def test_optimism_is_flat_minus_nested(flat, nested):
    table = optimism(flat=flat, nested=nested).set_index("metric")
    both = [(found.predictions["target"] - found.predictions["prediction"]).abs().mean() for found in (flat, nested)]
    assert table.loc["mae", "optimism"] == pytest.approx(both[0] - both[1])
    with pytest.raises(RunError, match="name the flat one first"):
        optimism(flat=nested, nested=flat)


def test_a_search_never_looks_at_the_outer_fold_that_scores_it(whole, tmp_path, monkeypatch):
    """Whatever the radiographs of an outer fold are, the search of that fold finds the same."""
    plan = FoldPlan.make(whole, folds=2, seed=0)
    hidden = set(plan.split(0, 0).test)
    table = whole.table.copy()
    rows = [row for row, name in enumerate(whole.radiograph_ids) if name in hidden]
    table.loc[rows, "fn_bmd"] = np.linspace(0.4, 1.6, len(rows))
    table.loc[rows, "age"] = 20.0
    planted = Cohort(table, whole.roles, whole.images)
    small = asked(trials=1, inner_folds=2, plan=plan)
    found, other = (tune(each, out=tmp_path / name, **small) for name, each in (("a", whole), ("b", planted)))
    pd.testing.assert_frame_equal(of_first(found), of_first(other))
    others = [of_first(each, first=False)["mae"].to_numpy() for each in (found, other)]
    assert (others[0] != others[1]).all()
    monkeypatch.setattr(parts, "_searched", lambda plan, fold: plan.radiograph_ids)  # a planted leak is found
    leaking = tune(planted, out=tmp_path / "c", **small)
    assert (of_first(leaking)["mae"].to_numpy() != of_first(found)["mae"].to_numpy()).all()


def test_pictures_of_a_part_are_those_of_its_radiographs(whole, tmp_path):
    import torch

    from xattn_bmd.data.datamodule import cohort_images
    from xattn_bmd.search.part_images import OpenedImages, part_study
    from xattn_bmd.training.study import Study

    settings = tiny(models=("image_only",), reference=whole.roles.reference)
    study = Study(whole, FoldPlan.make(whole, folds=2), settings, tmp_path)
    (part, *_) = parts.nested_parts(whole, study.plan, inner_folds=2, inner_fraction=0.15, seed=0)
    seen = part_study(part, study, config=settings, opened=OpenedImages(study))
    alone = Study(part.cohort, part.plan, settings, tmp_path)
    row, device = torch.arange(len(part.cohort)), torch.device("cpu")
    expected = cohort_images(part.cohort, alone.cache).pixels(row, device)
    assert torch.equal(seen.images.pixels(row, device), expected)
    assert not torch.equal(study.images.pixels(row, device), expected)


def test_an_interrupted_search_continues_and_finds_the_same(whole, nested, tmp_path, monkeypatch):
    real, fits = trials.fit_job, []

    def interrupted(job, study):
        fits.append(job)
        if len(fits) in (4, 11):
            raise KeyboardInterrupt
        return real(job, study)

    monkeypatch.setattr(trials, "fit_job", interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            tune(whole, out=tmp_path, **asked())
    found = tune(whole, out=tmp_path, **asked())
    pd.testing.assert_frame_equal(counted(found), counted(nested))
    shared = [trials_of(found.folder / "study.journal", name) for name in ("outer_00", "outer_01", "whole")]
    stored = {record["key"] for each in shared for one in each for record in trials.fold_records(one).values()}
    assert len(fits) == len(stored) + 2  # a fold of the same settings once, and of the two interrupted trials none lost
    left = found.trials[~found.trials["counts"]]
    assert len(left) == 2 and left["reason"].str.contains("given back: KeyboardInterrupt").all()
    assert (found.folder / "predictions.csv").read_bytes() == (nested.folder / "predictions.csv").read_bytes()
    assert (found.folder / "best.yaml").read_text() == (nested.folder / "best.yaml").read_text()


def test_a_finished_search_is_read_again_and_may_get_more_trials(whole, flat, tmp_path, monkeypatch):
    shared = asked(nested=False, storage=str(tmp_path / "study.journal"))
    tune(whole, out=tmp_path / "S", **shared)
    more = tune(whole, out=tmp_path / "S", **shared | {"trials": 5})
    assert len(more.trials) == 5
    pd.testing.assert_frame_equal(counted(more).head(3), counted(flat))
    monkeypatch.setattr(trials, "fit_job", lambda *a, **k: pytest.fail("everything is fitted"))
    tune(whole, out=tmp_path / "S", **shared | {"trials": 5})


def test_another_search_is_refused_in_the_same_storage_and_folder(whole, nested, tmp_path):
    storage = str(nested.folder / "study.journal")
    before = (nested.folder / "study.journal").read_bytes()
    other = whole.subset(whole.radiograph_ids[:30])
    plan = FoldPlan.make(whole, folds=2, seed=5)
    for changes, cohort, said in (
        ({}, other, "another cohort"),
        ({"seed": 1}, whole, "another"),
        ({"space": SPACE | {"model.dropout": {"low": 0.0, "high": 0.4}}}, whole, "another space"),
        ({"plan": plan}, whole, "another fold plan"),
        ({"inner_folds": 2}, whole, "another kind of search"),
        ({"objectives": ("mse",)}, whole, "another list of objectives"),
        ({"config": replace(asked()["config"], inner_fraction=0.2)}, whole, "another configuration"),
    ):
        with pytest.raises(ConfigError, match=said):
            tune(cohort, out=tmp_path / "new", storage=storage, **asked(**changes))
    assert (nested.folder / "study.journal").read_bytes() == before and not (tmp_path / "new").exists()
    with pytest.raises(RunError, match="another fingerprint"):
        tune(whole, out=nested.folder, storage=str(tmp_path / "j"), **asked(seed=1))


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"trials": 0}, ConfigError, "trials must be at least 1"),
        ({"inner_folds": 1}, ConfigError, "inner_folds must be at least 2"),
        ({"config": tiny(models=("metadata_only",), repeats=2)}, ConfigError, "needs repeats to be 1"),
        ({"config": tiny(models=("metadata_only",), protocol="paper")}, ConfigError, "needs protocol to be 'nested'"),
        ({"models": ("xattn", "ridge", "xattn+ridge")}, ConfigError, "the stack 'xattn\\+ridge'"),
        ({"models": ("xatn",)}, ModelError, "did you mean 'xattn'"),
        ({"objectives": ("rmse",)}, ConfigError, "rmse"),
        ({"constraints": {"parameters": -1}}, ConfigError, "above 0"),
        ({"storage": "nothing://x"}, ConfigError, "as SQLAlchemy reads it"),
    ],
)
def test_bad_requests_are_refused_before_anything_is_written(whole, tmp_path, changes, kind, said):
    with pytest.raises(kind, match=said):
        tune(whole, out=tmp_path / "new", **asked(**changes))
    assert not (tmp_path / "new").exists()


def test_failed_and_refused_trials_are_kept_with_their_reason(whole, tmp_path):
    space = {
        "models": {"choices": ["metadata_only"]},
        "model.width": {"choices": [16, 20, 64]},
        "model.heads": {"choices": [2, 8]},
    }
    found = tune(whole, out=tmp_path, **asked(space=space, trials=10, nested=False, constraints={"parameters": 20_000}))
    table = found.trials.fillna({"reason": ""})
    assert table["counts"].all() and len(table) == 10
    invalid, large = (table["model.width"] == 20) & (table["model.heads"] == 8), table["model.width"] == 64
    assert invalid.any() and large.any()
    assert table.loc[invalid, "reason"].str.contains("multiple of model.heads").all()
    assert table.loc[large, "reason"].str.contains("parameters .* > 20000").all()
    assert (table.loc[invalid | large, "folds_scored"] == 0).all()
    assert found.best.model.width in (16, 20)


def test_a_search_that_can_fit_nothing_says_why(whole, tmp_path):
    with pytest.raises(RunError, match=r"all 3 of 'tune/flat' failed.*parameters .* > 1"):
        tune(
            whole,
            out=tmp_path,
            **asked(
                nested=False,
                space={"model.dropout": SPACE["model.dropout"] | {"when": {}}},
                models=("metadata_only",),
                constraints={"parameters": 1},
            ),
        )


def test_several_objectives_are_kept_and_the_first_one_chooses(whole, tmp_path):
    found = tune(whole, out=tmp_path, **asked(nested=False, objectives=("f1", "mae"), trials=4))
    assert found.trials[["f1", "mae"]].notna().all(axis=None)
    assert found.scores["searched_f1"].iloc[0] == found.trials["f1"].max()
    assert found.record["directions"] == ["maximize", "minimize"]
    assert (found.trials["folds_scored"] == found.trials["folds"]).all()  # nothing is stopped


def made_up_fit(job, study):
    """Return predictions whose error grows with the distance of the learning rate from 0.003, folds differing much."""
    ids = study.plan.split(0, job.fold).test
    rows = [study.cohort.radiograph_ids.index(name) for name in ids]
    target, rate = study.cohort.targets[rows], study.config.training.learning_rate
    noise = np.random.default_rng([job.fold, int(1e6 * rate)]).normal()
    error = 0.05 + 0.02 * np.log10(rate / 0.003) ** 2 + 0.004 * job.fold + 0.002 * noise
    return SimpleNamespace(predictions=pd.DataFrame({"target": target, "prediction": target + error}))


def test_a_clearly_worse_trial_is_stopped_between_folds_and_returns_the_running_mean(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "fit_job", made_up_fit)
    space = {"training.learning_rate": {"low": 1e-5, "high": 1e-1, "log": True}}
    arguments = asked(space=space, models=("metadata_only",), folds=8, trials=20, nested=False)
    found = tune(whole, out=tmp_path / "pruned", **arguments)
    every = tune(whole, out=tmp_path / "every", prune=False, **arguments)
    assert (every.trials["folds_scored"] == 8).all()
    stopped = found.trials[found.trials["folds_scored"] < 8]
    assert len(stopped) and (stopped["folds_scored"] >= 2).all()
    assert found.trials["folds_scored"].sum() < 0.65 * every.trials["folds_scored"].sum()
    assert found.scores["searched_mae"].iloc[0] < 1.05 * every.scores["searched_mae"].iloc[0]
    assert found.scores["chosen_trial"].iloc[0] not in set(stopped["trial"])
    for trial in trials_of(tmp_path / "pruned" / "study.journal", "flat"):
        seen = list(trial.intermediate_values.values())
        assert trial.value == pytest.approx(np.mean(seen)) and len(seen) == len(trials.fold_records(trial))


def test_a_stopped_trial_is_never_chosen_however_good_its_running_mean():
    score = {"key": "", "seconds": 0.0}
    state = SimpleNamespace(name="COMPLETE")

    def trial(number, value, folds):
        return SimpleNamespace(
            number=number, values=[value], state=state, user_attrs={f"fold_{fold:02d}": score for fold in range(folds)}
        )

    tried = [trial(0, 0.9, 5), trial(1, 0.5, 3), trial(2, 0.8, 5), trial(3, 0.8, 5)]
    for objective, number in (("mae", 2), ("f1", 0)):
        assert best_trial(tried, request=SimpleNamespace(objectives=(objective,)), folds=5).number == number
    assert best_trial(tried[1:2], request=SimpleNamespace(objectives=("mae",)), folds=5) is None


def test_workers_give_the_trials_of_every_study(whole, nested, tmp_path):
    found = tune(whole, out=tmp_path, workers=2, **asked())
    assert found.trials[found.trials["counts"]].groupby("search").size().to_dict() == {
        "outer_00": 3,
        "outer_01": 3,
        "whole": 3,
    }
    first = found.trials.groupby("search")["mae"].first()
    assert first.equals(nested.trials.groupby("search")["mae"].first())


def test_the_chosen_configuration_is_compared_with_one_command(nested, cohort_table, tmp_path, capsys, undrawn):
    run = compare(Cohort.from_csv(cohort_table), out=tmp_path / "library", config=nested.best, progress=False)
    settings = str(nested.folder / "best.yaml")
    assert main(["compare", str(cohort_table), "--settings", settings, "--out", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().out
    assert (tmp_path / "run" / "predictions.csv").read_bytes() == (run.folder / "predictions.csv").read_bytes()


def test_the_command_line_searches_and_writes_the_page(cohort_table, tmp_path, capsys):
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(SPACE, sort_keys=False))
    settings = {"folds": 2, "model": {"width": 16, "heads": 2}, "training": {"epochs": 2, "accelerator": "cpu"}}
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(settings))
    command = f"tune {cohort_table} --space {tmp_path}/space.yaml --settings {tmp_path}/settings.yaml --flat true"
    more = f"--trials 5 --folds 2 --objectives mae f1 --storage {tmp_path}/study.journal --out {tmp_path}/S"
    assert main(f"{command} {more}".split()) == 0
    said = capsys.readouterr()
    assert "optimistic" in said.out and "5 of 5 trials" in said.err and "compare" in said.out
    page = (tmp_path / "S" / "search.html").read_text()
    assert "OPTIMISTIC" in page and "search-history" in page and "<script" not in page
    assert load_search(tmp_path / "S").importance["importance"].sum() == pytest.approx(1.0)
    assert main(f"{command} {more} --seed 7".split()) == 2
    assert "error: " in capsys.readouterr().err


def test_a_density_with_a_class_head_is_searched_and_compared_as_it_was_found(tmp_path):
    cohort = Cohort.from_csv(spread(write_cohort(tmp_path / "cohort")))
    config = tiny(models=("metadata_only",), folds=2)
    config = replace(config, model=replace(config.model, class_head="classes"))
    found = tune(cohort, out=tmp_path / "S", **asked(trials=2, nested=False, config=config))
    assert found.best.model.class_head == "classes" and (found.trials["state"] == "complete").all()
    run = compare(cohort, out=tmp_path / "RUN", config=found.best, progress=False)
    both = [
        table.sort_values("radiograph_id")["prediction"].to_numpy() for table in (found.predictions, run.predictions)
    ]
    np.testing.assert_array_equal(*both)  # a search fits what a comparison fits
    assert set(run.class_heads()["classes_from"]) == {"density", "class head", "class head - density"}


def test_a_folder_that_is_no_search_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"holds search\.json"):
        load_search(tmp_path)
