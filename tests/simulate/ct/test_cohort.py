"""A folder of simulated CT volumes: files, table, roles, determinism, continuation, refusals."""

import json

import nibabel
import numpy as np
import pandas as pd
import pydicom
import pytest
import yaml

from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.volume import read_volume
from xattn_bmd.data.volumes.labels import read_labels
from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate import folder
from xattn_bmd.simulate.cohort import simulate_cohort
from xattn_bmd.simulate.ct.bones import BODY_LABELS
from xattn_bmd.simulate.ct.cohort import simulate_ct
from xattn_bmd.simulate.ct.people import draw_scans
from xattn_bmd.simulate.ct.presets import CT_PRESETS
from xattn_bmd.simulate.ct.scanner import SCANNERS

N, SIZE = 3, 40
IDS = ["T4-00001", "T4-00002", "T4-00003"]


def simulated(root, **change):
    return simulate_ct(root, **({"n": N, "seed": 4, "size": SIZE, "workers": 1} | change))


def content(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("ct") / "a"
    simulated(root)
    return root


def test_table_and_roles_open_as_a_cohort(made):
    cohort = Cohort.from_csv(made / "cohort.csv")
    assert len(cohort) == N and not [problem for problem in cohort.check() if problem.severity == "error"]
    roles = yaml.safe_load((made / "cohort.yaml").read_text())
    assert roles["target"] == {"column": "qct", "unit": "mg/cm3", "range": [-50, 400]} and roles["simulated"] is True
    table = pd.read_csv(made / "cohort.csv")
    assert table.scan_id.tolist() == IDS and (table.scanner == "scanner_a").all() and (table.kvp == 120).all()
    assert table.image.tolist() == [f"{name}.nii.gz" for name in IDS]
    assert "no clinical evidence" in (made / "truth/assumptions.txt").read_text()


def test_volumes_and_labels_are_read_on_one_grid(made):
    names = json.loads((made / "truth/labels.json").read_text())
    assert names == BODY_LABELS
    for name in IDS:
        volume = read_volume(made / f"images/{name}.nii.gz")
        assert volume.voxels.shape == (64, SIZE, SIZE) and volume.spacing_mm == (3.0, 6.0, 6.0)
        bodies = read_labels(made / f"truth/bodies/{name}.nii.gz", like=volume, names=names)
        inner = read_labels(made / f"truth/trabecular/{name}.nii.gz", like=volume, names=names)
        assert (bodies.labels[inner.labels > 0] == inner.labels[inner.labels > 0]).all()
        heights = [np.argwhere(bodies.labels == names[level])[:, 0].mean() for level in ("L1", "L2", "L3", "L4")]
        assert heights == sorted(heights), "slices run from head to feet"


def test_truth_agrees_with_the_table(made):
    table, facts = pd.read_csv(made / "cohort.csv"), pd.read_csv(made / "truth/truth.csv")
    assert facts.scan_id.tolist() == IDS
    assert ((facts.qct_L1 + facts.qct_L2) / 2).to_numpy() == pytest.approx(facts.true_qct.to_numpy(), abs=0.01)
    assert table.qct.to_numpy() == pytest.approx(facts.true_qct.to_numpy(), abs=7)


def test_a_dicom_series_holds_the_same_volume(tmp_path):
    for file_format in ("dicom", "nifti"):
        simulated(tmp_path / file_format, file_format=file_format, n=1, size=32)
    series = read_volume(tmp_path / "dicom/images/T4-00001")
    nifti = read_volume(tmp_path / "nifti/images/T4-00001.nii.gz")
    assert (series.voxels == nifti.voxels).all() and np.allclose(series.affine, nifti.affine, atol=1e-4)
    data = pydicom.dcmread(tmp_path / "dicom/images/T4-00001/0001.dcm")
    assert data.PatientID == "TP4-00001" and str(data.PatientName) == "Simulated^Spine" and data.StudyDate == ""
    assert data.file_meta.TransferSyntaxUID.name == "RLE Lossless" and data.Modality == "CT"
    assert (read_labels(tmp_path / "dicom/truth/bodies/T4-00001.nii.gz", like=series).labels > 0).any()


def test_same_bytes_with_other_workers_and_in_another_order(made, tmp_path, monkeypatch):
    simulated(tmp_path / "b", workers=2)
    assert content(tmp_path / "b") == content(made)
    run = folder._run
    monkeypatch.setattr(folder, "_run", lambda make, people, **rest: run(make, people[::-1], **rest))
    simulated(tmp_path / "c")
    assert content(tmp_path / "c") == content(made)


class Interruption(BaseException):
    pass


def test_an_interrupted_series_continues_to_the_same_files(tmp_path):
    whole, root = tmp_path / "w", tmp_path / "e"
    simulated(whole, file_format="dicom", n=2, size=32)

    def stop(done, total):
        raise Interruption

    with pytest.raises(Interruption):
        simulated(root, file_format="dicom", n=2, size=32, progress=stop)
    assert not (root / "cohort.csv").exists()
    (root / "images/T4-00001/0007.dcm").unlink()
    for name in IDS[:2]:
        (root / "images" / name).mkdir(exist_ok=True)
        (root / "images" / name / ".partial-0007.dcm-x").write_bytes(b"half")
    simulated(root, file_format="dicom", n=2, size=32)
    assert content(root) == content(whole)


def test_the_general_command_makes_the_same(made, tmp_path):
    simulate_cohort(tmp_path / "g", preset="ct", n=N, seed=4, size=SIZE, workers=1)
    assert content(tmp_path / "g") == content(made)


def test_external_hospitals_share_no_scanner_and_no_identifier(tmp_path):
    scanners = {
        name: {scanner for hospital in CT_PRESETS[name].hospitals for scanner in hospital[3]} for name in CT_PRESETS
    }
    assert not scanners["ct"] & scanners["ct_external"] and len(scanners["ct_external"]) == 4
    assert set.union(*scanners.values()) == set(SCANNERS)
    scans = draw_scans(n=40, preset="ct_external", seed=0)
    assert {scan.site: None for scan in scans}.keys() == {"ct_b", "ct_c", "ct_d"}
    assert [sum(scan.site == site for scan in scans) for site in ("ct_b", "ct_c", "ct_d")] == [16, 12, 12]
    assert {scan.scanner for scan in scans} == scanners["ct_external"]
    assert not {scan.scan_id for scan in scans} & {scan.scan_id for scan in draw_scans(n=40, preset="ct", seed=0)}


def test_a_cohort_spans_the_three_classes():
    qct = np.array([scan.qct for scan in draw_scans(n=879, preset="ct", seed=0)])
    shares = [np.mean(qct < 80), np.mean((qct >= 80) & (qct <= 120)), np.mean(qct > 120)]
    assert min(shares) > 0.15 and 30 < qct.std() < 50


def test_repeated_scans_share_patient_and_label(tmp_path):
    table = pd.read_csv(simulated(tmp_path / "r", n=1, repeats=2))
    assert table.patient_id.tolist() == ["TP4-00001"] * 2 and table.qct.nunique() == 1
    first, second = (nibabel.load(tmp_path / "r/images" / name).get_fdata() for name in table.image)
    assert (first != second).any()


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"n": 4}, {"size": 41}, {"field": "body"}, {"phantom": False}, {"metal": 0.5}]
)
def test_other_settings_are_refused(made, change):
    with pytest.raises(SimulationError, match=f"other settings.*{next(iter(change))}"):
        simulated(made, **change)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"n": 0}, "at least 1 scan"),
        ({"seed": -1}, "seed must be 0"),
        ({"size": 16}, "from 32 to 1024"),
        ({"workers": 0}, "at least 1 worker"),
        ({"repeats": 0}, "at least 1 scan"),
        ({"field": "head"}, "'head'"),
        ({"file_format": "png"}, "'png'"),
        ({"metal": 1.5}, "metal is 1.5"),
        ({"preset": "mri"}, "'mri'"),
    ],
)
def test_impossible_settings_leave_nothing(tmp_path, change, words):
    with pytest.raises(SimulationError, match=words):
        simulated(tmp_path / "f", **change)
    assert not (tmp_path / "f").exists()


def test_a_damaged_truth_file_is_named(tmp_path):
    simulated(tmp_path / "t", n=1)
    (tmp_path / "t/truth/T4-00001.json").write_text("{")
    with pytest.raises(SimulationError, match=r"T4-00001\.json.*run the simulation again"):
        simulated(tmp_path / "t", n=1)


def test_nibabel_is_asked_for_by_name(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nibabel", None)
    with pytest.raises(SimulationError, match=r"pip install 'xattn-bmd\[nifti\]'"):
        simulated(tmp_path / "n")
    assert not (tmp_path / "n").exists()
