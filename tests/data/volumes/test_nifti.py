"""NIfTI files: any orientation gives the same volume; what is uncertain is refused."""

import builtins
import itertools

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.volumes.made_scans import TO_RAS, expected, grid, sampled, write_nifti
from xattn_bmd import read_volume
from xattn_bmd.data.volumes.canonical import frame_of
from xattn_bmd.errors import VolumeError

SIGNS = list(itertools.product((1, -1), repeat=3))


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
def test_any_orientation_gives_each_voxel_its_point(tmp_path, axes):
    for signs in SIGNS:
        affine, shape = grid(axes, signs)
        path = write_nifti(tmp_path / "ct.nii", sampled(affine, shape).astype(np.int16), affine)
        volume = read_volume(path)
        assert volume.orientation == ("I", "P", "L")
        assert sorted(volume.voxels.shape) == sorted(shape)
        np.testing.assert_array_equal(volume.voxels, expected(volume))
        np.testing.assert_allclose(np.diag(volume.affine[2::-1, :3]), [-1, 1, 1] * np.array(volume.spacing_mm))


def test_all_orientations_of_one_scan_are_one_volume(tmp_path):
    affine, shape = grid()
    hu = sampled(affine, shape).astype(np.int16)
    image = nibabel.Nifti1Image(hu, TO_RAS @ affine)
    seen = []
    for codes in (("R", "A", "S"), ("L", "P", "S"), ("P", "I", "R"), ("S", "L", "A")):
        change = nibabel.orientations.ornt_transform(
            nibabel.io_orientation(image.affine), nibabel.orientations.axcodes2ornt(codes)
        )
        turned = image.as_reoriented(change)
        assert nibabel.aff2axcodes(turned.affine) == codes
        turned.to_filename(tmp_path / "ct.nii.gz")
        seen.append(read_volume(tmp_path / "ct.nii.gz"))
    for volume in seen:
        np.testing.assert_array_equal(volume.voxels, seen[0].voxels)
        np.testing.assert_allclose(volume.affine, seen[0].affine)
        assert volume.spacing_mm == pytest.approx(seen[0].spacing_mm)


@given(
    st.permutations(range(3)),
    st.sampled_from(SIGNS),
    st.tuples(*[st.integers(1, 5)] * 3),
    st.tuples(*[st.floats(-12, 12)] * 3),
)
@settings(max_examples=40, deadline=None)
def test_turning_into_the_stored_order_and_back_loses_nothing(axes, signs, shape, degrees):
    affine, _ = grid(axes, signs)
    # an oblique scan: the nearest order is still the one it was made in
    affine[:3, :3] = _rotation(degrees) @ affine[:3, :3]
    frame = frame_of(affine, shape, name="scan")
    stored = np.arange(np.prod(shape)).reshape(shape)
    turned = np.empty(frame.shape, dtype=stored.dtype)
    frame.as_stored(turned)[...] = stored
    assert sorted(turned.ravel().tolist()) == stored.ravel().tolist()
    for at in itertools.product(*(range(side) for side in frame.shape)):
        index = np.unravel_index(turned[at], shape)
        np.testing.assert_allclose(frame.affine @ [*at, 1], affine @ [*index, 1], atol=1e-9)
    cosines = frame.affine[:3, :3] / np.array(frame.spacing_mm)
    assert cosines[2, 0] < -0.7 and cosines[1, 1] > 0.7 and cosines[0, 2] > 0.7


def _rotation(degrees):
    from scipy.spatial.transform import Rotation

    return Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()


def _plain(tmp_path, values=None, **settings_):
    affine, shape = grid()
    values = sampled(affine, shape).astype(np.int16) if values is None else values
    return write_nifti(tmp_path / "ct.nii.gz", values, affine, **settings_)


@pytest.mark.parametrize("forms", [{"sform": 0}, {"qform": 0}, {"sform": 2}, {"sform": 4, "qform": 0}])
def test_either_form_will_do(tmp_path, forms):
    volume = read_volume(_plain(tmp_path, **forms))
    np.testing.assert_array_equal(volume.voxels, expected(volume))
    assert any(("qform" if forms.get("sform") == 0 else "sform") in step for step in volume.steps)


def test_scanner_coordinates_go_before_an_atlas(tmp_path):
    affine, shape = grid()
    image = nibabel.Nifti1Image(sampled(affine, shape).astype(np.int16), TO_RAS @ affine)
    image.set_sform(np.diag([9.0, 9, 9, 1]), code=4)
    image.set_qform(TO_RAS @ affine, code=1)
    image.to_filename(tmp_path / "ct.nii")
    volume = read_volume(tmp_path / "ct.nii")
    np.testing.assert_array_equal(volume.voxels, expected(volume))


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1e-3), ("micron", 1e3), ("mm", 1.0)])
def test_lengths_become_mm(tmp_path, unit, factor):
    affine, shape = grid()
    small = affine.copy()
    small[:3] *= factor
    image = nibabel.Nifti1Image(sampled(affine, shape).astype(np.int16), TO_RAS @ small)
    image.header.set_xyzt_units(unit)
    image.to_filename(tmp_path / "ct.nii")
    assert read_volume(tmp_path / "ct.nii").spacing_mm == pytest.approx((3.0, 2.0, 1.0))


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
def test_stored_types(tmp_path, dtype):
    affine, shape = grid()
    volume = read_volume(write_nifti(tmp_path / "ct.nii.gz", sampled(affine, shape).astype(dtype), affine))
    np.testing.assert_array_equal(volume.voxels, expected(volume))
    assert any(np.dtype(dtype).name in step for step in volume.steps)


