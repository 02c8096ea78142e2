"""Models trained with inputs withheld, through the whole road: fits, run folder, predictor, lists, evaluation."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.cohorts import write_cohort
from tests.training.settings import TINY, tiny
from xattn_bmd import Cohort, Predictor, compare, evaluate, load_run
from xattn_bmd.data.cache import cached_images, default_cache_folder
from xattn_bmd.data.datamodule import cohort_images
from xattn_bmd.errors import CohortError, ConfigError, MetricError, RunError
from xattn_bmd.report.evidence import gather
from xattn_bmd.report.material import Material
from xattn_bmd.report.sections.inputs import section
from xattn_bmd.report.source import open_source
from xattn_bmd.training.runs.estimator_file import load_estimator

WITHHELD = {"image_dropout": 0.3, "record_dropout": 0.3}
SETTINGS = tiny(models=("concat", "image_only", "metadata_only"), folds=2, model=replace(TINY.model, **WITHHELD))


@pytest.fixture(scope="module")
def run(cohort_table, tmp_path_factory):
    """A run of models that were trained with inputs withheld; read-only."""
    cohort = Cohort.from_csv(cohort_table)
    return compare(cohort, out=tmp_path_factory.mktemp("run") / "RUN", config=SETTINGS, progress=False)


@pytest.fixture(scope="module")
def plain(cohort_table, tmp_path_factory):
    """A run of models that always saw both inputs; read-only."""
    cohort = Cohort.from_csv(cohort_table)
    config = tiny(models=("concat",), folds=2)
    return compare(cohort, out=tmp_path_factory.mktemp("run") / "RUN", config=config, progress=False)


@pytest.fixture
def new(tmp_path):
    """The table of nine new radiographs, of which 2 and 5 have no picture, and 4 has no record."""
    table = write_cohort(tmp_path / "new", n=9, seed=5)
    frame = pd.read_csv(table, dtype=object)
    frame.loc[[2, 5], "image"] = None
    frame.loc[4, ["age", "weight", "sex", "smoking"]] = None
    frame.loc[6, "smoking"] = None
    frame.to_csv(table, index=False)
    for row in (2, 5):
        (table.parent / "images" / f"hip_{row:03d}.png").unlink()
    return table


SEEN = ["image+record"] * 2 + ["record", "image+record", "image", "record"] + ["image+record"] * 3


def _changed(table, **columns):
    pd.read_csv(table, dtype=object).assign(**columns).to_csv(table, index=False)
    return Cohort.from_csv(table)


def test_each_radiograph_is_predicted_without_picture_and_without_record_in_its_own_fold(run, cohort):
    table = run.inputs
    assert set(table["model"]) == {"concat"}
    folds = run.predictions.query("model == 'concat'").set_index("radiograph_id")["fold"]
    for seen in ("image", "record"):
        part = table[table["inputs"] == seen].set_index("radiograph_id")
        assert sorted(part.index) == sorted(cohort.radiograph_ids)
        assert (part["fold"] == folds[part.index]).all()


def test_stored_predictions_are_those_of_the_stored_fold_with_that_input_withheld(run, cohort):
    estimator = load_estimator(run.folder / "concat" / "repeat_00" / "fold_01")
    cache = cached_images(cohort.image_paths, image=run.config.image, folder=default_cache_folder())
    stored = run.inputs.query("fold == 1")
    for withheld, seen in (("image", "record"), ("record", "image")):
        said = estimator.estimate(cohort, images=cohort_images(cohort, cache), accelerator="cpu", withheld=withheld)
        everything = dict(zip(cohort.radiograph_ids, said.table["prediction"], strict=True))
        mine = stored[stored["inputs"] == seen]
        expected = [everything[name] for name in mine["radiograph_id"]]
        np.testing.assert_allclose(mine["prediction"], expected, atol=2e-6)
    with_both = run.predictions.query("model == 'concat' and fold == 1").set_index("radiograph_id")["prediction"]
    for _, mine in stored.groupby("inputs"):
        assert np.abs(mine.set_index("radiograph_id")["prediction"] - with_both).min() > 1e-7


def test_a_model_of_one_input_loses_it_never(run, cohort, tmp_path):
    """Its fits are those of the same settings without anything withheld."""
    config = tiny(models=("image_only", "metadata_only"), folds=2)
    alone = compare(cohort, out=tmp_path / "RUN", config=config, progress=False).predictions
    mine = run.predictions[run.predictions["model"] != "concat"].reset_index(drop=True)
    pd.testing.assert_frame_equal(mine, alone)


def test_without_inputs_withheld_there_is_no_such_table(plain):
    assert plain.inputs is None and not (plain.folder / "inputs.csv").exists()
    state = json.loads((plain.folder / "concat" / "predictor.json").read_text())
    assert "withheld" not in state


def test_the_table_is_written_again_where_it_is_lost(run, cohort, tmp_path):
    copy = tmp_path / "RUN"
    shutil.copytree(run.folder, copy)
    (copy / "inputs.csv").unlink()
    shutil.rmtree(copy / "concat" / "repeat_00" / "fold_01")
    compare(cohort, out=copy, config=SETTINGS, progress=False)
    for name in ("inputs.csv", "predictions.csv"):
        assert (copy / name).read_bytes() == (run.folder / name).read_bytes()


def test_predictions_with_missing_inputs_are_the_folds_mean_and_say_what_was_seen(run, new):
    predictor, cohort = Predictor.from_run(run, "concat"), Cohort.from_csv(new)
    table = predictor.predict(cohort)
    assert list(table["inputs"]) == SEEN and list(table["radiograph_id"]) == list(cohort.radiograph_ids)
    assert np.isfinite(table[["prediction", "low", "high", "t_score"]]).all(axis=None)
    for row in range(9):
        name = cohort.radiograph_ids[row]
        alone = Cohort.from_table(cohort.table.iloc[[row]], roles=cohort.roles, images=new.parent / "images")
        alone = replace(alone, images=replace(alone.images, without_row=()))
        again = predictor.predict(alone).iloc[0]
        assert again["radiograph_id"] == name and again["inputs"] == SEEN[row]
        assert again["prediction"] == pytest.approx(table["prediction"][row], abs=1e-6)


@pytest.mark.parametrize("withheld", ["image", "record"])
def test_a_missing_input_is_predicted_as_a_withheld_one(run, tmp_path, withheld):
    table = write_cohort(tmp_path / "whole", n=5, seed=6)
    whole, predictor = Cohort.from_csv(table), Predictor.from_run(run, "concat")
    cache = cached_images(whole.image_paths, image=run.config.image, folder=default_cache_folder())
    images = cohort_images(whole, cache)
    each = [
        one.estimate(whole, images=images, accelerator="cpu", withheld=withheld).table["prediction"]
        for one in predictor.estimators
    ]
    blank = ["image"] if withheld == "image" else list(whole.schema.names)
    folder = None if withheld == "image" else table.parent / "images"
    lacking = Cohort.from_table(whole.table.assign(**dict.fromkeys(blank)), roles=whole.roles, images=folder)
    np.testing.assert_allclose(predictor.predict(lacking)["prediction"], np.mean(each, axis=0), atol=1e-6)


def test_intervals_are_those_of_predictions_with_the_same_inputs(run, new):
    predictor, cohort = Predictor.from_run(run, "concat"), Cohort.from_csv(new)
    each, table = predictor.estimate_folds(cohort).each, predictor.predict(cohort, level=0.8)
    everything = run.predictions.query("model == 'concat'").assign(inputs="image+record")
    scored = pd.concat([run.inputs, everything])
    for row, seen in enumerate(SEEN):
        mine = scored[scored["inputs"] == seen]
        residual = (mine["target"] - mine["prediction"]).abs().to_numpy()
        ends = np.sort(each[mine["fold"].to_numpy(), row] + residual)
        rank = int(np.ceil(0.8 * (len(residual) + 1)))
        assert table["high"][row] == pytest.approx(ends[rank - 1], abs=1e-9)


def test_a_saved_predictor_does_the_same(run, new, tmp_path):
    predictor = Predictor.from_run(run, "concat")
    again = Predictor.load(predictor.save(tmp_path / "model"))
    pd.testing.assert_frame_equal(again.predict(Cohort.from_csv(new)), predictor.predict(Cohort.from_csv(new)))


def test_records_alone_need_no_image_folder(run, new):
    predictor, cohort = Predictor.from_run(run, "concat"), Cohort.from_csv(new)
    shutil.rmtree(new.parent / "images")
    with pytest.raises(CohortError, match="no image folder was given"):
        predictor.predict(Cohort.from_csv(new))  # the table still names files
    rows = cohort.table.drop(index=4).assign(image=None)
    table = predictor.predict(Cohort.from_table(rows, roles=cohort.roles))
    assert set(table["inputs"]) == {"record"}


def test_a_named_file_that_is_not_there_is_refused_all_the_same(run, new):
    (new.parent / "images" / "hip_003.png").unlink()
    with pytest.raises(CohortError, match="hip_003"):
        Predictor.from_run(run, "concat").predict(Cohort.from_csv(new))


def test_a_row_with_nothing_is_refused(run, new):
    cohort = _changed(new, age=None, weight=None, sex=None, smoking=None)
    with pytest.raises(CohortError, match=r"hip_002, hip_005: An estimate needs a picture or a clinical record"):
        Predictor.from_run(run, "concat").predict(cohort)


def test_a_model_that_always_saw_both_needs_both(plain, new):
    with pytest.raises(CohortError, match=r"2 have none: hip_002, hip_005"):
        Predictor.from_run(plain, "concat").predict(Cohort.from_csv(new))
    pd.read_csv(new, dtype=object).drop(index=[2, 5]).to_csv(new, index=False)
    with pytest.raises(CohortError, match=r"1\. hip_004: .*train with model\.record_dropout above 0"):
        Predictor.from_run(plain, "concat").predict(Cohort.from_csv(new))


def test_reasons_name_the_setting_that_would_have_been_needed(plain, new):
    needs = Predictor.from_run(plain, "concat").needs
    frame = Cohort.from_csv(new).table
    given = needs.given(frame, has_image=np.arange(9) != 2)
    reasons = dict(enumerate(given.refusals))
    assert "but a picture is missing" in reasons[2] and "model.image_dropout above 0" in reasons[2]
    assert "but any clinical variable is missing" in reasons[4] and "model.record_dropout above 0" in reasons[4]
    assert [row for row, reason in reasons.items() if not reason] == [0, 1, 3, 5, 6, 7, 8]


def test_a_gap_that_training_never_met_is_filled_in_and_one_that_it_met_or_withheld_is_marked(run, plain, tmp_path):
    whole = Cohort.from_csv(write_cohort(tmp_path / "whole", n=5, seed=6))
    weight = [one.encoder.mean[1] for one in Predictor.from_run(plain, "concat").estimators]
    assert not any(one.encoder.met[1] for one in Predictor.from_run(plain, "concat").estimators)

    def said(of, value):
        table, images = whole.table.assign(weight=value), tmp_path / "whole" / "images"
        return Predictor.from_run(of, "concat").estimate_folds(
            Cohort.from_table(table, roles=whole.roles, images=images)
        )

    filled, marked = said(plain, np.nan).each, said(run, np.nan).each
    for fold in range(2):
        np.testing.assert_allclose(filled[fold], said(plain, weight[fold]).each[fold], atol=1e-6)
        assert np.abs(marked[fold] - said(run, weight[fold]).each[fold]).min() > 1e-6


def test_a_model_of_the_record_alone_needs_some_of_it(run, new):
    reason = (
        Predictor.from_run(run, "metadata_only")
        .needs.given(Cohort.from_csv(new).table, has_image=np.ones(9, dtype=bool))
        .refusals[4]
    )
    assert reason == "The model 'metadata_only' reads the record alone, but this row has none; fill in what is known."


def test_a_list_with_missing_inputs_gives_the_same_table(run, new, tmp_path):
    predictor = Predictor.from_run(run, "concat")
    done = predictor.predict_archive(new, out=tmp_path / "list.csv")
    assert (done.estimated, done.problems) == (9, 0)
    found, expected = pd.read_csv(done.table), predictor.predict(Cohort.from_csv(new))
    assert list(found["inputs"]) == SEEN
    np.testing.assert_allclose(found["prediction"], expected["prediction"], atol=1e-6)
    np.testing.assert_allclose(found["low"], expected["low"], atol=1e-6)


def test_a_plain_folder_is_enough_for_a_model_that_does_without_record(run, plain, new, tmp_path):
    done = Predictor.from_run(run, "concat").predict_archive(new.parent / "images", out=tmp_path / "folder.csv")
    assert done.estimated == 7 and set(pd.read_csv(done.table)["inputs"]) == {"image"}
    with pytest.raises(CohortError, match=r"model\.record_dropout above 0"):
        Predictor.from_run(plain, "concat").predict_archive(new.parent / "images", out=tmp_path / "other.csv")


def test_a_list_says_of_each_row_why_a_model_that_always_saw_both_does_not_take_it(plain, new, tmp_path):
    done = Predictor.from_run(plain, "concat").predict_archive(new, out=tmp_path / "list.csv")
    problems = pd.read_csv(done.problems_table).set_index("radiograph_id")["problem"]
    assert (done.estimated, sorted(problems.index)) == (6, ["hip_002", "hip_004", "hip_005"])
    assert "record_dropout" in problems["hip_004"] and "image file" in problems["hip_002"]


def test_an_evaluation_of_records_alone_stands_beside_internal_errors_of_records_alone(run, tmp_path):
    table = write_cohort(tmp_path / "other", n=24, seed=7)
    frame = pd.read_csv(table, dtype=object)
    frame["patient_id"] = "x" + frame["patient_id"]
    frame.assign(image=None).to_csv(table, index=False)
    shutil.rmtree(table.parent / "images")
    done = evaluate(Predictor.from_run(run, "concat"), Cohort.from_csv(table), out=tmp_path / "E", replicates=50)
    mine = run.inputs.query("inputs == 'record'")
    row = done.drop().query("metric == 'mae'").iloc[0]
    assert row["internal"] == pytest.approx((mine["target"] - mine["prediction"]).abs().mean())
    said = json.loads((done.folder / "cohort.json").read_text())["predictors"][0]
    assert said["inputs"] == "record"


def test_an_evaluation_of_mixed_inputs_is_refused(run, new, tmp_path):
    frame = pd.read_csv(new, dtype=object)
    frame.assign(patient_id="x" + frame["patient_id"]).to_csv(new, index=False)
    with pytest.raises(CohortError, match=r"saw record and image of hip_002.* and image\+record of the others"):
        evaluate(Predictor.from_run(run, "concat"), Cohort.from_csv(new), out=tmp_path / "E", replicates=20)
    assert not (tmp_path / "E").exists()


def test_the_report_has_the_errors_by_input_with_the_models_of_one_input_beside(run, plain):
    source = open_source(run.folder)
    evidence = gather(source, replicates=20)
    keys = evidence.inputs[["model", "inputs"]].drop_duplicates().apply(tuple, axis=1).tolist()
    both = [("concat", "image+record"), ("concat", "image"), ("image_only", "image")]
    assert keys == [*both, ("concat", "record"), ("metadata_only", "record")]
    mine = run.inputs.query("inputs == 'image'")
    found = evidence.inputs.query("model == 'concat' and inputs == 'image' and metric == 'mae'")["value"].iloc[0]
    assert found == pytest.approx((mine["target"] - mine["prediction"]).abs().mean())
    (table,) = section(Material(source=source, evidence=evidence)).blocks
    assert [(row[0].text, row[1].text) for row in table.rows][3] == ("concat", "record alone")
    assert table.rows[1][2].text == f"{found:.3f}" and table.rows[1][2].detail.startswith("[")


def test_the_report_of_models_that_always_saw_both_says_so(plain):
    source = open_source(plain.folder)
    (said,) = section(Material(source=source, evidence=gather(source, replicates=20))).blocks
    assert said.text.startswith("No model of this source was trained with inputs withheld")


def test_a_damaged_table_is_named(run, tmp_path):
    copy = tmp_path / "RUN"
    shutil.copytree(run.folder, copy)
    table = pd.read_csv(copy / "inputs.csv")
    table.assign(inputs="both").to_csv(copy / "inputs.csv", index=False)
    with pytest.raises(MetricError, match=r"inputs\.csv: the column inputs says image or record"):
        load_run(copy).inputs  # noqa: B018


def test_all_variables_are_withheld_one_by_one_where_asked(cohort, tmp_path):
    config = tiny(models=("metadata_only",), folds=2, model=replace(TINY.model, variable_dropout=0.3))
    run = compare(cohort, out=tmp_path / "RUN", config=config, progress=False)
    predictor = Predictor.from_run(run, "metadata_only")
    assert all(all(one.encoder.met) for one in predictor.estimators) and not predictor.needs.no_record
    assert run.inputs is None


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ({"image_dropout": 1.0}, r"model\.image_dropout is a share from 0 to below 1, but 1\.0"),
        ({"record_dropout": -0.1}, r"model\.record_dropout is a share"),
        ({"variable_dropout": 1.5}, r"model\.variable_dropout is a share"),
        ({"image_dropout": 0.6, "record_dropout": 0.4}, "together leave some radiographs whole"),
    ],
)
def test_shares_that_leave_nothing_are_refused(shares, words):
    with pytest.raises(ConfigError, match=words):
        tiny(model=replace(TINY.model, **shares))


def test_a_run_of_an_older_version_is_continued_though_its_settings_lack_the_new_ones(plain, cohort, tmp_path):
    copy = tmp_path / "RUN"
    shutil.copytree(plain.folder, copy)
    settings = yaml.safe_load((copy / "config.yaml").read_text())
    for name in ("image_dropout", "record_dropout", "variable_dropout"):
        del settings["model"][name]
    for name in ("seeds", "averaging", "averaged_epochs", "test_views"):
        del settings["training"][name]
    (copy / "config.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    before = (copy / "predictions.csv").read_bytes()
    compare(cohort, out=copy, config=plain.config, progress=False)
    assert (copy / "predictions.csv").read_bytes() == before
    with pytest.raises(RunError, match=r"config\.yaml"):
        compare(cohort, out=copy, config=replace(plain.config, seed=3), progress=False)
