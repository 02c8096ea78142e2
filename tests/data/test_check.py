import pytest

from tests.data.made_cohort import YAML, made_rows, write_cohort, write_picture, write_table
from xattn_bmd.data.cohort import Cohort

BY_STEM = YAML.replace("image: image\n", "")


def problems_of(folder, rows, *, yaml=YAML, **options):
    return Cohort.from_csv(write_cohort(folder, rows, yaml=yaml)).check(**options)


def spoiled(**cells):
    """Rows whose first has the given cells."""
    rows = made_rows()
    rows[0].update(cells)
    return rows


@pytest.mark.parametrize(
    ("cells", "kind", "words"),
    [
        ({"fn_bmd": "high"}, "not_a_number", ["fn_bmd", "g/cm2", "'high'"]),
        ({"fn_bmd": "0,85"}, "not_a_number", ["decimals with a point"]),
        ({"fn_bmd": "inf"}, "not_a_number", ["'inf'"]),
        ({"fn_bmd": "-1.2"}, "not_positive", ["-1.2", "T-scores"]),
        ({"fn_bmd": "0"}, "not_positive", ["above 0"]),
        ({"fn_bmd": ""}, "missing_target", ["fn_bmd", "remove the row"]),
        ({"fn_bmd": "NaN"}, "missing_target", ["fn_bmd"]),
        ({"fn_bmd": "850"}, "implausible_target", ["0.2 to 2", "850", "mg/cm2", "divide it by 1000", "mg/cm3"]),
        ({"fn_bmd": "9.5"}, "implausible_target", ["9.5", "widen the range"]),
        ({"age_xray": "old"}, "not_a_number", ["age_xray", "years", "'old'"]),
        ({"age_xray": "900"}, "implausible_value", ["age_xray", "18 to 110 in years", "months"]),
        ({"height": "1.72", "bmi": ""}, "implausible_value", ["height", "metres"]),
        ({"height": "67", "bmi": ""}, "implausible_value", ["height", "inches"]),
        ({"weight": "900", "bmi": ""}, "implausible_value", ["weight", "900"]),
        ({"sex": "Female"}, "unknown_category", ["['female', 'male']", "'Female'", "did you mean 'female'"]),
        ({"smoking": "xyz"}, "unknown_category", ["'xyz'", "declare it"]),
        ({"side": "both"}, "unknown_side", ["side", "'both'"]),
        ({"bmi": "40"}, "inconsistent_bmi", ["weight / height²"]),
        ({"patient_id": ""}, "empty_patient", ["patient id"]),
        ({"patient_id": "P002"}, "contradictory_sex", ["sex", "001, 002"]),
    ],
)
def test_one_spoiled_cell_is_one_problem_that_names_its_radiograph(tmp_path, cells, kind, words):
    problems = problems_of(tmp_path, spoiled(**cells))
    assert [problem.kind for problem in problems] == [kind], problems
    assert all(word in problems[0].message for word in ["001", *words]), problems[0].message
    assert "001" in problems[0].radiographs


def test_empty_id_is_named_by_its_row(tmp_path):
    problems = problems_of(tmp_path, spoiled(radiograph_id=""))
    assert problems[0].kind == "empty_id" and "row 1" in problems[0].message


def test_duplicate_id(tmp_path):
    problems = problems_of(tmp_path, spoiled(radiograph_id="002"))
    assert (problems[0].kind, problems[0].radiographs) == ("duplicate_id", ("002",))


def test_a_patient_at_several_sites_and_with_several_radiographs_is_fine(tmp_path):
    rows = spoiled(patient_id="P003", sex="female")
    assert rows[0]["site"] == rows[2]["site"]
    rows[0]["site"] = "C"
    assert problems_of(tmp_path, rows) == []


def test_whole_column_in_thousandths(tmp_path):
    rows = [{**row, "fn_bmd": str(float(row["fn_bmd"]) * 1000)} for row in made_rows()]
    (problem,) = problems_of(tmp_path, rows)
    assert problem.kind == "implausible_target" and "divide it by 1000" in problem.message
    assert len(problem.radiographs) == 24 and "and 19 more" in problem.message


@pytest.mark.parametrize("unit", ["unit: mg/cm3", "unit: mg/cm3, range: [20, 400]"])
def test_areal_density_declared_as_volumetric(tmp_path, unit):
    yaml = YAML.replace("unit: g/cm2, range: [0.2, 2.0]", unit)
    (problem,) = problems_of(tmp_path, made_rows(), yaml=yaml)
    assert problem.kind == "implausible_target" and "declare g/cm2" in problem.message


@pytest.mark.parametrize("column", ["age_xray", "sex", "activity"])
def test_constant_and_empty_variables(tmp_path, column):
    same = made_rows()[0][column]
    constant = problems_of(tmp_path / "a", [{**row, column: same} for row in made_rows()])
    assert [problem.kind for problem in constant] == ["constant"] and column in constant[0].message
    empty = problems_of(tmp_path / "b", [{**row, column: ""} for row in made_rows()])
    assert [problem.kind for problem in empty] == ["all_missing"] and column in empty[0].message
    rows = [{**row, column: same} for row in made_rows()]
    assert problems_of(tmp_path / "c", rows, require_variation=False) == []
    assert problems_of(tmp_path / "d", rows, require_target=False) == []


