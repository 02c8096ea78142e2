import io

import numpy as np
import pandas as pd
import pytest

from tests.metrics.readers import CLASSES, made_up_readings
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.readings import Session, arranged_readings, read_readings

TABLE = made_up_readings(patients=3, levels=2)


def test_arrays():
    table = pd.DataFrame(
        [
            ("L1", "p2", "B", "1", "x"),
            ("L1", "p1", "A", "10", "y"),
            ("L1", "p1", "A", "2", "x"),
            ("L2", "p2", "B", 1, ""),
        ],
        columns=["item_id", "patient_id", "reader", "reading", "class"],
    )
    with pytest.raises(MetricError, match="but class is missing"):
        arranged_readings(table.drop(columns="class"))
    found = arranged_readings(table)
    assert found.sessions == (Session("A", 2), Session("A", 10), Session("B", 1))  # 2 before 10
    assert found.codes.tolist() == [[0, -1, -1], [1, -1, -1], [-1, 0, -1]]
    assert found.patients.tolist() == [0, 1, 1] and found.classes == ("x", "y")
    assert found.inter_pairs() == [(0, 2)] and found.intra_pairs() == [(0, 1)]
    assert found.read_in_all([0, 1]).tolist() == [True, False, False]


def test_the_level_of_two_patients_is_two_items():
    assert arranged_readings(TABLE).codes.shape == (5, 6)


def test_without_readings_and_with_numbers_for_names():
    table = pd.DataFrame({"item_id": [7.0, 7.0], "patient_id": [1, 1], "reader": [1, 2], "class": [0, 1]})
    found = arranged_readings(table, classes=[0, 1, 2])
    assert found.sessions == (Session("1", 1), Session("2", 1)) and found.classes == ("0", "1", "2")


def test_a_file_keeps_its_ids_and_gaps(tmp_path):
    path = tmp_path / "readers.csv"
    path.write_text("item_id,patient_id,reader,class\n007,1,A,NA\n7,1,A,None\n007,1,B,\n7,1,B,NA\n", encoding="utf-8")
    found = arranged_readings(read_readings(path))
    assert found.codes.tolist() == [[0, 1], [-1, 0]] and found.classes == ("NA", "None")
    with pytest.raises(MetricError, match=r"readers' table is a CSV file, but there is no .*gone\.csv"):
        read_readings(tmp_path / "gone.csv")
    with pytest.raises(MetricError, match="readers' table is separated by commas"):
        read_readings(io.StringIO("item_id;patient_id\n1;2\n"))


def _one_session(table):
    return table[(table["reader"] == "Aoki") & (table["reading"] == 1)]


def _apart(table):
    rows = table["reading"] == 1
    return table[rows].assign(item_id=table["item_id"] + table["reader"])


FAULTS = {
    "a single reading": (_one_session, {}, "one reader \\(Aoki\\) and one reading; add"),
    "no common item": (_apart, {}, r"no two of Aoki \(reading 1\), Baba \(reading 1\), .* have an item in common"),
    "all unread": (lambda table: table.assign(**{"class": None}), {}, "have an item in common"),
    "twice": (
        lambda table: pd.concat([table, table[:2]]),
        {},
        "2 rows are too many, the first is row 31: item L1 of patient P0, reader Aoki, reading 1; keep one",
    ),
    "01 and 1": (
        lambda table: pd.concat([table, table[:1].assign(reading="01")]),
        {},
        "1 rows are too many, the first is row 31",
    ),
    "unknown class": (
        lambda table: table.assign(**{"class": ["chronic", *table["class"][1:]]}),
        {"classes": CLASSES},
        "one of normal, old, fresh, but 1 rows have chronic, the first is row 1; mend it",
    ),
    "capitals": (
        lambda table: table.assign(**{"class": ["Fresh", "fresh", *table["class"][2:]]}),
        {},
        "Fresh and fresh differ only in capital letters",
    ),
    "no patient": (
        lambda table: table.assign(patient_id=[" ", *table["patient_id"][1:]]),
        {},
        "Every row has a patient_id, but 1 have none, the first is row 1; fill it in",
    ),
    "no item": (
        lambda table: table.assign(item_id=[*table["item_id"][:-1], np.nan]),
        {},
        "Every row has an item_id, but 1 have none, the first is row 30",
    ),
    "a reading by name": (
        lambda table: table.assign(reading=["first", *table["reading"][1:]]),
        {},
        "numbered 1, 2 and so on, but 1 rows have another reading, the first is 'first' in row 1",
    ),
    "half a reading": (lambda table: table.assign(reading=table["reading"] + 0.5), {}, "the first is '1.5' in row 1"),
    "an order unknown": (lambda table: table, {"ordered": True}, "names .* say nothing about the order; give classes"),
    "one class": (lambda table: table, {"classes": ["old"]}, "at least two different names.* but old was given"),
    "no class": (lambda table: table, {"classes": []}, "but none was given"),
    "a class twice": (lambda table: table, {"classes": [*CLASSES, "old"]}, "name each once"),
    "no rows": (lambda table: table[:0], {}, "but it is empty"),
    "no columns": (lambda table: table.drop(columns=["reader", "item_id"]), {}, "but item_id, reader is missing"),
    "a column twice": (lambda table: pd.concat([table, table["reader"]], axis=1), {}, "reader is there twice"),
}


@pytest.mark.parametrize(("spoil", "options", "message"), FAULTS.values(), ids=FAULTS)
def test_each_fault_is_one_sentence(spoil, options, message):
    with pytest.raises(MetricError, match=message) as caught:
        arranged_readings(spoil(TABLE), **options)
    if len(options.get("classes", "many")) > 1:
        assert "\n" not in str(caught.value)


def test_all_faults_are_listed_at_once():
    table = pd.concat([TABLE, TABLE[:1]], ignore_index=True).astype({"reading": object})
    table.loc[2, "class"] = "chronic"
    table.loc[3, "patient_id"] = ""
    table.loc[4, "reading"] = "second"
    with pytest.raises(MetricError) as caught:
        arranged_readings(table, classes=CLASSES)
    lines = str(caught.value).splitlines()
    assert lines[0] == "The readers' table has 4 problems to mend:" and len(lines) == 5
    for found in ("patient_id", "'second'", "chronic", "too many"):
        assert sum(found in line for line in lines) == 1
