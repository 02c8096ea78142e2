from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.xpt import ibm_float, write_xpt
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.errors import CohortError, ConfigError
from xattn_bmd.simulate.cohort import simulate_cohort

SEQN = [41, 42, 43, 44]
DEMO = {"RIAGENDR": [2, 1, 2, 1], "RIDAGEYR": [50, 80, 63, 24], "WTMEC2YR": [1.5, 2.5, 3.5, 4.5]}
BMX = {"BMXWT": [60.0, 85.5, 70.0, 80.0], "BMXHT": [160.0, 175.0, 165.0, 180.0], "BMXBMI": [23.44, 27.92, 25.71, 24.69]}
DXXFEM = {"DXAFMRST": [1] * 4, "DXXFMBCC": [0] * 4, "DXXNKBMD": [0.738, 0.858, 0.6, 1.0]}
SMQ = {"SMDUPCA": ["012", "", "", ""], "SMQ020": [2, 1, 1, 1], "SMQ040": [None, 1, 3, 2]}
SMQ |= {f"SMD{number}": [None] * 4 for number in range(8)}
ALQ = {"ALQ110": [2, None, None, 1], "ALQ120Q": [None, 3, 0, 2], "ALQ120U": [None, 1, None, 2]}
ALQ |= {"ALQ130": [None, 2, None, 4]}
WEEK = {name: [None] * 4 for name in ("PAQ610", "PAQ625", "PAQ640", "PAQ655", "PAQ670")}
WEEK |= {name: [None] * 4 for name in ("PAD615", "PAD630", "PAD645", "PAD660", "PAD675")}
PAQ = WEEK | {name: [2, 2, 2, 2] for name in ("PAQ620", "PAQ635", "PAQ650", "PAQ665")}
PAQ |= {"PAQ605": [2, 1, 2, 2], "PAQ610": [None, 2, None, None], "PAD615": [None, 30, None, None]}
DBQ = {"DBQ700": [1, 5, 3, 2]}
ALL = {"DEMO": DEMO, "BMX": BMX, "DXXFEM": DXXFEM, "SMQ": SMQ, "ALQ": ALQ, "PAQ": PAQ, "DBQ": DBQ}


def write_cycle(folder: Path, letter: str = "E", *, leave_out=(), seqn=SEQN, suffix=".XPT", **changed) -> Path:
    """A cycle of four people; ``changed`` replaces columns of files."""
    for name, columns in ALL.items():
        if name not in leave_out:
            write_xpt(folder / f"{name}_{letter}{suffix}", {"SEQN": seqn, **columns, **changed.get(name, {})})
    return folder


@settings(deadline=None)
@given(st.lists(st.floats(min_value=-1e15, max_value=1e15).filter(lambda x: abs(x) > 1e-15), min_size=1, max_size=20))
def test_the_writer_of_these_tests_is_read_back_by_pandas(tmp_path_factory, numbers):
    path = write_xpt(
        tmp_path_factory.mktemp("x") / "T.XPT", {"A": [None, *numbers], "B": ["text"] * (1 + len(numbers))}
    )
    table = pd.read_sas(path, format="xport", encoding="ascii")
    np.testing.assert_array_equal(table["A"], [np.nan, *numbers])
    assert set(table["B"]) == {"text"}


@pytest.mark.parametrize(
    ("number", "bytes_"),
    [(1.0, "4110000000000000"), (-118.625, "c276a00000000000"), (0.0, "0000000000000000"), (0.5, "4080000000000000")],
)
def test_the_writer_knows_the_published_bytes_of_ibm_numbers(number, bytes_):
    assert ibm_float(number).hex() == bytes_


def test_every_column_of_a_whole_cycle(tmp_path):
    cohort = Cohort.from_nhanes(write_cycle(tmp_path), age_range=(18, None))
    expected = {
        "radiograph_id": ["NHANES-41", "NHANES-42", "NHANES-43", "NHANES-44"],
        "patient_id": ["NHANES-41", "NHANES-42", "NHANES-43", "NHANES-44"],
        "cycle": ["2007-2008"] * 4,
        "age": [50.0, 80.0, 63.0, 24.0],
        "sex": ["female", "male", "female", "male"],
        "height": [160.0, 175.0, 165.0, 180.0],
        "weight": [60.0, 85.5, 70.0, 80.0],
        "bmi": [23.44, 27.92, 25.71, 24.69],
        "smoking": ["never", "current", "former", "current"],
        "alcohol": [0.0, 6.0, 0.0, round(2 * 12 / (365.25 / 7) * 4, 3)],
        "activity": [0.0, 480.0, 0.0, 0.0],
        "diet": [1.0, 5.0, 3.0, 2.0],
        "fn_bmd": [0.738, 0.858, 0.6, 1.0],
    }
    assert {name: cohort.table[name].tolist() for name in cohort.table} == expected


