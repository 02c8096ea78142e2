"""PNG, NIfTI and truth give the same mask; whatever is doubtful is refused in one sentence."""

import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as drawings
from PIL import Image

from tests.data.masks.drawn import SHAPE, drawn
from xattn_bmd.data.masks.read import read_mask
from xattn_bmd.errors import CohortError, SimulationError
from xattn_bmd.simulate.cohort import simulate_cohort
from xattn_bmd.simulate.truth import load_truth

MASK = drawn(1) > 0


def _png(folder: Path, levels, name: str = "a.png", **options) -> Path:
    (levels if isinstance(levels, Image.Image) else Image.fromarray(levels)).save(folder / name, **options)
    return folder / name


def _nifti(folder: Path, levels, name: str = "a.nii.gz") -> Path:
    nib.save(nib.Nifti1Image(levels, np.diag([-1.0, -1.0, 1.0, 1.0])), folder / name)
    return folder / name


def _truth(folder: Path, mask) -> Path:
    np.savez(folder / "a.npz", shape=np.array(mask.shape), neck=np.packbits(mask))
    return folder / "a.npz"


def _painted(mask, inside, outside) -> Image.Image:
    return Image.fromarray(np.where(mask[..., None], np.uint8(inside), np.uint8(outside)))


PNGS = {
    "0 and 255": drawn(1),
    "0 and 1": (drawn(1) > 0).astype(np.uint8),
    "16 bits": drawn(1).astype(np.uint16) * 257,
    "one bit": Image.fromarray(MASK),
    "palette": Image.fromarray(drawn(1)).convert("P"),
    "colour": _painted(MASK, [255, 0, 0], [0, 0, 0]),
    "transparent outside": _painted(MASK, [255, 255, 255, 255], [255, 255, 255, 0]),
    "grey with alpha": Image.fromarray(drawn(1)).convert("LA"),
}


@pytest.mark.parametrize("kind", sorted(PNGS))
def test_every_kind_of_png_is_the_mask_that_was_drawn(tmp_path, kind):
    np.testing.assert_array_equal(read_mask(_png(tmp_path, PNGS[kind]), shape=SHAPE), MASK)


