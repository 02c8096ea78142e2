"""Masks are placed once, beside the pictures; nothing old, half-written or damaged is ever opened."""

import logging
import pickle  # noqa: TID251
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.masks.drawn import SHAPE, drawn, drawn_cohort
from xattn_bmd import Cohort
from xattn_bmd.config import ImageConfig
from xattn_bmd.data.cache import cached_images
from xattn_bmd.data.masks import opened, stored
from xattn_bmd.data.masks.opened import CohortMasks, cohort_masks
from xattn_bmd.errors import CacheError, CohortError

IMAGE = ImageConfig(size=64)


def _opened(cohort, root, *, image=IMAGE) -> CohortMasks:
    cache = cached_images(cohort.image_paths, image=image, folder=root / "cache")
    return cohort_masks(cohort, cache, image=image, folder=root / "cache")


def _forbid(monkeypatch, *names):
    for name in names:
        monkeypatch.setattr(stored, name, lambda *args, name=name, **kwargs: pytest.fail(f"{name} was called"))


def test_a_second_run_reads_no_mask_and_no_radiograph(tmp_path, monkeypatch):
    cohort = drawn_cohort(tmp_path, without=(2,))
    first = np.array(_opened(cohort, tmp_path).placed)
    _forbid(monkeypatch, "read_mask", "read_radiograph")
    again = _opened(cohort, tmp_path)
    np.testing.assert_array_equal(again.placed, first)
    assert first.dtype == np.uint8 and set(np.unique(first)) == {0, 1} and not again.placed.flags.writeable
    assert again.has_mask.tolist() == [True, True, False, True, True, True] and not first[2].any()
    assert all(first[row].any() for row in (0, 1, 3, 4, 5))


def test_an_edited_mask_is_placed_again_without_decoding_a_radiograph(tmp_path, monkeypatch):
    cohort = drawn_cohort(tmp_path, n=3)
    before = _opened(cohort, tmp_path)
    old, digest = np.array(before.placed), before.digest
    Image.fromarray(drawn(4)).save(tmp_path / "masks" / "hip_001.png")
    _forbid(monkeypatch, "read_radiograph")
    after = _opened(cohort, tmp_path)
    changed = [bool((after.placed[row] != old[row]).any()) for row in range(3)]
    assert changed == [False, True, False] and after.digest != digest


def test_a_cache_that_knows_no_frame_gives_the_same_masks(tmp_path):
    cohort = drawn_cohort(tmp_path, n=3)
    cache = cached_images(cohort.image_paths, image=IMAGE, folder=tmp_path / "cache")
    older = replace(cache, placements=dict.fromkeys(cache.ids))
    expected = np.array(cohort_masks(cohort, cache, image=IMAGE, folder=tmp_path / "cache").placed)
    shutil.rmtree(next((tmp_path / "cache").glob("*/masks")))
    found = cohort_masks(cohort, older, image=IMAGE, folder=tmp_path / "cache").placed
    np.testing.assert_array_equal(found, expected)


def test_the_digest_knows_content_and_id_but_no_place_nor_order(tmp_path):
    cohort = drawn_cohort(tmp_path, n=3)
    digest = _opened(cohort, tmp_path).digest
    shutil.copytree(tmp_path / "masks", tmp_path / "moved" / "deeper")
    moved = Cohort.from_csv(tmp_path / "cohort.csv", masks=tmp_path / "moved")
    assert _opened(moved, tmp_path).digest == digest
    (tmp_path / "moved" / "deeper" / "hip_002.png").unlink()
    fewer = Cohort.from_csv(tmp_path / "cohort.csv", masks=tmp_path / "moved")
    assert _opened(fewer, tmp_path).digest != digest
    for old, new in (("hip_000", "x"), ("hip_001", "hip_000"), ("x", "hip_001")):
        (tmp_path / "masks" / f"{old}.png").rename(tmp_path / "masks" / f"{new}.png")
    assert _opened(cohort, tmp_path).digest != digest