def test_the_cohort_has_roles_and_is_ready_for_use(tmp_path):
    cohort = Cohort.from_nhanes(write_cycle(tmp_path))
    assert [p.kind for p in cohort.check(require_images=False)] == ["small_cohort"]
    assert cohort.roles.reference == "hologic_femoral_neck_white_female"
    assert cohort.schema.names == (
        *("age", "height", "weight", "bmi", "alcohol", "activity", "diet"),
        *("sex", "smoking"),
    )
    assert cohort.strata == ("female", "male", "female")
    assert not cohort.roles.simulated and cohort.roles.site is None


def test_lunar_densities_are_those_of_the_published_formula(tmp_path):
    cohort = Cohort.from_nhanes(write_cycle(tmp_path), scale="lunar")
    np.testing.assert_allclose(cohort.targets, [0.899, 1.038, 0.7393], atol=1e-3)
    assert cohort.roles.reference == "lunar_femoral_neck_white_female"


@pytest.mark.parametrize(("age_range", "ages"), [((50, None), [50, 80, 63]), ((63, 80), [80, 63]), ((0, 24), [24])])
def test_both_ends_of_the_age_range_are_included(tmp_path, age_range, ages):
    assert Cohort.from_nhanes(write_cycle(tmp_path), age_range=age_range).table["age"].tolist() == ages


@pytest.mark.parametrize(
    ("file", "column", "code"),
    [
        ("DXXFEM", "DXXNKBMD", None),
        ("DXXFEM", "DXAFMRST", 2),
        ("DXXFEM", "DXXFMBCC", 6),
        ("DXXFEM", "DXXFMBCC", None),
        ("DEMO", "RIAGENDR", None),
        ("DEMO", "RIDAGEYR", None),
        ("BMX", "BMXHT", None),
        ("BMX", "BMXWT", None),
    ],
)
def test_people_without_a_valid_density_or_body_are_left_out(tmp_path, file, column, code):
    changed = {file: {column: [code, *ALL[file][column][1:]]}}
    assert Cohort.from_nhanes(write_cycle(tmp_path, **changed)).radiograph_ids == ("NHANES-42", "NHANES-43")


def test_people_are_joined_by_number_not_by_row(tmp_path):
    write_cycle(tmp_path)
    write_xpt(tmp_path / "DXXFEM_E.XPT", {"SEQN": [43, 41], **{name: values[1:3] for name, values in DXXFEM.items()}})
    cohort = Cohort.from_nhanes(tmp_path)
    assert dict(zip(cohort.radiograph_ids, cohort.targets, strict=True)) == {"NHANES-41": 0.6, "NHANES-43": 0.858}


def test_lower_case_names_and_files_of_other_topics(tmp_path):
    upper, lower = tmp_path / "upper", tmp_path / "lower"
    for folder, suffix in ((upper, ".XPT"), (lower, ".xpt")):
        folder.mkdir()
        write_cycle(folder, suffix=suffix)
    for path in list(lower.iterdir()):
        path.rename(path.with_name(path.name.lower()))
    (lower / "osq_e.xpt").write_bytes(b"not read")
    (lower / "readme.txt").write_text("not read")
    pd.testing.assert_frame_equal(Cohort.from_nhanes(upper).table, Cohort.from_nhanes(lower).table)


def test_several_cycles_lie_in_one_folder(tmp_path):
    for number, letter in enumerate("HDFE"):
        lacks = ["ALQ"] if letter == "D" else []
        write_cycle(tmp_path, letter, seqn=[100 * number + person for person in SEQN], leave_out=lacks)
    table = Cohort.from_nhanes(tmp_path).table
    years = ("2005-2006", "2007-2008", "2009-2010", "2013-2014")
    assert table["cycle"].tolist() == [name for name in years for _ in range(3)]
    assert table["radiograph_id"].nunique() == 12
    for missing_in_the_first in ("activity", "alcohol"):
        assert table[missing_in_the_first].isna().tolist() == [True] * 3 + [False] * 9


@pytest.mark.parametrize(
    ("leave_out", "column"), [("SMQ", "smoking"), ("ALQ", "alcohol"), ("PAQ", "activity"), ("DBQ", "diet")]
)
def test_a_variable_that_no_file_gives_is_empty_and_has_no_role(tmp_path, leave_out, column):
    cohort = Cohort.from_nhanes(write_cycle(tmp_path, leave_out=[leave_out]))
    assert cohort.table[column].isna().all() and column not in cohort.schema.names
    assert len(cohort.schema.names) == 8


def test_the_first_cycle_has_no_activity_even_with_its_file(tmp_path):
    write_cycle(tmp_path, "D", leave_out=["PAQ"])
    write_xpt(tmp_path / "PAQ_D.XPT", {"SEQN": SEQN, "PAQ180": [1, 2, 3, 4]})
    cohort = Cohort.from_nhanes(tmp_path)
    assert cohort.table["activity"].isna().all() and "activity" not in cohort.schema.names


