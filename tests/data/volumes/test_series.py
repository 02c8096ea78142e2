"""DICOM series that can be read: whatever the order, storage or direction, each voxel has its point's HU."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import JPEG2000Lossless, RLELossless

from tests.data.volumes.made_scans import SECRET, SERIES, expected, write_series
from xattn_bmd import Volume, read_volume
from xattn_bmd.data.volumes.series import find_series
from xattn_bmd.data.volumes.stack import stacked

DIRECTIONS = [np.eye(3)[axis] * sign for axis in range(3) for sign in (1, -1)]
PLANES = [(a, b) for a, b in itertools.permutations(DIRECTIONS, 2) if abs(a @ b) == 0]


def _is_right(volume):
    assert isinstance(volume, Volume)
    assert volume.orientation == ("I", "P", "L")
    assert volume.voxels.dtype == np.float32 and volume.voxels.flags.c_contiguous
    np.testing.assert_allclose(np.linalg.norm(volume.affine[:3, :3], axis=0), volume.spacing_mm)
    np.testing.assert_array_equal(volume.voxels, expected(volume))


def test_an_axial_series_lies_head_to_feet_front_to_back_right_to_left(tmp_path):
    volume = read_volume(write_series(tmp_path / "scan"))
    _is_right(volume)
    assert volume.voxels.shape == (7, 6, 5) and volume.spacing_mm == (3.0, 2.0, 1.0)
    # the first slice is the one nearest to the head, its first voxel the front right one
    np.testing.assert_array_equal(volume.affine[:3, 3], [1 - 2, 2 - 6, 3 * 3])
    assert any("7 slices sorted by position, 3 mm apart" in step for step in volume.steps)
    assert "120 kVp, kernel Br38f" in volume.steps
    assert SECRET not in " ".join(volume.steps)


@pytest.mark.parametrize(
    "settings_",
    [
        {"step": (0, 0, -3.0)},
        {"numbers": [6, 2, 0, 5, 1, 4, 3]},
        {"signed": True, "intercept": 0.0},
        {"signed": True, "intercept": -24.0},
        {"slope": 0.5, "intercept": -2000.0},
    ],
    ids=["feet first", "files written in another order", "signed", "signed with intercept", "slope"],
)
def test_order_and_storage_do_not_matter(tmp_path, settings_):
    _is_right(read_volume(write_series(tmp_path / "scan", **settings_)))


@pytest.mark.parametrize(("right", "down"), PLANES)
def test_every_plane_and_direction_gives_the_same_order(tmp_path, right, down):
    step = 3.0 * np.cross(right, down)
    _is_right(read_volume(write_series(tmp_path / "scan", right=right, down=down, step=step, numbers=range(4))))


@given(st.permutations(range(7)), st.integers(0, 23), st.booleans())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_permutation_of_the_files_is_the_same_stack(tmp_path, order, plane, turn):
    right, down = PLANES[plane]
    normal = np.cross(right, down)
    folder = tmp_path / f"{hash((tuple(order), plane, turn))}"
    write_series(folder, right=right, down=down, step=(-3.0 if turn else 3.0) * normal)
    slices = find_series(folder, series=None).slices
    stack = stacked([slices[i] for i in order], name="scan")
    heights = [header.position @ normal for header in stack.slices]
    np.testing.assert_allclose(np.diff(heights), 3.0)
    np.testing.assert_allclose(stack.affine[:3, 0], 3.0 * normal)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless], ids=lambda syntax: syntax.name)
def test_compressed_slices(tmp_path, syntax):
    volume = read_volume(
        write_series(
            tmp_path / "scan", shape=(32, 32), spacing=(1.0, 1.0), change=lambda slice_, _: slice_.compress(syntax)
        )
    )
    _is_right(volume)
    assert any(syntax.name in step for step in volume.steps)


def test_an_oblique_scan_keeps_its_voxels_and_its_exact_place(tmp_path):
    c, s = np.cos(np.radians(15)), np.sin(np.radians(15))
    right, down = (1, 0, 0), (0, c, s)
    volume = read_volume(write_series(tmp_path / "scan", right=right, down=down, step=3 * np.cross(right, down)))
    np.testing.assert_allclose(volume.voxels, expected(volume), atol=0.51)  # stored as whole numbers
    assert volume.orientation == ("I", "P", "L")
    assert any("15 degrees" in step for step in volume.steps)


@pytest.mark.parametrize("signed", [False, True])
def test_padding_becomes_air_and_does_not_count_as_measured(tmp_path, signed):
    mark = -2000 if signed else 65000

    def pad(dataset, _):
        stored = np.frombuffer(dataset.PixelData, dtype=np.int16 if signed else np.uint16).copy()
        stored[:2] = mark
        dataset.PixelData = stored.tobytes()
        # some scanners declare a negative mark as an unsigned number
        dataset.add_new("PixelPaddingValue", "US", mark % 65536)

    # the signed mark would read -1000 HU: only the header tells that nothing was measured there
    intercept = 1000.0 if signed else -1024.0
    volume = read_volume(write_series(tmp_path / "scan", signed=signed, intercept=intercept, change=pad))
    assert (volume.voxels[:, 0, :2] == -1024).all()
    np.testing.assert_array_equal(volume.voxels[:, 1:], expected(volume)[:, 1:])
    assert any(step.startswith(f"{7 * 2} of {7 * 30} voxels are padding") for step in volume.steps)


def test_undeclared_marks_below_the_scale_become_air(tmp_path):
    def mark(dataset, _):
        stored = np.frombuffer(dataset.PixelData, dtype=np.int16).copy()
        stored[0] = -3024
        dataset.PixelData = stored.tobytes()

    volume = read_volume(write_series(tmp_path / "scan", signed=True, intercept=0.0, change=mark))
    assert (volume.voxels[:, 0, 0] == -1024).all()


def test_other_series_scouts_copies_and_reports_are_left_out_and_said(tmp_path):
    folder = write_series(tmp_path / "scan")

    def scout(dataset, _):
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    write_series(folder, prefix="scout", numbers=[0], change=scout, shape=(20, 3))
    (folder / "copy.dcm").write_bytes((folder / "s05.dcm").read_bytes())
    (folder / "notes.txt").write_text("nothing to see, but long enough to hold a header " * 10)
    (folder / ".hidden").write_text("")

    def pet(dataset, _):
        dataset.Modality, dataset.SeriesInstanceUID = "PT", "1.2.826.7.3"

    write_series(folder, prefix="pet", numbers=range(2), change=pet)
    volume = read_volume(folder)
    _is_right(volume)
    assert volume.steps[:3] == (
        "3 files of the folder left out: other series, or no images",
        "1 scout views (localizers) left out",
        "1 files left out that repeat another byte for byte",
    )


def _two_series(folder):
    def other(dataset, number):
        dataset.SeriesInstanceUID, dataset.ConvolutionKernel = "1.2.826.7.2", "Br64f"

    write_series(folder)
    return write_series(folder, prefix="t", numbers=range(4), change=other, slope=0.5)


def test_one_of_several_series_is_named_by_argument_or_by_a_file(tmp_path):
    folder = _two_series(tmp_path / "scan")
    assert read_volume(folder, series=SERIES).voxels.shape[0] == 7
    assert read_volume(folder, series="1.2.826.7.2").voxels.shape[0] == 4
    assert read_volume(folder / "t05.dcm").voxels.shape[0] == 4
    assert read_volume(folder / "s05.dcm").voxels.shape[0] == 7


def test_files_without_preamble_are_read(tmp_path):
    folder = write_series(tmp_path / "scan")
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes()[132:])
    _is_right(read_volume(folder))


def test_series_without_a_uid_are_one_series(tmp_path):
    _is_right(read_volume(write_series(tmp_path / "scan", change=lambda d, _: d.__setattr__("SeriesInstanceUID", ""))))


def test_reading_holds_the_volume_and_little_more(tmp_path):
    scan = write_series(
        tmp_path / "scan", shape=(192, 192), spacing=(0.0625, 0.0625), step=(0, 0, 0.25), numbers=range(12)
    )
    read_volume(write_series(tmp_path / "small"))  # imports
    tracemalloc.start()
    try:
        volume = read_volume(scan)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # beside the volume: a few slices in flight, and the headers
    assert peak < 2 * volume.voxels.nbytes
