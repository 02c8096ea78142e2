import pytest

from tests.metrics.tables import made_up_table
from tests.report.pages import LUNAR, made_up_record, made_up_run
from xattn_bmd.errors import MetricError, RunError
from xattn_bmd.report.record import record_within, variables_of
from xattn_bmd.report.source import open_source


def test_a_run_folder_knows_what_it_is(tmp_path):
    source = open_source(made_up_run(tmp_path / "RUN"))
    assert source.simulated is True and source.protocol == "nested" and not source.optimistic
    assert source.reference.name == LUNAR
    assert source.models == ("xattn", "concat", "ridge")
    assert len(source.record) == 40 and source.unmatched == ()
    assert source.plan["hash"] == "f00d" and source.calibration is None and source.attention is None


def test_the_table_of_a_run_is_the_run(tmp_path):
    folder = made_up_run(tmp_path / "RUN")
    assert open_source(folder / "predictions.csv").simulated is True


def test_an_older_run_lacks_files(tmp_path):
    folder = made_up_run(tmp_path / "RUN")
    for name in ("record.csv", "environment.json", "fold_plan.json"):
        (folder / name).unlink()
    source = open_source(folder)
    assert source.record is None and source.environment is None and source.plan is None


@pytest.mark.parametrize("name", ["cohort.json", "config.yaml", "environment.json"])
def test_damaged_files_of_a_run_are_named(name, tmp_path):
    folder = made_up_run(tmp_path / "RUN")
    (folder / name).write_text("{[")
    with pytest.raises(RunError, match=name):
        open_source(folder)


def test_a_calibration_part_with_scored_patients_is_refused(tmp_path):
    folder = made_up_run(tmp_path / "RUN", models=("concat",))
    made_up_table(models=("concat",)).to_csv(folder / "calibration.csv", index=False)
    with pytest.raises(MetricError, match=r"calibration\.csv"):
        open_source(folder)


def test_nothing_there():
    with pytest.raises(RunError, match="does not exist"):
        open_source("nowhere")


def test_only_columns_that_say_one_thing_about_a_radiograph_are_its_record():
    table = made_up_table()
    table = table.merge(made_up_record(table)[["radiograph_id", "sex"]])
    table["seconds"] = range(len(table))
    record = record_within(table).table
    assert list(record.columns) == ["radiograph_id", "patient_id", "site", "sex"]
    assert list(record["radiograph_id"]) == sorted(set(table["radiograph_id"]))
    assert record_within(made_up_table()).table is None


def test_numbers_and_few_texts_are_variables():
    record = made_up_record(made_up_table())
    record["image"] = [f"{i}.png" for i in range(len(record))]
    assert variables_of(record) == (("age", "bmi"), ("sex",))
    assert variables_of(record, {"numeric": {"bmi": {}}, "categorical": {"smoking": []}}) == (("bmi",), ())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda record: record.rename(columns={"radiograph_id": "id"}), "radiograph_id"),
        (lambda record: record.assign(radiograph_id="other"), "more than once"),
        (lambda record: record.assign(radiograph_id=[f"x{i}" for i in range(len(record))]), "none of the 40 ids"),
    ],
    ids=["no id", "an id twice", "other ids"],
)
def test_refused_records(change, words, tmp_path):
    table = made_up_table()
    table.to_csv(tmp_path / "table.csv", index=False)
    change(made_up_record(table)).to_csv(tmp_path / "record.csv", index=False)
    with pytest.raises(MetricError, match=words):
        open_source(tmp_path / "table.csv", reference=LUNAR, record=tmp_path / "record.csv")
