"""Conversion of a made-up JSRT and SCR: pixels, masks, table, resumption."""

import struct

import numpy as np
import pydicom
import pytest
from PIL import Image

from tests.data.jsrt_tree import BONE, IDS, LUNG, MARK, MARKED, drawn, film, write_tree
from xattn_bmd import Cohort, XattnBmdError, convert_jsrt, read_radiograph


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Folders of both databases; read-only."""
    return write_tree(tmp_path_factory.mktemp("databases"))


@pytest.fixture(scope="module")
def done(tree, tmp_path_factory):
    """A finished conversion without densities; read-only."""
    return convert_jsrt(*tree, tmp_path_factory.mktemp("out") / "cohort")


def _densities(path, text):
    path.write_text("radiograph_id,density\n" + text)
    return path


def _mask(done, organ, name):
    return np.asarray(Image.open(done.table.parent / "masks" / organ / f"{name}.png"))


def _files(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("number", "name"), list(enumerate(IDS)))
def test_the_librarys_reader_sees_every_level_with_bone_bright(done, number, name):
    radiograph = read_radiograph(done.table.parent / "images" / f"{name}.dcm")
    assert np.array_equal(radiograph.pixels, 4095 - film(number).astype(float))
    assert (
        radiograph.pixels[drawn("left clavicle", number).repeat(2, 0).repeat(2, 1)].min() == 4095 - BONE > 4095 - LUNG
    )
    assert radiograph.spacing_mm == (0.175, 0.175)


def test_the_high_byte_comes_first(tree, done):
    row, column = MARKED
    raw = (tree[0] / "All247images" / f"{IDS[0]}.IMG").read_bytes()
    high, low = struct.unpack_from("BB", raw, 2 * (2048 * row + column))
    assert 256 * high + low == MARK
    assert read_radiograph(done.table.parent / "images" / f"{IDS[0]}.dcm").pixels[MARKED] == 4095 - MARK


def test_the_header_says_what_jsrt_says_and_nothing_of_a_patient(done):
    header = pydicom.dcmread(done.table.parent / "images" / f"{IDS[0]}.dcm")
    assert (header.PhotometricInterpretation, header.BitsStored) == ("MONOCHROME1", 12)
    assert (header.BodyPartExamined, header.Modality, header.ViewPosition) == ("CHEST", "RG", "PA")
    assert [float(value) for value in header.PixelSpacing] == [0.175, 0.175]
    assert header.PatientID == IDS[0]
    assert not any(header.get(tag) for tag in ("PatientName", "PatientBirthDate", "PatientSex", "PatientAge"))
    assert not any(header.get(tag) for tag in ("StudyDate", "InstitutionName", "Manufacturer"))
    other = pydicom.dcmread(done.table.parent / "images" / f"{IDS[1]}.dcm")
    assert header.StudyInstanceUID != other.StudyInstanceUID


@pytest.mark.parametrize(("number", "name"), list(enumerate(IDS)))
def test_a_clavicle_mask_is_both_sides_and_lies_on_the_bone(done, number, name):
    mask = _mask(done, "clavicle", name)
    assert mask.shape == (2048, 2048) and set(np.unique(mask)) == {0, 255}
    bone = read_radiograph(done.table.parent / "images" / f"{name}.dcm").pixels == 4095 - BONE
    assert np.array_equal(mask == 255, bone)
    halves = drawn("left clavicle", number) | drawn("right clavicle", number)
    enlarged = Image.fromarray(halves).resize((2048, 2048), Image.Resampling.NEAREST)
    assert np.array_equal(mask == 255, np.asarray(enlarged))


def test_lungs_and_heart_have_masks_too(done):
    lungs = np.kron(drawn("left lung", 1) | drawn("right lung", 1), np.ones((2, 2), dtype=bool))
    assert np.array_equal(_mask(done, "lungs", IDS[1]) == 255, lungs)
    assert np.array_equal(_mask(done, "heart", IDS[1]) == 255, np.kron(drawn("heart", 1), np.ones((2, 2), dtype=bool)))


def test_without_densities_the_cohort_serves_prediction_only(done):
    cohort = Cohort.from_csv(done.table, images=done.table.parent / "images")
    cohort.require_valid(require_target=False, read_images=True)
    assert cohort.roles.target is None and not cohort.roles.simulated
    assert cohort.radiograph_ids == cohort.patient_ids == IDS
    np.testing.assert_array_equal(cohort.table["age"], [53, np.nan])
    assert cohort.table["sex"].tolist() == ["male", "female"]
    assert [path.name for path in cohort.image_paths.values()] == [f"{name}.dcm" for name in IDS]
    with pytest.raises(XattnBmdError, match="declares no target"):
        cohort.require_valid()
    assert done.without_density == IDS and done.without_age == (IDS[1],) and not done.without_sex
    assert done.radiographs == 2 and not any(done.without_mask.values())
    assert "prediction, not training" in done.notes[-1] and "2 of the 247" in done.notes[0]


def test_a_finished_folder_takes_densities_and_gives_them_back(tree, tmp_path):
    out = tmp_path / "out"
    first = convert_jsrt(*tree, out)
    pictures = {path: path.stat().st_mtime_ns for path in out.rglob("*.*") if path.suffix in (".dcm", ".png")}
    table = _densities(tmp_path / "d.csv", "jpcnn002,0.95\nJPCLN001,1.08\n")
    cohort = Cohort.from_csv(convert_jsrt(*tree, out, densities=table).table)
    cohort.require_valid(read_images=True, require_variation=False)
    assert cohort.targets.tolist() == [1.08, 0.95] and cohort.roles.target.unit == "g/cm2"
    part = convert_jsrt(*tree, out, densities=_densities(tmp_path / "d.csv", "JPCLN001,1.08\n"))
    assert part.without_density == (IDS[1],) and "1 radiographs have no density: JPCNN002." in part.notes
    assert convert_jsrt(*tree, out) == first and Cohort.from_csv(first.table).roles.target is None
    assert pictures == {path: path.stat().st_mtime_ns for path in pictures}


def test_an_interrupted_run_continues_and_ends_as_if_it_had_not_been(tree, done, tmp_path):
    out = tmp_path / "out"

    def stop(finished, total):
        assert total == 4
        if finished == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert_jsrt(*tree, out, progress=stop)
    first = out / "images" / f"{IDS[0]}.dcm"
    assert first.is_file() and not (out / "images" / f"{IDS[1]}.dcm").exists() and not (out / "cohort.yaml").exists()
    (out / "masks" / "heart" / ".partial-left-by-a-kill").write_bytes(b"half")
    written = first.stat().st_mtime_ns
    seen = []
    convert_jsrt(*tree, out, progress=lambda finished, total: seen.append((finished, total)))
    assert first.stat().st_mtime_ns == written and seen == [(step, 4) for step in range(1, 5)]
    assert _files(out) == _files(done.table.parent)


def test_roles_are_written_last(tree, tmp_path, monkeypatch):
    import xattn_bmd.data.jsrt.convert as module

    out, order, real = tmp_path / "out", [], module.atomic_write
    monkeypatch.setattr(
        module, "atomic_write", lambda path, content, **rest: order.append(path.name) or real(path, content, **rest)
    )
    convert_jsrt(*tree, out)
    assert order[-2:] == ["cohort.csv", "cohort.yaml"]
    monkeypatch.setattr(module, "atomic_write", lambda path, content, **rest: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        convert_jsrt(*tree, out)
    assert not (out / "cohort.yaml").exists()


def test_a_folder_of_something_else_is_left_alone(tree, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(XattnBmdError, match="holds other files"):
        convert_jsrt(*tree, tmp_path)
    assert _files(tmp_path) == {"notes.txt": b"mine"}


def test_a_folder_made_from_other_files_is_refused(tree, tmp_path):
    out, own = tmp_path / "out", write_tree(tmp_path / "own")
    convert_jsrt(*tree, out)
    before = _files(out)
    mask = own[1] / "fold1" / "masks" / "heart" / f"{IDS[0]}.gif"
    mask.unlink()
    with pytest.raises(XattnBmdError, match="made from other files"):
        convert_jsrt(*own, out)
    assert _files(out) == before
