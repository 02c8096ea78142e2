"""Masks lie where the picture's pixels lie, whatever reading did to the file; wrong ones are refused."""

import numpy as np
import pytest
from PIL import Image

from tests.cohorts import ROLES, write_cohort
from xattn_bmd import Cohort
from xattn_bmd.config import ImageConfig
from xattn_bmd.data.cache import cached_images
from xattn_bmd.data.datamodule import cohort_pictures
from xattn_bmd.errors import CohortError
from xattn_bmd.explanation.judge.masks import Masks, seen_masks
from xattn_bmd.simulate.cohort import simulate_cohort

SHAPE, SQUARE = (90, 150), (slice(30, 60), slice(12, 48))


@pytest.fixture
def planted(tmp_path):
    """A left and a right hip with a border, not square, and a white square at one place of the file; with its masks."""
    table = write_cohort(tmp_path, n=2, size=48)
    generator = np.random.default_rng(0)
    (tmp_path / "masks").mkdir()
    for name in ("hip_000", "hip_001"):
        pixels = np.zeros(SHAPE, dtype=np.uint16)
        pixels[6:84, 3:140] = 9000 + generator.integers(0, 9000, (78, 137))
        pixels[SQUARE] = 60000
        mask = np.zeros(SHAPE, dtype=np.uint8)
        mask[SQUARE] = 1
        Image.fromarray(pixels).save(tmp_path / "images" / f"{name}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{name}.png")
    return Cohort.from_csv(table, images=tmp_path / "images"), tmp_path / "masks"


@pytest.mark.parametrize("crop", ["border", "none"])
def test_a_planted_square_and_its_mask_stay_together(planted, tmp_path, crop):
    cohort, folder = planted
    assert cohort.sides == ("L", "R") and ROLES["side"] == "side"
    image = ImageConfig(size=64, crop=crop)
    opened = cached_images(cohort.image_paths, image=image, folder=tmp_path / "cache")
    seen = cohort_pictures(cohort, opened).take(np.arange(2))[:, 0].numpy()
    found = seen_masks(Masks.open(folder, radiograph_ids=cohort.radiograph_ids), cohort, image=image)
    white, inside = seen > 0.8, found["mask"] > 0.5
    assert inside.sum() > 50 and (white & inside).sum() / (white | inside).sum() > 0.9
    assert inside[0, :, :32].sum() > inside[0, :, 32:].sum() and inside[1, :, 32:].sum() > inside[1, :, :32].sum()
    np.testing.assert_allclose(found["mask"] + found["background"], found["field"], atol=1e-5)
    assert (seen[found["field"] == 0] == 0).all() and 0 < (found["field"] == 0).mean() < 0.6


def test_truth_of_a_simulated_cohort_is_found_and_lies_on_bone(tmp_path):
    table = simulate_cohort(tmp_path, n=2, size=64, workers=1)
    cohort = Cohort.from_csv(table, images=tmp_path / "images")
    masks = Masks.open(tmp_path / "truth", radiograph_ids=cohort.radiograph_ids)
    found = seen_masks(masks, cohort, image=ImageConfig(size=64))
    assert set(found) == {"neck", "femur", "pelvis", "background", "field"}
    areas = {name: mask.mean() for name, mask in found.items()}
    assert 0 < areas["neck"] < areas["femur"] < areas["field"] <= 1


def test_regions_are_folders_of_the_masks(planted):
    cohort, folder = planted
    for region in ("femur", "cup"):
        (folder.parent / "own" / region).mkdir(parents=True)
        for path in folder.glob("*.png"):
            (folder.parent / "own" / region / path.name).write_bytes(path.read_bytes())
    assert Masks.open(folder.parent / "own", radiograph_ids=cohort.radiograph_ids).regions == ("cup", "femur")


def test_wrong_masks_are_refused_in_one_sentence(planted):
    cohort, folder = planted
    with pytest.raises(CohortError, match=r"under its own id, but elsewhere has none in"):
        Masks.open(folder, radiograph_ids=["hip_000", "elsewhere"])
    with pytest.raises(CohortError, match=r"holds ID.npz, ID.png or REGION/ID.png, but"):
        Masks.open(folder / "nothing", radiograph_ids=["hip_000"])
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(folder / "hip_001.png")
    masks = Masks.open(folder, radiograph_ids=cohort.radiograph_ids)
    with pytest.raises(CohortError, match=r"mask of hip_001 has 9 x 9 pixels and the radiograph 90 x 150"):
        seen_masks(masks, cohort, image=ImageConfig(size=64))
    (folder / "hip_001.png").write_bytes(b"no picture")
    with pytest.raises(CohortError, match=r"intact PNG file, but hip_001.png is not readable"):
        seen_masks(masks, cohort, image=ImageConfig(size=64))
