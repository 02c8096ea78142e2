"""Every fault of the masks is listed at once, one sentence each, beside those of the table and the pictures."""

import shutil

import numpy as np
import pytest
from PIL import Image

from tests.data.masks.drawn import SHAPE, drawn_cohort
from xattn_bmd import Cohort
from xattn_bmd.cli import main
from xattn_bmd.errors import CohortError


@pytest.fixture
def root(tmp_path):
    drawn_cohort(tmp_path, n=24)
    return tmp_path


def _found(root, *, masks="masks", read=True, **options):
    cohort = Cohort.from_csv(root / "cohort.csv", masks=root / masks)
    return {problem.kind: problem for problem in cohort.check(read_images=read, **options) if "mask" in problem.kind}


def _save(root, name, levels):
    Image.fromarray(np.asarray(levels, dtype=np.uint8)).save(root / "masks" / f"{name}.png")


def test_sound_masks_have_no_problem(root):
    assert _found(root) == {}


def test_a_missing_mask_and_a_stranger_are_told_of_and_allowed(root):
    (root / "masks" / "hip_004.png").rename(root / "masks" / "stranger.png")
    found = _found(root)
    assert set(found) == {"no_mask", "mask_without_row"}
    assert {problem.severity for problem in found.values()} == {"warning"}
    assert found["no_mask"].radiographs == ("hip_004",) and "1 have none: hip_004" in found["no_mask"].message
    assert "1 file(s) do not: stranger.png" in found["mask_without_row"].message
    Cohort.from_csv(root / "cohort.csv", masks=root / "masks").require_valid(read_images=True)


def test_all_faults_come_at_once(root):
    labels = np.zeros(SHAPE)
    labels[10:30, 10:30], labels[40:60, 10:30] = 1, 2
    _save(root, "hip_000", np.eye(40))
    _save(root, "hip_001", np.zeros(SHAPE))
    _save(root, "hip_002", np.ones(SHAPE))
    _save(root, "hip_003", labels)
    (root / "masks" / "hip_004.png").write_bytes(b"")
    (root / "masks" / "second").mkdir()
    shutil.copyfile(root / "masks" / "hip_006.png", root / "masks" / "second" / "hip_006.png")
    with pytest.raises(CohortError, match=r"has 6 problem\(s\)") as caught:
        Cohort.from_csv(root / "cohort.csv", masks=root / "masks").require_valid(read_images=True)
    for words in (
        "A radiograph has one mask, but hip_006 has 2 (hip_006.png, second/hip_006.png); keep one",
        "The mask of hip_000 cannot be used: A mask has the size of its radiograph's file, but hip_000.png has 40 x 40",
        "The mask of hip_001 cannot be used: A mask marks at least one pixel",
        "The mask of hip_002 cannot be used: A mask leaves part of its radiograph outside",
        "The mask of hip_003 cannot be used: A mask shows one structure, but hip_003.png holds the labels 1, 2;",
        "The mask of hip_004 cannot be used: A mask is an intact PNG file",
    ):
        assert words in str(caught.value)


def test_only_the_join_is_looked_at_where_nothing_is_read(root):
    _save(root, "hip_001", np.zeros(SHAPE))
    assert _found(root, read=False) == {} and set(_found(root)) == {"unusable_mask"}


def test_a_folder_that_fits_no_row_is_an_error(root):
    for path in list((root / "masks").iterdir()):
        path.rename(path.with_name(f"mask_{path.name}"))
    found = _found(root)
    assert set(found) == {"no_mask_matches"} and found["no_mask_matches"].severity == "error"
    assert "it holds mask_hip_000, mask_hip_001" in found["no_mask_matches"].message
    (root / "nothing").mkdir()
    assert (
        "it holds no PNG or NIfTI file and the table hip_000"
        in _found(root, masks="nothing")["no_mask_matches"].message
    )


def test_a_folder_that_does_not_exist_is_an_error(root):
    found = _found(root, masks="typo")
    assert set(found) == {"no_mask_folder"} and "typo is neither; mend the path" in found["no_mask_folder"].message


def test_prediction_needs_no_masks(root):
    assert _found(root, masks="typo", require_target=False) == {}


def _run(root, *command):
    images, masks = root / "images", root / "masks"
    return main([command[0], str(root / "cohort.csv"), "--images", str(images), "--masks", str(masks), *command[1:]])


def test_the_command_checks_masks(root, capsys):
    (root / "masks" / "hip_004.png").unlink()
    assert _run(root, "check") in (None, 0)
    assert "note: A mask head learns" in capsys.readouterr().out
    _save(root, "hip_005", np.zeros(SHAPE))
    assert _run(root, "check") == 2
    assert "The mask of hip_005 cannot be used" in capsys.readouterr().err


def test_a_comparison_refuses_masks_that_join_nothing(root, capsys):
    shutil.rmtree(root / "masks")
    assert _run(root, "compare", "--out", str(root / "RUN"), "--models", "ridge") == 2
    assert "masks names an existing folder" in capsys.readouterr().err and not (root / "RUN").exists()
