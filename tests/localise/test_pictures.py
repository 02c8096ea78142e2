"""Pictures of the detector keep their shape, and boxes find their way there and back."""

import numpy as np
import pytest
from PIL import Image

from tests.localise.squares import write_squares
from xattn_bmd import picture_sizes
from xattn_bmd.localise.crops.file import crop_bytes
from xattn_bmd.localise.pictures import see_radiograph


def test_there_and_back(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 60000, size=(200, 90)).astype(np.uint16)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    seen = see_radiograph(tmp_path / "a.png", size=100)
    assert seen.tensor().shape == (1, 100, 45) and seen.shape == (200, 90)
    boxes = np.array([[0.0, 0, 90, 200], [10, 20, 30, 40]])
    np.testing.assert_allclose(seen.seen(boxes), boxes / 2)
    np.testing.assert_allclose(seen.in_radiograph(seen.seen(boxes)), boxes)
    np.testing.assert_allclose(seen.in_radiograph(np.array([[-5.0, -5, 99, 300]])), [[0, 0, 90, 200]])


def test_pixels_that_are_not_square_in_mm_are_made_so(tmp_path):
    levels = np.random.default_rng(0).integers(0, 4000, size=(100, 100)).astype(np.uint16)
    suffix, content = crop_bytes(levels, spacing_mm=(0.4, 0.2), name="a")
    (tmp_path / f"a{suffix}").write_bytes(content)
    seen = see_radiograph(tmp_path / f"a{suffix}", size=80)
    assert seen.pixels.shape == (80, 40)
    np.testing.assert_allclose(seen.seen(np.array([[50.0, 50, 100, 100]])), [[20, 40, 40, 80]])


def test_a_bright_square_is_where_its_box_says(tmp_path):
    cohort, boxes = write_squares(tmp_path / "c", pictures=1, each=1)
    seen = see_radiograph(cohort.image_paths["r00"], size=64)
    x0, y0, x1, y1 = seen.seen(boxes[["x0", "y0", "x1", "y1"]].to_numpy())[0]
    inside = seen.pixels[round(y0) + 1 : round(y1) - 1, round(x0) + 1 : round(x1) - 1]
    assert inside.min() > 40000 and np.median(seen.pixels) < 20000
    assert picture_sizes(cohort) == {"r00": (128, 96)}


def test_sizes_are_those_of_the_radiograph_as_displayed(tmp_path):
    cohort, _ = write_squares(tmp_path / "c", pictures=1, each=1)
    path = cohort.image_paths["r00"]
    picture = Image.fromarray((np.asarray(Image.open(path)) // 256).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    path.unlink()
    picture.save(path.with_suffix(".jpg"), exif=exif)
    turned = type(cohort).from_csv(tmp_path / "c" / "cohort.csv")
    assert picture_sizes(turned) == {"r00": (96, 128)}
    assert pytest.approx(see_radiograph(turned.image_paths["r00"], size=64).scale) == (2, 2)
