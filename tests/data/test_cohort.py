import random

import numpy as np
import pandas as pd
import pytest

from tests.data.made_cohort import YAML, made_rows, write_cohort, write_picture, write_table
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.roles import CohortRoles
from xattn_bmd.errors import CohortError, ConfigError

BY_STEM = YAML.replace("image: image\n", "")


def test_a_sound_cohort_has_no_problem(tmp_path):
    cohort = Cohort.from_csv(write_cohort(tmp_path))
    assert cohort.check(read_images=True) == []
    cohort.require_valid(read_images=True)
    assert len(cohort) == 24
    assert cohort.radiograph_ids[:2] == ("001", "002")
    assert cohort.patient_ids[0] == "P001"
    assert cohort.sites[:2] == ("A", "B")
    assert cohort.sides[:3] == ("L", "L", "R")
    assert cohort.targets.dtype == np.float64 and np.isfinite(cohort.targets).all()
    assert cohort.image_paths["003"] == tmp_path / "images" / "003.png"
    assert cohort.schema.numeric == ("age_xray", "height", "weight", "bmi", "activity")
    assert cohort.strata[:2] == ("female", "male")


def test_columns_declared_as_numbers_are_numbers_and_the_rest_is_text(tmp_path):
    table = Cohort.from_csv(write_cohort(tmp_path)).table
    assert table["age_xray"].dtype == np.float64
    assert table["radiograph_id"].iloc[0] == "001"


@pytest.mark.parametrize(
    ("name", "separator", "encoding"),
    [("t.csv", ",", "utf-8"), ("t.csv", ";", "utf-8-sig"), ("t.tsv", "\t", "utf-8"), ("t.csv", "\t", "utf-8-sig")],
)
def test_table_formats_read_the_same(tmp_path, name, separator, encoding):
    expected = Cohort.from_csv(write_cohort(tmp_path))
    other = write_table(tmp_path / name, made_rows(), separator=separator, encoding=encoding)
    cohort = Cohort.from_csv(other)
    pd.testing.assert_frame_equal(cohort.table, expected.table)
    assert cohort.fingerprint == expected.fingerprint


def test_images_are_joined_by_id_whatever_the_row_order(tmp_path):
    rows = made_rows()
    write_cohort(tmp_path, rows, yaml=BY_STEM)
    random.Random(1).shuffle(rows)
    cohort = Cohort.from_csv(write_table(tmp_path / "cohort.csv", rows))
    assert all(cohort.image_paths[name].stem == name for name in cohort.radiograph_ids)
    assert cohort.targets.tolist() == [float(row["fn_bmd"]) for row in rows]


def test_images_in_subfolders_and_dicom_names_without_suffix(tmp_path):
    rows = made_rows(2)
    rows[0]["radiograph_id"], rows[1]["radiograph_id"] = "1.2.840.10", "R7"
    path = write_cohort(tmp_path, rows, yaml=BY_STEM, images=False)
    (tmp_path / "images" / "site_a").mkdir(parents=True)
    (tmp_path / "images" / "site_a" / "1.2.840.10").write_bytes(b"x")
    (tmp_path / "images" / "R7.DCM").write_bytes(b"x")
    (tmp_path / "images" / ".hidden.dcm").write_bytes(b"x")
    (tmp_path / "images" / "notes.txt").write_bytes(b"x")
    (tmp_path / "images" / "DICOMDIR").write_bytes(b"x")
    cohort = Cohort.from_csv(path)
    assert {name: file.name for name, file in cohort.image_paths.items()} == {
        "1.2.840.10": "1.2.840.10",
        "R7": "R7.DCM",
    }
    assert cohort.images.without_row == ()


def test_names_in_the_image_column_may_start_at_the_table(tmp_path):
    rows = made_rows(3)
    path = write_cohort(tmp_path, rows)
    for row in rows:
        row["image"] = f"images/{row['image']}"
    write_table(path, rows)
    assert len(Cohort.from_csv(path).image_paths) == 3


def test_subset_keeps_row_order_and_does_not_count_the_others_images(tmp_path):
    cohort = Cohort.from_csv(write_cohort(tmp_path)).subset(["005", "002"])
    assert cohort.radiograph_ids == ("002", "005")
    assert len(cohort.targets) == 2 and set(cohort.image_paths) == {"002", "005"}
    assert [problem.kind for problem in cohort.check(require_variation=False)] == []
    with pytest.raises(CohortError, match="nobody"):
        cohort.subset(["nobody"])