def test_slope_and_intercept_of_the_file_are_applied(tmp_path):
    affine, shape = grid()
    image = nibabel.Nifti1Image(((sampled(affine, shape) + 1000) * 2).astype(np.int16), TO_RAS @ affine)
    image.header.set_slope_inter(0.5, -1000)
    image.to_filename(tmp_path / "ct.nii.gz")
    volume = read_volume(tmp_path / "ct.nii.gz")
    assert "value = 0.5 x stored -1000" in volume.steps
    np.testing.assert_array_equal(volume.voxels, expected(volume))


def test_a_fourth_axis_of_one_is_dropped(tmp_path):
    affine, shape = grid()
    volume = read_volume(_plain(tmp_path, sampled(affine, shape).astype(np.int16)[..., None]))
    np.testing.assert_array_equal(volume.voxels, expected(volume))


def _range(low, high, dtype=np.float32):
    return np.linspace(low, high, 120).reshape(6, 5, 4).astype(dtype)


FAULTS = {
    "12 bits stored": (_range(0, 4095, np.uint16), {}, "stored numbers without the rescale"),
    "8 bits": (_range(0, 255, np.uint8), {}, "8-bit picture"),
    "normalised": (_range(0, 1), {}, "normalised"),
    "standardised": (_range(-3, 5), {}, "normalised"),
    "masked": (_range(0, 400), {}, "before any clipping"),
    "constant": (_range(-1000, -1000), {}, "the scan is empty"),
    "not finite": (np.where(_range(-900, 900) > 800, np.nan, _range(-900, 900)), {}, "of 120 voxels of ct.nii.gz are"),
    "two volumes": (np.stack([_range(-900, 900)] * 2, axis=-1), {}, "6 x 5 x 4 x 2"),
    "a slice": (_range(-900, 900)[..., 0], {}, "three axes, but ct.nii.gz is 6 x 5;"),
    "complex": (_range(-900, 900).astype(np.complex64), {}, "real numbers"),
    "no orientation": (_range(-900, 900), {"sform": 0, "qform": 0}, "neither a qform nor an sform"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named(tmp_path, fault):
    values, forms, sentence = FAULTS[fault]
    with pytest.raises(VolumeError, match=sentence):
        read_volume(_plain(tmp_path, values, **forms))


def test_forms_that_contradict_each_other(tmp_path):
    affine, shape = grid()
    image = nibabel.Nifti1Image(sampled(affine, shape).astype(np.int16), TO_RAS @ affine)
    image.set_qform(np.diag([-1.0, 1, 1, 1]) @ TO_RAS @ affine, code=1)
    image.set_sform(TO_RAS @ affine, code=1)
    image.to_filename(tmp_path / "ct.nii")
    with pytest.raises(VolumeError, match="left and right are uncertain"):
        read_volume(tmp_path / "ct.nii")


def test_a_sheared_grid_is_a_tilt_that_was_not_corrected(tmp_path):
    affine, shape = grid()
    affine[1, 2] = 3.0 * np.tan(np.radians(10))
    path = write_nifti(tmp_path / "ct.nii", sampled(affine, shape).astype(np.int16), affine, qform=0)
    with pytest.raises(VolumeError, match=r"lean by 10.0 degrees .a gantry tilt"):
        read_volume(path)


def test_damaged_and_other_files(tmp_path):
    path = _plain(tmp_path)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"text that is no NIfTI" * 40):
        path.write_bytes(content)
        with pytest.raises(VolumeError, match="cut short or damaged"):
            read_volume(path)
    affine, shape = grid()
    bare = write_nifti(tmp_path / "bare.nii", sampled(affine, shape).astype(np.int16), affine)
    bare.write_bytes(bare.read_bytes()[:400])
    with pytest.raises(VolumeError, match=r"bare.nii is cut short or damaged"):
        read_volume(bare)
    with pytest.raises(VolumeError, match="argument series"):
        read_volume(path, series="1.2")


def test_surfaces_in_nifti_clothes_are_refused(tmp_path):
    axes = nibabel.cifti2.cifti2_axes
    brain = axes.BrainModelAxis.from_mask(np.ones((2, 2, 2)), affine=np.eye(4), name="other")
    image = nibabel.Cifti2Image(np.zeros((1, 8)), header=(axes.ScalarAxis(["a"]), brain))
    image.to_filename(tmp_path / "a.dscalar.nii")
    with pytest.raises(VolumeError, match=r"a.dscalar.nii holds Cifti2Image"):
        read_volume(tmp_path / "a.dscalar.nii")


def test_a_qform_that_is_no_rotation(tmp_path):
    path = tmp_path / "ct.nii"
    affine, shape = grid()
    image = nibabel.Nifti1Image(sampled(affine, shape).astype(np.int16), TO_RAS @ affine)
    image.header["qform_code"] = 1
    image.header["quatern_b"] = 3.0
    image.to_filename(path)
    with pytest.raises(VolumeError, match=r"qform of ct.nii is none"):
        read_volume(path)


def test_without_nibabel_the_extra_is_named(tmp_path, monkeypatch):
    path = _plain(tmp_path)
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("nibabel"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(VolumeError, match=r"pip install 'xattn-bmd\[nifti\]'"):
        read_volume(path)
