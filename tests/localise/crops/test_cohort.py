"""Crops keep levels, orientation, spacing and patient; refusals."""

import io

import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image

from tests.localise.squares import COLUMNS, write_squares
from xattn_bmd import Cohort, FoldPlan, crop_cohort, read_radiograph
from xattn_bmd.data.folds import make_plan
from xattn_bmd.errors import ConfigError, LocaliseError
from xattn_bmd.localise.crops.field import crop_field
from xattn_bmd.localise.crops.file import crop_bytes, whole_levels
from xattn_bmd.types import Radiograph


@pytest.fixture
def squares(tmp_path):
    return write_squares(tmp_path / "cohort", pictures=5, patients=["p", "p", "q", "s", "t"])


def test_a_crop_is_that_part_of_the_radiograph(squares, tmp_path):
    cohort, boxes = squares
    crops = crop_cohort(cohort, boxes, out=tmp_path / "crops", margin=0.25)
    assert crops.radiograph_ids[:3] == ("r00_square_01", "r00_square_02", "r01_square_01")
    assert crops.patient_ids[:4] == ("p",) * 4
    assert crops.check(require_target=False, read_images=True) == []
    whole = read_radiograph(cohort.image_paths["r00"]).pixels
    box = boxes[boxes["radiograph_id"] == "r00"].sort_values("y0").iloc[0]
    row = crops.table.iloc[0]
    wide = whole.shape[1]
    more = 0.25 * (box["x1"] - box["x0"])
    assert float(row["crop_x0"]) == max(np.floor(box["x0"] - more), 0)
    assert float(row["crop_x1"]) == min(np.ceil(box["x1"] + more), wide)
    x0, y0, x1, y1 = (int(row[f"crop_{name}"]) for name in COLUMNS[2:])
    np.testing.assert_array_equal(read_radiograph(crops.image_paths["r00_square_01"]).pixels, whole[y0:y1, x0:x1])
    assert row["source_radiograph"] == "r00" and row["box_label"] == "square"


def test_no_patients_crops_are_on_two_sides_of_a_fold(squares, tmp_path):
    crops = crop_cohort(*squares, out=tmp_path / "crops")
    plan = make_plan(crops.radiograph_ids, patients=crops.patient_ids, target=np.arange(len(crops)).tolist(), folds=2)
    plan.check_fits(crops)
    for fold in range(2):
        split = plan.split(0, fold)
        of = dict(zip(crops.radiograph_ids, crops.patient_ids, strict=True))
        assert not {of[name] for name in split.test} & {of[name] for name in (*split.train, *split.validation)}
    leaking = {name: number % 2 for number, name in enumerate(crops.radiograph_ids)}
    validation = tuple((next(name for name in leaking if leaking[name] != fold),) for fold in range(2))
    with pytest.raises(Exception, match="A patient belongs to one part"):
        FoldPlan(of, (leaking,), (validation,)).check_fits(crops)


def test_spacing_and_levels_of_a_dicom_survive(tmp_path):
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 4096, size=(80, 60)).astype(np.uint16)
    suffix, content = crop_bytes(levels, spacing_mm=(0.148, 0.2), name="film")
    (tmp_path / "images").mkdir()
    header = pydicom.dcmread(io.BytesIO(content))
    assert [float(side) for side in header.PixelSpacing] == [0.148, 0.2]  # rows first
    # a film stored as a negative, turned by nothing but its display
    header.PhotometricInterpretation, header.PresentationLUTShape = "MONOCHROME1", "INVERSE"
    header.save_as(tmp_path / "images" / f"film{suffix}")
    (tmp_path / "cohort.csv").write_text("id,bmd\nfilm,0.8\n")
    (tmp_path / "cohort.yaml").write_text("id: id\npatient: id\ntarget: {column: bmd}\n")
    cohort = Cohort.from_csv(tmp_path / "cohort.csv")
    boxes = pd.DataFrame([["film", "femur", 10.0, 20.0, 50.0, 70.0]], columns=COLUMNS).assign(grade=2)
    crops = crop_cohort(cohort, boxes, out=tmp_path / "crops", margin=0.0)
    crop = read_radiograph(crops.image_paths["film_femur_01"])
    shown = read_radiograph(cohort.image_paths["film"]).pixels[20:70, 10:50]
    assert crop.spacing_mm == (0.148, 0.2)
    np.testing.assert_array_equal(crop.pixels, shown)
    assert crops.patient_ids == ("film",) and crops.targets.tolist() == [0.8]
    assert crops.table["grade"].tolist() == ["2"]


