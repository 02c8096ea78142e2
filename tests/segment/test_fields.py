"""Bodies told apart, and cohorts of fields around them."""

import numpy as np
import pandas as pd
import pytest

from tests.segment.planted import axes
from xattn_bmd.bone.calibration import NOMINAL_LINE, DensityLine
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.volume import read_volume
from xattn_bmd.data.volumes.labels import read_labels
from xattn_bmd.data.volumes.write import write_labels, write_volume
from xattn_bmd.errors import CohortError, VolumeError
from xattn_bmd.segment.bodies import split_bodies
from xattn_bmd.segment.fields import crop_volumes, cut_field
from xattn_bmd.types import LabelMap, Volume

SPACING = (3.0, 2.0, 1.5)
SHAPE = (24, 20, 22)
FIELD = (30.0, 20.0, 18.0)


def scan(seed, *, lowest=0):
    """Noise with three bright boxes from head to feet; the labels are 5 in the two lower ones."""
    rng = np.random.default_rng(seed)
    hu = rng.integers(-300, 200, SHAPE).astype(np.float32)
    marks = np.zeros(SHAPE, dtype=np.uint16)
    for first in (1, 9 + lowest, 16 + lowest):
        hu[first : first + 6, 4:16, 3:17] += 500
    marks[9 + lowest : 15 + lowest, 4:16, 3:17] = marks[16 + lowest : 22 + lowest, 4:16, 3:17] = 5
    grid = {"spacing_mm": SPACING, "affine": axes(SPACING), "steps": ()}
    return Volume(hu, **grid), LabelMap(marks, {}, **grid)


@pytest.fixture
def scans(tmp_path):
    """Two scans with a table, and their label maps in a folder."""
    for place, name in enumerate(("s1", "s2")):
        volume, labels = scan(place, lowest=place)
        write_volume(volume, tmp_path / "images" / f"{name}.nii.gz")
        write_labels(labels, tmp_path / "labels" / f"{name}.nii.gz")
    table = pd.DataFrame(
        {"scan": ["s1", "s2"], "person": ["a", "b"], "file": ["s1.nii.gz", "s2.nii.gz"], "qct": [90, 130]}
    )
    table.assign(note=["x", "y"]).to_csv(tmp_path / "cohort.csv", index=False)
    (tmp_path / "cohort.yaml").write_text(
        "id: scan\npatient: person\nimage: file\ntarget: {column: qct, unit: mg/cm3}\nsimulated: true\n"
    )
    return tmp_path


def cropped(scans, **settings):
    cohort = Cohort.from_csv(scans / "cohort.csv")
    return crop_volumes(cohort, scans / "labels", out=scans / "out", field_mm=FIELD, **settings)


