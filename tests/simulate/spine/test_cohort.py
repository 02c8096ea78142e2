from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
import yaml

from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.masks.truth import read_truth, truth_regions
from xattn_bmd.data.radiograph import read_radiograph
from xattn_bmd.errors import SimulationError
from xattn_bmd.localise.boxes.files import read_boxes
from xattn_bmd.localise.boxes.table import check_boxes
from xattn_bmd.simulate import folder, simulate_cohort
from xattn_bmd.simulate.spine.cohort import BOX_LABEL, VERTEBRA_COLUMNS
from xattn_bmd.simulate.spine.person import LEVELS
from xattn_bmd.simulate.spine.truth import load_spine_truth

SIZE, N = 96, 3
IDS = [f"V4-{number:05d}" for number in range(1, N + 1)]
BOX = ["x0", "y0", "x1", "y1"]


def content(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def simulated(root: Path, **changed):
    return simulate_cohort(root, **({"preset": "spine", "n": N, "size": SIZE, "seed": 4, "workers": 1} | changed))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("cohort") / "spines"
    simulated(root)
    return root


def test_layout(made):
    files = {"cohort.csv", "cohort.yaml", "boxes.csv", "vertebrae.csv"}
    files |= {f"truth/{name}" for name in ("truth.csv", "settings.json", "assumptions.txt")}
    for name in IDS:
        files |= {f"images/{name}.dcm", f"truth/{name}.npz"}
    assert set(content(made)) == files


def test_the_assumption_is_told(made):
    told = " ".join((made / "truth/assumptions.txt").read_text().split())
    assert "ASSUMED, not measured: how a fresh fracture differs from an old one" in told


def test_the_cohort_is_read_without_a_complaint(made):
    cohort = Cohort.from_csv(made / "cohort.csv", images=made / "images")
    problems = cohort.check(require_images=True, read_images=True)
    assert {p.kind for p in problems if p.severity == "error"} <= {"constant"}  # four people may agree in one variable
    roles = yaml.safe_load((made / "cohort.yaml").read_text())
    assert roles["simulated"] is True and roles["target"]["column"] == "lumbar_bmd"
    table = pd.read_csv(made / "cohort.csv")
    assert set(table) == set(cohort.roles.columns) and table.radiograph_id.tolist() == IDS


def test_boxes_are_those_of_the_masks(made):
    sizes = dict.fromkeys(IDS, (SIZE, SIZE))
    boxes = read_boxes(made / "boxes.csv", labels=[BOX_LABEL], sizes=sizes)
    assert check_boxes(boxes, labels=[BOX_LABEL], sizes=sizes, all_boxed=True) == []
    vertebrae = pd.read_csv(made / "vertebrae.csv")
    assert tuple(vertebrae) == VERTEBRA_COLUMNS
    np.testing.assert_array_equal(vertebrae[BOX], boxes[BOX])
    for row in vertebrae.itertuples():
        truth = load_spine_truth(made / f"truth/{row.radiograph_id}.npz")
        inside = np.argwhere(truth.levels == LEVELS.index(row.level) + 1)
        (top, left), (bottom, right) = inside.min(axis=0), inside.max(axis=0) + 1
        assert (left, right) == (row.x0, row.x1) and abs(top - row.y0) <= 2 and bottom == row.y1


def test_vertebrae_agree_with_their_grades(made):
    table = pd.read_csv(made / "vertebrae.csv")
    assert table.vertebra_id.is_unique and (table.vertebra_id == table.radiograph_id + "-" + table.level).all()
    limits = {0: (0.0, 0.20), 1: (0.20, 0.25), 2: (0.25, 0.40), 3: (0.40, 0.65)}
    for grade, part in table.groupby("genant_grade"):
        assert part.height_loss.between(*limits[grade]).all()
    assert (
        set(table.condition) <= {"normal", "old", "fresh"}
        and (table.query("condition == 'old'").genant_grade > 0).all()
    )
    patients = pd.read_csv(made / "cohort.csv").set_index("radiograph_id").patient_id
    assert (table.patient_id == table.radiograph_id.map(patients)).all()


def test_the_mask_is_read_as_a_region(made):
    path = made / f"truth/{IDS[0]}.npz"
    assert truth_regions(path) == ("vertebrae",)
    truth = load_spine_truth(path)
    np.testing.assert_array_equal(read_truth(path, ["vertebrae"])["vertebrae"], truth.vertebrae)
    assert truth.areal.shape == (SIZE // 2, SIZE // 2) and truth.facts["vertebrae"] == len(truth.shown)


def test_dicom_files_are_those_of_lateral_spines(made):
    table = pd.read_csv(made / "cohort.csv").set_index("radiograph_id")
    for name in IDS:
        data = pydicom.dcmread(made / f"images/{name}.dcm")
        assert (data.Modality, data.BodyPartExamined, data.ViewPosition) == ("DX", "LSPINE", "LL")
        assert data.ImageLaterality == "U" and list(data.PatientOrientation) == ["P", "F"]
        assert data.PatientID == table.patient_id[name] and str(data.PatientName) == "Simulated^Spine"
        assert float(data.PixelSpacing[0]) * SIZE == pytest.approx(336, abs=0.01)


def test_another_institution_is_read_with_bone_bright(tmp_path):
    """It stores MONOCHROME1; as read, bodies are brighter than the gap before them."""
    simulated(tmp_path / "x", preset="spine_external", n=2)
    vertebrae = pd.read_csv(tmp_path / "x/vertebrae.csv").query("level == 'L3'")
    assert len(vertebrae) == 2
    for row in vertebrae.itertuples():
        grey = read_radiograph(tmp_path / f"x/images/{row.radiograph_id}.dcm").pixels
        y, x = (row.y0 + row.y1) // 2, (row.x0 + row.x1) // 2
        assert grey[y - 3 : y + 4, x - 3 : x + 4].mean() > grey[y - 3 : y + 4, row.x0 - 6 : row.x0 - 2].mean()


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
    (root / "images/.partial-V4-00003.dcm-x").write_bytes(b"half")
    kept = (root / "images/V4-00002.dcm").stat().st_mtime_ns
    simulated(root)
    assert content(root) == content(made)
    assert (root / "images/V4-00002.dcm").stat().st_mtime_ns == kept


@pytest.mark.parametrize("change", [{"seed": 1}, {"n": N + 1}, {"size": SIZE + 2}, {"preset": "spine_external"}])
def test_other_settings_are_refused(made, change):
    with pytest.raises(SimulationError, match=f"other settings.*{next(iter(change))}"):
        simulated(made, **change)


def test_repeated_radiographs_share_patient_and_findings(tmp_path):
    root = tmp_path / "r"
    table = pd.read_csv(simulated(root, n=1, repeats=2))
    assert table.patient_id.tolist() == ["VP4-00001"] * 2 and table.radiograph_id.is_unique
    first, second = (
        part.set_index("level") for _, part in pd.read_csv(root / "vertebrae.csv").groupby("radiograph_id")
    )
    both = first.index.intersection(second.index)
    columns = ["condition", "genant_grade", "height_loss", "anterior_mm"]
    pd.testing.assert_frame_equal(first.loc[both, columns], second.loc[both, columns])


@pytest.mark.parametrize(
    "change, words",
    [
        ({"scale": "hologic"}, "on the Lunar scale"),
        ({"subjects": pd.DataFrame({"sex": ["F"]}), "n": None}, "subjects and preset were both given"),
        ({"preset": "neck"}, "hcs.*spine_external.*'neck'"),
        ({"n": 0}, "at least 1 radiograph"),
    ],
)
def test_impossible_settings_leave_nothing(tmp_path, change, words):
    with pytest.raises(SimulationError, match=words):
        simulated(tmp_path / "f", **change)
    assert not (tmp_path / "f").exists()


def test_a_damaged_truth_file_is_named(made, tmp_path):
    broken = tmp_path / "V4-00001.npz"
    broken.write_bytes((made / "truth/V4-00001.npz").read_bytes()[:300])
    with pytest.raises(SimulationError, match=r"V4-00001\.npz"):
        load_spine_truth(broken)