def test_fingerprint_ignores_row_order_and_unused_columns_only(tmp_path):
    rows = made_rows()
    first = Cohort.from_csv(write_cohort(tmp_path, rows)).fingerprint

    def fingerprint(changed, config=None):
        return Cohort.from_csv(write_table(tmp_path / "cohort.csv", changed), config=config).fingerprint

    assert fingerprint(rows[::-1]) == first
    assert fingerprint([{**row, "remark": "other"} for row in rows]) == first
    assert fingerprint([{**rows[0], "fn_bmd": "0.777"}, *rows[1:]]) != first
    assert fingerprint([{**rows[0], "sex": ""}, *rows[1:]]) != first
    swapped = [{**rows[0], "fn_bmd": rows[1]["fn_bmd"]}, {**rows[1], "fn_bmd": rows[0]["fn_bmd"]}, *rows[2:]]
    assert fingerprint(swapped) != first
    roles = CohortRoles.from_dict({**CohortRoles.from_yaml(tmp_path / "cohort.yaml").to_dict(), "simulated": False})
    assert fingerprint(rows, roles) != first


def test_yaml_with_the_tables_name_goes_before_cohort_yaml(tmp_path):
    path = write_cohort(tmp_path)
    (tmp_path / "other.yaml").write_text("id: radiograph_id\npatient: patient_id\n")
    other = write_table(tmp_path / "other.csv", made_rows())
    assert Cohort.from_csv(other).schema.names == ()
    assert Cohort.from_csv(path).schema.names != ()
    assert Cohort.from_csv(path, config=tmp_path / "other.yaml").schema.names == ()


def test_a_cohort_without_target_is_fit_for_prediction(tmp_path):
    rows = [{key: value for key, value in row.items() if key != "fn_bmd"} for row in made_rows(1)]
    text = "\n".join(line for line in YAML.splitlines() if not line.startswith("target"))
    cohort = Cohort.from_csv(write_cohort(tmp_path, rows, yaml=text))
    assert np.isnan(cohort.targets).all()
    assert cohort.check(require_target=False) == []


def test_from_table_takes_a_frame_with_numbers():
    roles = CohortRoles.from_dict({"id": "i", "patient": "i", "target": {"column": "b"}, "numeric": ["age"]})
    frame = pd.DataFrame({"i": [7.0, 8.0], "b": [0.8, None], "age": [70, 71]}, index=[5, 9])
    cohort = Cohort.from_table(frame, roles=roles)
    assert cohort.radiograph_ids == ("7", "8")
    assert np.isnan(cohort.targets[1]) and cohort.table.index.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n  \n", "empty"),
        (b"radiograph_id,patient_id\n", "at least one row"),
        (b"PK\x03\x04\xff\xfe\x00", "UTF-8"),
        (b"a,b\n1,2\n3\n", r"line\(s\) \[3\]"),
        (b"a,b\n1,2\n3,4,5\n", r"line\(s\) \[3\]"),
        (b"a,a\n1,2\n", "twice"),
    ],
)
def test_tables_that_cannot_be_read_at_all(tmp_path, content, words):
    path = write_cohort(tmp_path, images=False)
    path.write_bytes(content)
    with pytest.raises(CohortError, match=words):
        Cohort.from_csv(path)


def test_absent_table_yaml_and_folder(tmp_path):
    with pytest.raises(CohortError, match="readable file"):
        Cohort.from_csv(tmp_path / "cohort.csv")
    path = write_cohort(tmp_path, images=False)
    with pytest.raises(CohortError, match="existing folder"):
        Cohort.from_csv(path, images=tmp_path / "absent")
    (tmp_path / "cohort.yaml").unlink()
    with pytest.raises(ConfigError, match="for example"):
        Cohort.from_csv(path)


def test_unnamed_columns_and_blank_lines_are_dropped(tmp_path):
    path = write_cohort(tmp_path, images=False)
    path.write_text(",radiograph_id,,patient_id\n1,a,,p\n\n2,b,,q\n,,,\n")
    cohort = Cohort.from_csv(path)
    assert list(cohort.table.columns) == ["radiograph_id", "patient_id"] and len(cohort) == 2


def test_require_valid_numbers_every_problem(tmp_path):
    rows = made_rows()
    rows[0]["fn_bmd"], rows[1]["sex"] = "high", "femal"
    path = write_cohort(tmp_path, rows)
    write_picture(tmp_path / "images" / "stray.png", seed=99)
    with pytest.raises(CohortError) as caught:
        Cohort.from_csv(path).require_valid()
    text = str(caught.value)
    assert "3 problem(s)" in text and "\n1. " in text and "\n3. " in text
    assert "high" in text and "femal" in text and "stray.png" in text


def test_warnings_alone_do_not_raise(tmp_path):
    cohort = Cohort.from_csv(write_cohort(tmp_path, made_rows(12)))
    assert [problem.kind for problem in cohort.check()] == ["small_cohort"]
    cohort.require_valid()