def test_missing_values_are_no_problem(tmp_path):
    assert problems_of(tmp_path, spoiled(age_xray="", sex="NA", side="", site="", bmi="")) == []


@pytest.mark.parametrize(
    "column", ["radiograph_id", "patient_id", "image", "fn_bmd", "age_xray", "sex", "site", "side"]
)
def test_missing_column_never_stops_the_other_checks(tmp_path, column):
    path = write_cohort(tmp_path, made_rows())
    rows = [{key: value for key, value in row.items() if key != column} for row in made_rows()]
    rows[0]["smoking"] = "xyz"
    kinds = [problem.kind for problem in Cohort.from_csv(write_table(path, rows)).check()]
    assert kinds[0] == "missing_column" and "unknown_category" in kinds


def test_missing_column_suggests_the_nearest(tmp_path):
    path = write_cohort(tmp_path, made_rows())
    rows = [{("fn_bdm" if key == "fn_bmd" else key): value for key, value in row.items()} for row in made_rows()]
    (problem,) = Cohort.from_csv(write_table(path, rows)).check()
    assert "'fn_bmd'" in problem.message and "did you mean 'fn_bdm'" in problem.message


def test_volumetric_densities_may_be_below_zero_in_fat(tmp_path):
    rows = [{**row, "fn_bmd": str(20 * number - 20)} for number, row in enumerate(made_rows())]
    assert problems_of(tmp_path, rows, yaml=YAML.replace("unit: g/cm2, range: [0.2, 2.0]", "unit: mg/cm3")) == []


def test_no_target_declared(tmp_path):
    yaml = "\n".join(line for line in YAML.splitlines() if not line.startswith("target"))
    assert [problem.kind for problem in problems_of(tmp_path, made_rows(), yaml=yaml)] == ["no_target"]


def test_rows_without_image_and_images_without_row_are_both_listed(tmp_path):
    for number, yaml in enumerate((YAML, BY_STEM)):
        folder = tmp_path / str(number)
        path = write_cohort(folder, made_rows(), yaml=yaml)
        (folder / "images" / "004.png").unlink()
        write_picture(folder / "images" / "stray.png", seed=1)
        absent, surplus = Cohort.from_csv(path).check()
        assert (absent.kind, absent.radiographs) == ("no_image", ("004",))
        assert surplus.kind == "no_row" and "stray.png" in surplus.message
        assert Cohort.from_csv(path).check(require_images=False) == []


def test_lost_zeros_of_a_spreadsheet_are_recognised(tmp_path):
    rows = [{**row, "radiograph_id": str(int(row["radiograph_id"]))} for row in made_rows()]
    absent, _ = problems_of(tmp_path, rows, yaml=BY_STEM)
    assert "leading zeros" in absent.message


def test_several_images_of_one_radiograph(tmp_path):
    path = write_cohort(tmp_path, made_rows(), yaml=BY_STEM)
    write_picture(tmp_path / "images" / "001.tif", seed=5)
    cohort = Cohort.from_csv(path)
    (problem,) = cohort.check()
    assert "001" not in cohort.image_paths
    assert problem.kind == "several_images" and "001.png" in problem.message and "001.tif" in problem.message


def test_one_image_of_several_radiographs(tmp_path):
    path = write_cohort(tmp_path, made_rows())
    write_table(path, spoiled(image="002.png"))
    shared = [problem for problem in Cohort.from_csv(path).check() if problem.kind == "shared_image"]
    assert shared[0].radiographs == ("001", "002")


def test_no_image_folder_at_all(tmp_path):
    path = write_cohort(tmp_path, made_rows(), images=False)
    assert [problem.kind for problem in Cohort.from_csv(path).check()] == ["no_images"]
    assert Cohort.from_csv(path).check(require_images=False) == []


def test_unreadable_and_identical_pictures_need_reading(tmp_path):
    path = write_cohort(tmp_path, made_rows())
    images = tmp_path / "images"
    (images / "001.png").write_bytes(b"")
    (images / "002.png").write_bytes((images / "003.png").read_bytes()[:60])
    write_picture(images / "005.png", seed=0)
    write_picture(images / "006.png", seed=0)
    assert Cohort.from_csv(path).check() == []
    problems = Cohort.from_csv(path).check(read_images=True)
    assert [(problem.kind, problem.radiographs) for problem in problems] == [
        ("unreadable_image", ("001",)),
        ("unreadable_image", ("002",)),
        ("identical_images", ("005", "006")),
    ]


def test_everything_at_once(tmp_path):
    rows = made_rows()
    for number, (column, value) in enumerate(
        [("fn_bmd", "x"), ("fn_bmd", "-1"), ("fn_bmd", ""), ("fn_bmd", "900"), ("height", "1.7"), ("sex", "w")]
    ):
        rows[number][column] = value
    rows[7]["radiograph_id"] = rows[8]["radiograph_id"]
    kinds = {problem.kind for problem in problems_of(tmp_path, rows)}
    assert kinds >= {
        "duplicate_id",
        "not_a_number",
        "not_positive",
        "missing_target",
        "implausible_target",
        "implausible_value",
        "unknown_category",
    }
