"""Label maps: laid on the voxels of their volume, or refused."""

import nibabel
import numpy as np
import pytest

from tests.data.volumes.made_scans import TO_RAS, grid, sampled, write_nifti, write_series
from xattn_bmd import read_volume
from xattn_bmd.data.volumes.canonical import frame_of
from xattn_bmd.data.volumes.labels import read_labels
from xattn_bmd.errors import VolumeError


def _scan(folder):
    affine, shape = grid()
    path = write_nifti(folder / "ct.nii.gz", sampled(affine, shape).astype(np.int16), affine)
    return read_volume(path), affine, shape


def _bone(affine, shape):
    return (sampled(affine, shape) > 0).astype(np.uint8) * 7


@pytest.mark.parametrize("codes", [("R", "A", "S"), ("P", "S", "L"), ("I", "L", "A")])
def test_labels_in_any_order_land_on_their_voxels(tmp_path, codes):
    volume, affine, shape = _scan(tmp_path)
    image = nibabel.Nifti1Image(_bone(affine, shape), TO_RAS @ affine)
    change = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(image.affine), nibabel.orientations.axcodes2ornt(codes)
    )
    image.as_reoriented(change).to_filename(tmp_path / "labels.nii.gz")
    read = read_labels(tmp_path / "labels.nii.gz", like=volume, names={"bone": 7})
    np.testing.assert_array_equal(read.labels, 7 * (volume.voxels > 0))
    assert read.labels.dtype == np.uint16 and read.names == {"bone": 7}
    np.testing.assert_array_equal(read.affine, volume.affine)


def test_labels_of_a_dicom_series(tmp_path):
    volume = read_volume(write_series(tmp_path / "scan"))
    values = (volume.voxels > 0).astype(np.float32) * 300
    write_nifti(tmp_path / "labels.nii", values, volume.affine)
    np.testing.assert_array_equal(read_labels(tmp_path / "labels.nii", like=volume).labels, values)


def test_scaled_labels_are_rescaled(tmp_path):
    volume, affine, shape = _scan(tmp_path)
    image = nibabel.Nifti1Image(_bone(affine, shape), TO_RAS @ affine)
    image.header.set_slope_inter(2, 0)
    image.to_filename(tmp_path / "labels.nii")
    np.testing.assert_array_equal(read_labels(tmp_path / "labels.nii", like=volume).labels, 14 * (volume.voxels > 0))


def test_a_rounded_affine_still_fits(tmp_path):
    volume, affine, shape = _scan(tmp_path)
    near = affine.copy()
    near[:3, 3] += 0.01
    write_nifti(tmp_path / "labels.nii", _bone(affine, shape), near)
    assert read_labels(tmp_path / "labels.nii", like=volume).labels.any()


def _moved(affine):
    near = affine.copy()
    near[2, 3] += 0.5
    return near


FAULTS = {
    "shape": (lambda a, s: (_bone(a, s)[:-1], a), "has 4 x 5 x 5 and the volume 4 x 5 x 6"),
    "place": (lambda a, s: (_bone(a, s), _moved(a)), "is 0.50 mm away"),
    "spacing": (lambda a, s: (_bone(a, s), a @ np.diag([1.0, 1.1, 1.0, 1.0])), "mm away"),
    "mirrored": (lambda a, s: (_bone(a, s), np.diag([-1.0, 1, 1, 1]) @ a), "mm away"),
    "probabilities": (lambda a, s: (_bone(a, s) * np.float32(0.1), a), "not all whole"),
    "negative": (lambda a, s: (-_bone(a, s).astype(np.int16), a), "from -7 to 0"),
    "too many": (lambda a, s: (_bone(a, s).astype(np.int32) * 10000, a), "from 0 to 7e.04"),
    "not finite": (lambda a, s: (np.where(_bone(a, s), np.nan, 0), a), "whole numbers"),
    "unnamed": (lambda a, s: (_bone(a, s), a), "also holds 7; name them too"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named(tmp_path, fault):
    change, sentence = FAULTS[fault]
    volume, affine, shape = _scan(tmp_path)
    path = write_nifti(tmp_path / "labels.nii", *change(affine, shape))
    with pytest.raises(VolumeError, match=sentence):
        read_labels(path, like=volume, names={"L1": 1} if fault == "unnamed" else None)


def test_labels_come_from_nifti_alone(tmp_path):
    volume, _, _ = _scan(tmp_path)
    for name in ("labels.dcm", "absent.nii"):
        with pytest.raises(VolumeError, match=f"{name} is none or does not exist"):
            read_labels(tmp_path / name, like=volume)


def test_a_grid_without_size_is_refused():
    with pytest.raises(VolumeError, match="spacing 0 or none"):
        frame_of(np.diag([1.0, 0, 1, 1]), (2, 2, 2), name="scan")