def test_a_png_that_says_it_lies_on_its_side_is_turned_as_it_is_shown(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    path = _png(tmp_path, np.rot90(drawn(1)).copy(), exif=exif)
    np.testing.assert_array_equal(read_mask(path, shape=SHAPE), MASK)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.NII.GZ"])
@pytest.mark.parametrize("slices", [(), (1,), (1, 1)])
def test_a_nifti_has_columns_first_and_may_have_one_slice(tmp_path, name, slices):
    stored = np.ascontiguousarray(MASK.T).astype(np.uint8).reshape(*MASK.T.shape, *slices)
    assert stored[30, 40].all() == MASK[40, 30]
    path = _nifti(tmp_path, stored, name.lower()).rename(tmp_path / name)
    np.testing.assert_array_equal(read_mask(path, shape=SHAPE), MASK)


def test_the_affine_of_a_nifti_moves_nothing(tmp_path):
    nib.save(nib.Nifti1Image(MASK.T.astype(np.float32), np.diag([3.0, -2.0, 1.0, 1.0])), tmp_path / "a.nii")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.nii", shape=SHAPE), MASK)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mask=drawings.arrays(np.bool_, st.tuples(st.integers(2, 20), st.integers(2, 20))))
def test_all_three_files_hold_the_same(tmp_path, mask):
    mask[0, 0], mask[-1, -1] = True, False
    paths = _png(tmp_path, mask), _nifti(tmp_path, mask.T.astype(np.uint8)), _truth(tmp_path, mask)
    for path in paths:
        region = "neck" if path.suffix == ".npz" else None
        np.testing.assert_array_equal(read_mask(path, shape=mask.shape, region=region), mask)


def test_the_truth_of_a_simulation_is_read_as_the_simulation_reads_it(tmp_path):
    simulate_cohort(tmp_path, n=1, size=64, workers=1)
    (path,) = (tmp_path / "truth").glob("*.npz")
    truth = load_truth(path)
    for region in ("neck", "femur"):
        found = read_mask(path, shape=truth.neck.shape, region=region)
        np.testing.assert_array_equal(found, getattr(truth, region))


def _soft(levels):
    levels = levels.copy()
    top, left = np.argwhere(levels)[0]
    levels[top, left : left + 12] = range(20, 260, 20)
    return levels


def test_a_soft_edge_belongs_to_the_mask(tmp_path):
    np.testing.assert_array_equal(read_mask(_png(tmp_path, _soft(drawn(1))), shape=SHAPE), MASK)


def _labels(*values):
    levels = np.zeros(SHAPE, dtype=np.uint8)
    for position, value in enumerate(values):
        levels[10:40, 20 * position : 20 * position + 15] = value
    return levels


BAD_LEVELS = {
    "of another size": (np.eye(40, dtype=np.uint8), "a.png has 40 x 40 pixels and the radiograph 90 x 150"),
    "empty": (np.zeros(SHAPE, np.uint8), "a.png marks none; draw it, or delete the file: a missing mask is allowed"),
    "full": (np.full(SHAPE, 255, np.uint8), "a.png marks every pixel; is it inverted"),
    "labels": (_labels(1, 2, 3), "a.png holds the labels 1, 2, 3; save each structure"),
    "grey labels": (_labels(85, 170, 255), "a.png holds the labels 85, 170, 255;"),
    "two labels everywhere": (np.where(MASK, 2, 1).astype(np.uint8), "a.png holds the labels 1, 2;"),
    "colour labels": (_painted(MASK, [0, 0, 200], [200, 0, 0]), "a.png holds the labels 200, #c80000;"),
}


@pytest.mark.parametrize("fault", sorted(BAD_LEVELS))
def test_a_doubtful_png_is_refused_in_one_sentence(tmp_path, fault):
    levels, words = BAD_LEVELS[fault]
    with pytest.raises(CohortError, match=words):
        read_mask(_png(tmp_path, levels), shape=SHAPE)


BAD_NIFTI = {
    "axes exchanged": (MASK.astype(np.uint8), r"a.nii.gz has 150 x 90 pixels .* 90 x 150; write its axes as x, y"),
    "slices": (np.zeros((*SHAPE[::-1], 3), np.uint8), "is one slice, but a.nii.gz has 150 x 90 x 3 voxels"),
    "a line": (np.ones(5, np.uint8), "is one slice, but a.nii.gz has 5 voxels"),
    "shares": (MASK.T * np.float32(0.4), "a.nii.gz holds shares between them; cut it at a threshold"),
    "not numbers": (np.where(MASK.T, np.float32("nan"), np.float32(0)), "holds shares"),
}


@pytest.mark.parametrize("fault", sorted(BAD_NIFTI))
def test_a_doubtful_nifti_is_refused_in_one_sentence(tmp_path, fault):
    levels, words = BAD_NIFTI[fault]
    with pytest.raises(CohortError, match=words):
        read_mask(_nifti(tmp_path, levels), shape=SHAPE)


@pytest.mark.parametrize("name", ["a.png", "a.nii", "a.nii.gz"])
@pytest.mark.parametrize("spoil", [lambda data: b"", lambda data: b"no picture", lambda data: data[: len(data) // 2]])
def test_a_damaged_file_is_named(tmp_path, name, spoil):
    path = _png(tmp_path, drawn(1)) if name == "a.png" else _nifti(tmp_path, drawn(1).T.copy(), name)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(CohortError, match=rf"intact (PNG|NIfTI) file, but {name} is not readable"):
        read_mask(path, shape=SHAPE)


def test_damaged_truth_is_named(tmp_path):
    path = _truth(tmp_path, MASK)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(SimulationError, match=r"a\.npz is not readable"):
        read_mask(path, shape=SHAPE, region="neck")


def test_without_nibabel_the_extra_is_named(tmp_path, monkeypatch):
    path = _nifti(tmp_path, drawn(1).T.copy())
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(CohortError, match=r"pip install 'xattn-bmd\[nifti\]', or save the masks as PNG"):
        read_mask(path, shape=SHAPE)