def test_levels_that_are_not_whole_share_one_straight_map():
    pixels = np.random.default_rng(0).normal(size=(40, 40)).astype(np.float32)
    levels = whole_levels(Radiograph(pixels, None, ()))
    assert levels.min() == 0 and levels.max() == 65535
    assert np.corrcoef(levels.ravel(), pixels.ravel())[0, 1] > 1 - 1e-9
    whole = np.rint(pixels * 100 + 1000)
    np.testing.assert_array_equal(whole_levels(Radiograph(whole, None, ())), whole)


def test_a_field_is_never_smaller_than_a_radiograph_nor_outside():
    rng = np.random.default_rng(0)
    for _ in range(300):
        shape = tuple(rng.integers(32, 90, size=2).tolist())
        low = rng.random(2) * np.array(shape[::-1])
        high = low + rng.random(2) * (np.array(shape[::-1]) - low)
        box = crop_field((*low, *high), margin=float(rng.random()), shape=shape)
        assert box.left >= 0 and box.right <= shape[1] and box.top >= 0 and box.bottom <= shape[0]
        assert min(box.shape) >= 32
        assert box.left <= low[0] and box.right >= high[0] and box.top <= low[1] and box.bottom >= high[1]


def test_a_radiograph_without_a_box(squares, tmp_path):
    cohort, boxes = squares
    some = boxes[boxes["radiograph_id"] != "r02"]
    with pytest.raises(LocaliseError, match="1 have none: r02"):
        crop_cohort(cohort, some, out=tmp_path / "crops")
    assert not (tmp_path / "crops").exists()
    with pytest.warns(UserWarning, match="r02"):
        crops = crop_cohort(cohort, some, out=tmp_path / "crops", on_problem="warn")
    assert set(crops.table["source_radiograph"]) == {"r00", "r01", "r03", "r04"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda boxes: boxes.assign(radiograph_id="other"), "other does not"),
        (lambda boxes: boxes.assign(x1=4000.0), "inside its radiograph"),
        (lambda boxes: boxes.assign(label="a/b"), "these cannot"),
        (lambda boxes: boxes.assign(person="x"), "person already"),
        (lambda boxes: pd.concat([boxes, boxes]), "overlap by at most"),
    ],
)
def test_refusals_leave_nothing_behind(squares, tmp_path, change, words):
    cohort, boxes = squares
    with pytest.raises(LocaliseError, match=words):
        crop_cohort(cohort, change(boxes), out=tmp_path / "crops")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cohort"]


def test_a_crop_without_content(squares, tmp_path):
    cohort, boxes = squares
    pixels = np.asarray(Image.open(cohort.image_paths["r00"])).copy()
    pixels[:60, :60] = 7
    Image.fromarray(pixels).save(cohort.image_paths["r00"])
    flat = pd.DataFrame([["r00", "square", 0.0, 0.0, 40.0, 40.0]], columns=COLUMNS)
    with pytest.raises(LocaliseError, match="more than one grey level, but r00_square_01"):
        crop_cohort(cohort, pd.concat([flat, boxes[boxes["radiograph_id"] != "r00"]]), out=tmp_path / "crops")


def test_settings_and_folder(squares, tmp_path):
    with pytest.raises(ConfigError, match="margin"):
        crop_cohort(*squares, out=tmp_path / "crops", margin=-0.1)
    with pytest.raises(LocaliseError, match="exists"):
        crop_cohort(*squares, out=tmp_path)