def test_a_written_volume_reads_back_where_it_lay(tmp_path):
    volume, labels = scan(0)
    write_volume(volume, tmp_path / "a.nii.gz")
    write_labels(labels, tmp_path / "l.nii.gz")
    again = read_volume(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(again.voxels, volume.voxels)
    np.testing.assert_allclose(again.affine, volume.affine, atol=1e-5)
    assert again.spacing_mm == SPACING
    np.testing.assert_array_equal(read_labels(tmp_path / "l.nii.gz", like=volume).labels, labels.labels)
    with pytest.raises(VolumeError, match=r"\.nii\.gz"):
        write_volume(volume, tmp_path / "a.mha")


def test_fields_hold_the_scans_own_voxels_about_the_labels(scans):
    made = cropped(scans)
    assert made.radiograph_ids == ("s1", "s2") and made.targets.tolist() == [90.0, 130.0]
    assert made.table["note"].tolist() == ["x", "y"] and made.roles.simulated
    made.require_valid(read_images=True)
    for place, name in enumerate(made.radiograph_ids):
        box, whole = read_volume(made.image_paths[name]), scan(place, lowest=place)[0]
        assert box.voxels.shape == (10, 10, 12) and box.spacing_mm == SPACING
        # labels from slice 9 to 21, row 4 to 15, column 3 to 16, the second scan's a slice lower
        first = (11 + place, 5, 4)
        inside = tuple(slice(start, start + side) for start, side in zip(first, box.voxels.shape, strict=True))
        np.testing.assert_array_equal(box.voxels, whole.voxels[inside])
        np.testing.assert_allclose(box.affine @ [0, 0, 0, 1], whole.affine @ [*first, 1], atol=1e-4)


def test_only_the_labels_may_be_kept(scans):
    box = read_volume(cropped(scans, keep="labels").image_paths["s1"])
    whole, labels = scan(0)
    kept = np.where(labels.labels > 0, whole.voxels, -1024)[11:21, 5:15, 4:16]
    np.testing.assert_array_equal(box.voxels, kept)


def test_lines_make_hu_those_of_the_assumed_scanner(scans):
    lines = {"s1": DensityLine(0.5, -5.0, 0.0), "s2": NOMINAL_LINE}
    made = cropped(scans, lines=lines)
    first, second = (read_volume(made.image_paths[name]).voxels for name in ("s1", "s2"))
    wanted = (0.5 * scan(0)[0].voxels[11:21, 5:15, 4:16] - 5.0) * 1.328
    np.testing.assert_allclose(first, wanted, atol=0.51)
    np.testing.assert_allclose(second, scan(1, lowest=1)[0].voxels[12:22, 5:15, 4:16], atol=0.51)


def test_beyond_the_scan_is_air():
    volume, labels = scan(0)
    low = np.zeros_like(labels.labels)
    low[22:, :, :] = 1
    box = cut_field(volume, LabelMap(low, {}, SPACING, labels.affine, ()), field_mm=(24.0, 60.0, 33.0))
    assert box.voxels.shape == (8, 30, 22)
    assert (box.voxels[5:] == -1024).all() and (box.voxels[:, :5] == -1024).all()
    np.testing.assert_array_equal(box.voxels[:5, 5:25], volume.voxels[19:])


@pytest.mark.parametrize(
    ("fault", "words"),
    [("missing", "s2"), ("empty", "no voxel is labelled"), ("line", "line from HU"), ("field", "positive lengths")],
)
def test_faults_are_named_and_leave_nothing(scans, fault, words):
    settings, path = {}, scans / "labels" / "s2.nii.gz"
    if fault == "missing":
        path.unlink()
    if fault == "empty":
        volume, labels = scan(1)
        write_labels(LabelMap(np.zeros_like(labels.labels), {}, SPACING, volume.affine, ()), path)
    if fault == "line":
        settings["lines"] = {"s1": NOMINAL_LINE}
    if fault == "field":
        settings["field_mm"] = (30.0, 0.0, 18.0)
    with pytest.raises(VolumeError, match=words):
        crop_volumes(
            Cohort.from_csv(scans / "cohort.csv"),
            scans / "labels",
            out=scans / "out",
            **{"field_mm": FIELD, **settings},
        )
    assert not (scans / "out").exists()


def test_an_existing_folder_and_a_bad_cohort_are_refused(scans):
    (scans / "images" / "s1.nii.gz").unlink()
    with pytest.raises(CohortError, match="s1"):
        cropped(scans)
    (scans / "out").mkdir()
    with pytest.raises(VolumeError, match="exists"):
        cropped(scans)


def boxes(*firsts, bridge=()):
    voxels = np.zeros((44, 22, 22), dtype=np.uint16)
    for first in firsts:
        voxels[first : first + 8, 4:18, 4:18] = 3
    for at in bridge:
        voxels[at, 9:12, 9:12] = 3
    return LabelMap(voxels, {"bone": 3}, (3.0, 2.0, 2.0), np.eye(4), ())


def test_bodies_are_numbered_from_head_to_feet_and_bridges_cut():
    labels = boxes(2, 13, 24, bridge=(10, 11, 12, 21, 22, 23))
    split = split_bodies(labels)
    assert split.names == {"body_1": 1, "body_2": 2, "body_3": 3}
    for number, first in enumerate((2, 13, 24), start=1):
        assert (split.labels[first : first + 8, 4:18, 4:18] == number).all()
    np.testing.assert_array_equal(split.labels > 0, labels.labels > 0)


def test_what_stands_beside_the_column_is_dropped():
    labels = boxes(2, 13, 24)
    labels = LabelMap(np.pad(labels.labels, ((0, 0), (0, 0), (0, 40))), {}, labels.spacing_mm, labels.affine, ())
    labels.labels[34:42, 4:18, 44:58] = 3  # 80 mm to the left, as a hip
    assert len(split_bodies(labels).names) == 4
    split = split_bodies(labels, column_mm=45.0)
    assert split.names == {"body_1": 1, "body_2": 2, "body_3": 3} and not split.labels[34:].any()
    assert len(split_bodies(labels, column_mm=81.0).names) == 4


def test_of_two_columns_as_long_the_larger_is_kept():
    labels = boxes(2)
    labels = LabelMap(np.pad(labels.labels, ((0, 0), (0, 0), (0, 40))), {}, labels.spacing_mm, labels.affine, ())
    labels.labels[20:32, 4:18, 44:58] = 3
    split = split_bodies(labels, column_mm=45.0)
    assert split.names == {"body_1": 1} and (split.labels[20:32, 4:18, 44:58] == 1).all()


def test_what_has_a_small_core_is_dropped():
    labels = boxes(2, 13)
    labels.labels[30:34, 4:10, 4:10] = 3  # its core is one slice of a few voxels
    split = split_bodies(labels)
    assert split.names == {"body_1": 1, "body_2": 2} and not split.labels[30:34].any()
    with pytest.raises(VolumeError, match="core of 500 ml"):
        split_bodies(labels, smallest_ml=500.0)


def test_a_piece_without_a_core_of_its_own_belongs_to_no_body():
    labels = boxes(2, 13)
    labels.labels[2:21, 0, 0] = 3  # a thin rod beside the spine
    split = split_bodies(labels)
    assert split.names == {"body_1": 1, "body_2": 2}
    assert not split.labels[:, 0, 0].any()
    assert (split.labels[2:10, 4:18, 4:18] == 1).all()
