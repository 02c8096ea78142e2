from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
import yaml
from PIL import Image

from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.radiograph import read_radiograph
from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate import folder, simulate_cohort
from xattn_bmd.simulate.chest.truth import load_chest_truth

SIZE, N = 64, 5
IDS = [f"C4-{number:05d}" for number in range(1, N + 1)]


def content(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def simulated(root: Path, **changed):
    return simulate_cohort(root, **({"preset": "chest", "n": N, "size": SIZE, "seed": 4, "workers": 1} | changed))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("cohort") / "chests"
    simulated(root)
    return root


def test_layout(made):
    files = {"cohort.csv", "cohort.yaml", "truth/truth.csv", "truth/settings.json", "truth/assumptions.txt"}
    for name in IDS:
        files |= {f"images/{name}.dcm", f"masks/clavicle/{name}.png", f"truth/{name}.npz"}
    assert set(content(made)) == files


def test_the_assumed_correlation_is_told(made):
    assert "ASSUMED" in (made / "truth/assumptions.txt").read_text()
    assert "r = 0.85" in (made / "truth/assumptions.txt").read_text()


def test_the_cohort_is_read_without_a_complaint(made):
    cohort = Cohort.from_csv(made / "cohort.csv", images=made / "images")
    cohort.require_valid(require_images=True, read_images=True)
    roles = yaml.safe_load((made / "cohort.yaml").read_text())
    assert roles["target"] == {"column": "lumbar_bmd", "unit": "g/cm2", "range": [0.3, 2.5]}
    assert roles["reference"] == "lunar_spine_white_female" and roles["simulated"] is True
    table = pd.read_csv(made / "cohort.csv")
    assert set(table) == set(cohort.roles.columns) and table.radiograph_id.tolist() == IDS
    assert (table.patient_id == [name.replace("C4", "CP4") for name in IDS]).all()


def test_masks_have_the_pixels_of_their_radiograph(made):
    for name in IDS:
        mask = np.asarray(Image.open(made / f"masks/clavicle/{name}.png"))
        assert mask.shape == pydicom.dcmread(made / f"images/{name}.dcm").pixel_array.shape == (SIZE, SIZE)
        assert set(np.unique(mask)) == {0, 255} and mask.dtype == np.uint8
        areal = load_chest_truth(made / f"truth/{name}.npz").areal
        inside = mask.reshape(SIZE // 2, 2, SIZE // 2, 2).max(axis=(1, 3)) > 0
        assert areal.shape == (SIZE // 2, SIZE // 2) and areal[inside].mean() > 20 * areal[~inside].mean()


def test_truth_agrees_with_the_table(made):
    table, facts = pd.read_csv(made / "cohort.csv"), pd.read_csv(made / "truth/truth.csv")
    assert facts.radiograph_id.tolist() == table.radiograph_id.tolist()
    assert facts.true_bmd.to_numpy() == pytest.approx(table.lumbar_bmd.to_numpy(), rel=0.06)


def test_dicom_files_are_those_of_chest_radiographs(made):
    table = pd.read_csv(made / "cohort.csv").set_index("radiograph_id")
    for name in IDS:
        data = pydicom.dcmread(made / f"images/{name}.dcm")
        assert (data.Modality, data.BodyPartExamined, data.ViewPosition) == ("DX", "CHEST", "PA")
        assert data.ImageLaterality == "U" and list(data.PatientOrientation) == ["L", "F"]
        assert data.PatientID == table.patient_id[name] and str(data.PatientName) == "Simulated^Chest"
        assert data.InstitutionName == "chest_a" and float(data.KVP) == 85
        assert float(data.PixelSpacing[0]) * SIZE == pytest.approx(426, abs=0.01)
        assert data.SOPInstanceUID.is_valid and data.StudyDate == ""


def test_hips_and_chests_share_no_identifier(made, tmp_path):
    simulate_cohort(tmp_path / "hips", n=1, size=SIZE, seed=4, workers=1)
    simulated(tmp_path / "there", preset="chest_external", n=1)
    paths = tmp_path / "hips/images/H4-00001.dcm", made / "images/C4-00001.dcm", tmp_path / "there/images/X4-00001.dcm"
    files = [pydicom.dcmread(path) for path in paths]
    for tag in ("SOPInstanceUID", "StudyInstanceUID", "PatientID"):
        assert len({getattr(data, tag) for data in files}) == 3


def test_another_institution_is_read_with_bone_bright(made, tmp_path):
    """It stores MONOCHROME1; as read, the belly is brighter than the lungs in both."""
    simulated(tmp_path / "x", preset="chest_external", n=1)
    for path in (tmp_path / "x/images/X4-00001.dcm", made / "images/C4-00001.dcm"):
        grey = read_radiograph(path).pixels
        belly, lung = grey[54:60, 26:44].mean(), grey[24:34, 16:24].mean()
        assert belly > lung


def test_same_bytes_with_other_workers(made, tmp_path):
    simulated(tmp_path / "b", workers=2)
    assert content(tmp_path / "b") == content(made)


def test_same_bytes_in_another_order(made, tmp_path, monkeypatch):
    run = folder._run
    monkeypatch.setattr(folder, "_run", lambda make, people, **rest: run(make, people[::-1], **rest))
    simulated(tmp_path / "c")
    assert content(tmp_path / "c") == content(made)


class Interruption(BaseException):
    pass


def test_an_interrupted_run_continues_to_the_same_files(made, tmp_path):
    root = tmp_path / "e"

    def stop(done, total):
        if done == 2:
            raise Interruption

    with pytest.raises(Interruption):
        simulated(root, progress=stop)
    assert not (root / "cohort.csv").exists() and len(list((root / "images").iterdir())) == 2
    for name in ("images/.partial-C4-00003.dcm-x", "masks/clavicle/.partial-C4-00003.png-x"):
        (root / name).write_bytes(b"half")
    (root / "masks/clavicle/C4-00001.png").unlink()
    kept = (root / "images/C4-00002.dcm").stat().st_mtime_ns
    simulated(root)
    assert content(root) == content(made)
    assert (root / "images/C4-00002.dcm").stat().st_mtime_ns == kept


@pytest.mark.parametrize("change", [{"seed": 1}, {"n": N + 1}, {"size": SIZE + 2}, {"preset": "chest_external"}])
def test_other_settings_are_refused(made, change):
    with pytest.raises(SimulationError, match=f"other settings.*{next(iter(change))}"):
        simulated(made, **change)


def test_a_folder_of_hips_is_refused(tmp_path):
    simulate_cohort(tmp_path / "h", n=1, size=SIZE, workers=1)
    with pytest.raises(SimulationError, match="other settings"):
        simulated(tmp_path / "h", n=1)


def test_repeated_radiographs_share_patient_and_label(tmp_path):
    table = pd.read_csv(simulated(tmp_path / "r", n=2, repeats=2))
    assert table.patient_id.tolist() == ["CP4-00001"] * 2 + ["CP4-00002"] * 2 and table.radiograph_id.is_unique
    assert table.groupby("patient_id").lumbar_bmd.nunique().tolist() == [1, 1]
    assert len({(tmp_path / "r/images" / name).read_bytes() for name in table.image}) == 4


def test_1600_chests_unless_stated(tmp_path):
    class Enough(BaseException):
        pass

    def stop(done, total):
        assert total == 1600
        raise Enough

    with pytest.raises(Enough):
        simulated(tmp_path / "n", n=None, progress=stop)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"scale": "hologic"}, "on the Lunar scale"),
        ({"subjects": pd.DataFrame({"sex": ["F"]})}, "subjects and n were both given"),
        ({"subjects": pd.DataFrame({"sex": ["F"]}), "n": None}, "subjects and preset were both given"),
        ({"preset": "lung"}, "hcs.*chest_external.*'lung'"),
        ({"size": 65}, "even number of pixels"),
        ({"n": 0}, "at least 1 radiograph"),
    ],
)
def test_impossible_settings_leave_nothing(tmp_path, change, words):
    with pytest.raises(SimulationError, match=words):
        simulated(tmp_path / "f", **change)
    assert not (tmp_path / "f").exists()


def test_a_damaged_truth_file_is_named(made, tmp_path):
    broken = tmp_path / "C4-00001.npz"
    broken.write_bytes((made / "truth/C4-00001.npz").read_bytes()[:300])
    with pytest.raises(SimulationError, match=r"C4-00001\.npz"):
        load_chest_truth(broken)