DAMAGE = {
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "empty": lambda path: path.write_bytes(b""),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "no array": lambda path: path.write_bytes(b"no array at all" * 99),
    "another shape": lambda path: np.save(path, np.zeros((2, 64, 64), np.uint8)),
    "another type": lambda path: np.save(path, np.zeros((3, 64, 64), np.int8)),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", sorted(DAMAGE))
def test_damaged_masks_are_noticed_and_made_again(tmp_path, caplog, damage):
    cohort = drawn_cohort(tmp_path, n=3)
    expected = np.array(_opened(cohort, tmp_path).placed)
    (file,) = (tmp_path / "cache").glob("*/masks/*/masks.npy")
    DAMAGE[damage](file)
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(_opened(cohort, tmp_path).placed, expected)
    assert "are damaged" in caplog.text and len(list(file.parent.parent.iterdir())) == 1


def test_all_unusable_masks_are_listed_and_nothing_half_written_is_left(tmp_path):
    cohort = drawn_cohort(tmp_path)
    Image.fromarray(np.zeros(SHAPE, np.uint8)).save(tmp_path / "masks" / "hip_001.png")
    (tmp_path / "masks" / "hip_003.png").write_bytes(b"")
    Image.fromarray(np.eye(40, dtype=np.uint8)).save(tmp_path / "masks" / "hip_005.png")
    with pytest.raises(CohortError, match="3 of 6 cannot be used; mend or delete them") as caught:
        _ = _opened(cohort, tmp_path).placed
    for words in ("- hip_001: A mask marks", "- hip_003: A mask is an intact", "- hip_005: A mask has the size"):
        assert words in str(caught.value)
    assert not list((tmp_path / "cache").glob("*/masks/*"))


def test_a_mask_that_is_cut_away_or_too_thin_is_refused(tmp_path):
    cohort = drawn_cohort(tmp_path, n=2)
    border, thin = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    border[:4], thin[40, 20:120] = 1, 1
    Image.fromarray(border).save(tmp_path / "masks" / "hip_000.png")
    Image.fromarray(thin).save(tmp_path / "masks" / "hip_001.png")
    with pytest.raises(CohortError, match=r"nothing of hip_000.png is left .* resizing to 64 pixels") as caught:
        _ = _opened(cohort, tmp_path).placed
    assert "nothing of hip_001.png is left" in str(caught.value)
    assert _opened(cohort, tmp_path, image=ImageConfig(size=160, crop="none")).placed[0].any()


def test_faults_of_the_join_are_told_of_before_a_mask_is_read(tmp_path):
    drawn_cohort(tmp_path, n=2)
    (tmp_path / "masks" / "more").mkdir()
    shutil.copyfile(tmp_path / "masks" / "hip_000.png", tmp_path / "masks" / "more" / "hip_000.png")
    table = tmp_path / "cohort.csv"
    with pytest.raises(CohortError, match=r"hip_000 has 2 \(hip_000.png, more/hip_000.png\); keep one"):
        _ = _opened(Cohort.from_csv(table, masks=tmp_path / "masks"), tmp_path).placed
    with pytest.raises(CohortError, match="masks names an existing folder"):
        _ = _opened(Cohort.from_csv(table, masks=tmp_path / "typo"), tmp_path).placed


def test_other_pictures_have_other_masks(tmp_path):
    cohort = drawn_cohort(tmp_path, n=2)
    small, large = (_opened(cohort, tmp_path, image=ImageConfig(size=size)).placed for size in (32, 64))
    assert small.shape == (2, 32, 32) and large.shape == (2, 64, 64)
    whole = _opened(cohort, tmp_path, image=ImageConfig(size=64, crop="none")).placed
    assert (whole != large).any()


def test_masks_travel_to_another_process_by_the_names_of_their_files(tmp_path, monkeypatch):
    cohort = drawn_cohort(tmp_path, n=3, without=(1,))
    masks = _opened(cohort, tmp_path)
    row, cpu = torch.tensor([2, 1, 0]), torch.device("cpu")
    mask, known = masks.take(row, cpu)
    sent = pickle.dumps(masks)
    assert len(sent) < 64 * 64
    monkeypatch.setattr(opened, "cohort_masks", None)
    _forbid(monkeypatch, "read_mask")
    other_mask, other_known = pickle.loads(sent).take(row, cpu)
    assert torch.equal(mask, other_mask) and known.tolist() == other_known.tolist() == [True, False, True]


def test_threads_placing_at_once_agree(tmp_path):
    cohort = drawn_cohort(tmp_path)
    cached_images(cohort.image_paths, image=IMAGE, folder=tmp_path / "cache")
    with ThreadPoolExecutor(4) as pool:
        each = list(pool.map(lambda _: np.array(_opened(cohort, tmp_path).placed), range(4)))
    for one in each[1:]:
        np.testing.assert_array_equal(one, each[0])
    assert len(list((tmp_path / "cache").glob("*/masks/*"))) == 1


def test_a_full_disk_is_a_cache_error_and_leaves_nothing(tmp_path, monkeypatch):
    cohort = drawn_cohort(tmp_path, n=2)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    masks = _opened(cohort, tmp_path)
    monkeypatch.setattr(stored.os, "fsync", full)
    with pytest.raises(CacheError, match="free disk space"):
        _ = masks.placed
    assert not list((tmp_path / "cache").glob("*/masks/*"))
