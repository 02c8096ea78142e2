"""CT volumes as the images of a cohort: which file belongs to which row, and what is wrong with it."""

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from tests.data.volumes.made_scans import write_series
from tests.volume_cohorts import ROLES, tissue, write_volume, write_volumes
from xattn_bmd import Cohort
from xattn_bmd.config import ImageConfig
from xattn_bmd.data.cache import cached_images
from xattn_bmd.errors import CohortError, ConfigError

VOXELS = tissue((4, 32, 32))


def made_cohort(root, ids, **columns):
    people = [f"p{number}" for number in range(len(ids))]
    table = pd.DataFrame({"scan": ids, "person": people, "qct": 100.0, "age": 60, "sex": "male"} | columns)
    table.to_csv(root / "cohort.csv", index=False)
    roles = ROLES | ({"image": "file"} if "file" in columns else {})
    (root / "cohort.yaml").write_text(yaml.safe_dump(roles))
    (root / "images").mkdir(exist_ok=True)
    return root / "cohort.csv"


def kinds(cohort, **settings):
    problems = cohort.check(require_variation=False, **settings)
    return {problem.kind: problem.radiographs for problem in problems}


def picture(path):
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(path)


def test_nifti_files_and_folders_of_a_series_join_by_id(tmp_path):
    table = made_cohort(tmp_path, ["a", "b", "c", "1.2.3"])
    images = tmp_path / "images"
    write_volume(images / "a.nii.gz", VOXELS)
    write_volume(images / "b.nii", VOXELS + 1)
    write_series(images / "c")
    write_series(images / "1.2.3", prefix="deep")
    cohort = Cohort.from_csv(table)
    names = {name: path.name for name, path in cohort.images.paths.items()}
    assert names == {"a": "a.nii.gz", "b": "b.nii", "c": "c", "1.2.3": "1.2.3"}
    assert cohort.images.without_row == ()
    assert kinds(cohort) == {}


def test_names_in_a_column_are_files_or_folders(tmp_path):
    table = made_cohort(tmp_path, ["a", "b"], file=["north/one.nii.gz", "north/two"])
    (tmp_path / "images" / "north").mkdir()
    write_volume(tmp_path / "images" / "north" / "one.nii.gz", VOXELS)
    write_series(tmp_path / "images" / "north" / "two")
    cohort = Cohort.from_csv(table)
    assert kinds(cohort) == {}
    write_volume(tmp_path / "images" / "stray.nii.gz", VOXELS)
    assert [path.name for path in Cohort.from_csv(table).images.without_row] == ["stray.nii.gz"]


def test_every_fault_is_listed_at_once(tmp_path):
    table = made_cohort(tmp_path, ["a", "b", "c", "d"])
    images = tmp_path / "images"
    write_volume(images / "a.nii.gz", VOXELS)
    write_volume(images / "a.nii", VOXELS)
    write_volume(images / "b.nii.gz", VOXELS)
    write_volume(images / "stranger.nii.gz", VOXELS)
    picture(images / "d.png")
    found = kinds(Cohort.from_csv(table))
    assert found["several_images"] == ("a",)
    assert found["no_image"] == ("c",)
    assert found["mixed_images"] == ("b",)
    assert "no_row" in found


def test_nifti_masks_beside_radiographs_are_no_volumes(tmp_path):
    table = made_cohort(tmp_path, ["a", "b"])
    for name in ("a", "b"):
        picture(tmp_path / "images" / f"{name}.png")
        write_volume(tmp_path / "images" / f"{name}.nii.gz", VOXELS)
    cohort = Cohort.from_csv(table)
    assert {path.suffix for path in cohort.images.paths.values()} == {".png"}
    assert kinds(cohort) == {}


def test_a_folder_of_one_radiograph_is_no_volume(tmp_path):
    table = made_cohort(tmp_path, ["a"])
    (tmp_path / "images" / "a").mkdir()
    picture(tmp_path / "images" / "a" / "view.png")
    assert kinds(Cohort.from_csv(table))["no_image"] == ("a",)


def test_reading_finds_unreadable_volumes_and_one_scan_under_two_ids(tmp_path):
    table = made_cohort(tmp_path, ["a", "b", "c", "d"])
    images = tmp_path / "images"
    write_volume(images / "a.nii.gz", VOXELS + 5)
    write_volume(images / "b.nii", VOXELS + 5)
    (images / "c.nii.gz").write_bytes(b"no volume")
    write_series(images / "d", numbers=[0, 1, 3])
    found = kinds(Cohort.from_csv(table), read_images=True)
    assert found["identical_images"] == ("a", "b")
    with pytest.raises(CohortError, match=r"image of c cannot be used: [\s\S]*image of d cannot be used"):
        Cohort.from_csv(table).require_valid(read_images=True, require_variation=False)


@pytest.mark.parametrize("settings", [ImageConfig(size=32), ImageConfig(size=32, slices=8)])
def test_settings_for_the_other_kind_of_image_are_refused(tmp_path, settings):
    if settings.is_volume:
        picture(tmp_path / "a.png")
        paths = {"a": tmp_path / "a.png"}
        rule = "image.slices=8 is for CT volumes .* but a is a radiograph; set image.slices to 1"
    else:
        paths = Cohort.from_csv(write_volumes(tmp_path / "cohort", n=2)).image_paths
        rule = "image.slices is 1, .* ct_000, ct_001 each are a CT volume; set image.slices, image.spacing_mm"
    with pytest.raises(ConfigError, match=rule):
        cached_images(paths, image=settings, folder=tmp_path / "cache")
