"""What a run keeps of its cohort: the record as in the table, counts for a flow of exclusions."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from tests.cohorts import write_cohort
from tests.training.settings import tiny
from xattn_bmd import Cohort, compare, load_run
from xattn_bmd.errors import RunError
from xattn_bmd.training.runs.run_record import record_table, same_facts

RECORD_ONLY = tiny(models=("ridge",), folds=2)


@pytest.fixture(scope="module")
def run(cohort_table, tmp_path_factory):
    """A run of one baseline; read-only."""
    cohort = Cohort.from_csv(cohort_table, images=cohort_table.parent / "images")
    return compare(cohort, out=tmp_path_factory.mktemp("run") / "RUN", config=RECORD_ONLY, progress=False)


def test_the_record_is_that_of_the_table(run, cohort_table):
    table = pd.read_csv(cohort_table).sort_values("radiograph_id").reset_index(drop=True)
    record = load_run(run.folder).record
    assert list(record.columns) == ["radiograph_id", "patient_id", "site", "side", "age", "weight", "sex", "smoking"]
    for name in ("radiograph_id", "patient_id", "site", "side", "age", "weight", "sex"):
        assert record[name].tolist() == table[name].tolist()
    assert record["smoking"].tolist() == table["smoking"].fillna("").tolist()
    assert record["age"].dtype == np.float64
    assert "fn_bmd" not in record.columns


def test_counts_for_a_flow_of_exclusions(run, cohort_table):
    facts = json.loads((run.folder / "cohort.json").read_text())
    table = pd.read_csv(cohort_table)
    assert (facts["rows"], facts["radiographs"], facts["patients"]) == (40, 40, table["patient_id"].nunique())
    assert facts["images_without_row"] == 0
    assert facts["missing"] == {"age": 0, "weight": 0, "sex": 0, "smoking": int(table["smoking"].isna().sum())}
    assert facts["roles"]["numeric"]["age"] == {"unit": "years", "range": [18.0, 110.0]}


def test_ids_and_categories_stay_text_and_numbers_keep_their_digits(cohort):
    table = cohort.table.astype(object).assign(age="075.50", weight=None)
    table["radiograph_id"] = [f"{number:03d}" for number in range(len(table))]
    record = record_table(Cohort.from_table(table, roles=cohort.roles))
    assert record["radiograph_id"].tolist()[:2] == ["000", "001"]
    assert set(record["age"]) == {"75.5"}
    assert record["weight"].isna().all()


def test_a_file_beside_the_radiographs_does_not_stop_a_run_from_going_on(tmp_path):
    path = write_cohort(tmp_path / "c")
    images = path.parent / "images"
    first = compare(Cohort.from_csv(path, images=images), out=tmp_path / "RUN", config=RECORD_ONLY, progress=False)
    before = (first.folder / "cohort.json").read_bytes()
    (images / "stray.png").write_bytes((images / "hip_000.png").read_bytes())
    again = Cohort.from_csv(path, images=images)
    compare(again, out=tmp_path / "RUN", config=RECORD_ONLY, progress=False)
    assert (first.folder / "cohort.json").read_bytes() == before
    other = compare(again, out=tmp_path / "OTHER", config=RECORD_ONLY, progress=False)
    assert json.loads((other.folder / "cohort.json").read_text())["images_without_row"] == 1


def test_another_record_is_another_run(run, cohort_table, tmp_path):
    table = pd.read_csv(cohort_table, dtype=str)
    table.loc[0, "age"] = "80.1"
    cohort = Cohort.from_table(table, roles=Cohort.from_csv(cohort_table).roles)
    with pytest.raises(RunError, match=r"another cohort\.json"):
        compare(cohort, out=run.folder, config=RECORD_ONLY, progress=False)


def test_a_run_that_kept_no_record_has_none(run, tmp_path):
    copy = tmp_path / "RUN"
    shutil.copytree(run.folder, copy)
    for name in ("record.csv", "calibration.csv"):
        (copy / name).unlink()
    assert load_run(copy).record is None
    assert load_run(copy).calibration is None


@pytest.mark.parametrize("text", ["", "[1]", "{"])
def test_a_damaged_cohort_file_is_no_match(text):
    assert not same_facts(text, '{"rows": 3}')