def test_radiographs_of_real_people_can_be_simulated(tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    people = Cohort.from_nhanes(write_cycle(files, DBQ={"DBQ700": [9, 5, 3, 2]}))
    made = simulate_cohort(tmp_path / "simulated", subjects=people.table, scale="hologic", size=64, workers=1)
    cohort = Cohort.from_csv(made)
    assert [p.severity for p in cohort.check(read_images=True, require_variation=False)] == []
    for name in ("sex", "height", "weight", "smoking", "alcohol", "activity", "diet"):
        pd.testing.assert_series_equal(cohort.table[name], people.table[name], check_dtype=False)
    np.testing.assert_allclose(cohort.table["age_xray"], people.table["age"])
    np.testing.assert_allclose(cohort.targets, people.targets, rtol=0.1)
    assert cohort.roles.reference == people.roles.reference


def damage(change, *, file="BMX_E.XPT"):
    def spoil(folder):
        path = write_cycle(folder) / file
        path.write_bytes(change(path.read_bytes()))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "notes.txt").write_text(""), "has none of them; download them"),
        (lambda folder: write_cycle(folder, leave_out=["BMX"]), "but 2007-2008 lacks BMX_E.XPT; download it"),
        (lambda folder: write_cycle(folder, leave_out=["DEMO", "DXXFEM"]), "lacks DEMO_E.XPT, DXXFEM_E.XPT;"),
        (lambda folder: write_cycle(folder, BMX={"BMXWT": ["x"] * 4}), "BMX_E.XPT must have .* but has no BMXWT;"),
        (lambda folder: write_xpt(write_cycle(folder) / "DBQ_E.XPT", {"SEQN": [41]}), "but has no DBQ700;"),
        (lambda folder: write_xpt(write_cycle(folder) / "DBQ_E.XPT", {"DBQ700": [1]}), "but has no SEQN;"),
        (lambda folder: write_cycle(folder, DBQ={"SEQN": [41, 41, 43, 44]}), "DBQ_E.XPT .*SEQN is not a different"),
        (lambda folder: write_cycle(folder, DBQ={"SEQN": [41, None, 43, 44]}), "SEQN is not a different whole number"),
        (lambda folder: write_cycle(folder, DBQ={"SEQN": [41, 42.5, 43, 44]}), "SEQN is not a different whole number"),
        (lambda folder: (write_cycle(folder) / "demo_e.xpt").write_bytes(b""), "DEMO_E.XPT and demo_e.xpt are both in"),
        (lambda folder: (write_cycle(folder) / "DXXFEM_J.xpt").write_bytes(b""), "but DXXFEM_J.xpt is of another;"),
        (lambda folder: (write_cycle(folder) / "P_DXXFEM.XPT").write_bytes(b""), "but P_DXXFEM.XPT is of another;"),
        (lambda folder: (write_cycle(folder, leave_out=["SMQ"]) / "SMQ_E.XPT").mkdir(), "SMQ_E.XPT must be a readable"),
        (lambda folder: write_cycle(folder, DXXFEM={"DXXNKBMD": [None] * 4}), "none of the 4 in .* has all of them;"),
        (lambda folder: write_cycle(folder, DEMO={"RIDAGEYR": [20, 30, 40, 49]}), "50 years and older .* 20 to 49"),
        (damage(lambda content: b""), "BMX_E.XPT must be a whole SAS transport"),
        (damage(lambda content: b"<html>".ljust(800)), "BMX_E.XPT .* not an XPORT file"),
        (damage(lambda content: content[:-7]), "bytes are not a multiple of 80"),
        (damage(lambda content: content[:80]), "BMX_E.XPT must be a whole"),
        (damage(lambda content: content[:-80], file="PAQ_E.XPT"), "PAQ_E.XPT .*its last row is not whole"),
        (damage(lambda content: content.replace(b"OBS     HEADER", b"OBS     BROKEN")), "Observation header not found"),
        (damage(lambda content: content[: content.index(b"*OBS ") + 61]), "BMX_E.XPT must be a whole"),
    ],
)
def test_what_is_missing_or_damaged_is_said_in_one_sentence(tmp_path, spoil, said):
    spoil(tmp_path)
    with pytest.raises(CohortError, match=said) as raised:
        Cohort.from_nhanes(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(CohortError, match="is not a readable folder"):
        Cohort.from_nhanes(tmp_path / "absent")


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"scale": "norland"}, "one of hologic, lunar, but it is 'norland'"), ({"age_range": (80, 50)}, "80 to 50; swap")],
)
def test_impossible_settings(tmp_path, settings, said):
    with pytest.raises(ConfigError, match=said):
        Cohort.from_nhanes(write_cycle(tmp_path), **settings)
