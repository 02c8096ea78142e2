import csv
import errno
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
import yaml

from xattn_bmd import atomic
from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate import folder, simulate_cohort
from xattn_bmd.simulate.truth import load_truth

SIZE, N = 96, 8


def content(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("cohort") / "hips"
    simulate_cohort(root, n=N, size=SIZE, workers=1)
    return root


def rows(root: Path) -> list[dict[str, str]]:
    with (root / "cohort.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_layout(made):
    ids = [row["radiograph_id"] for row in rows(made)]
    assert len(ids) == len(set(ids)) == N
    assert {p.name for p in made.iterdir()} == {"images", "truth", "cohort.csv", "cohort.yaml"}
    assert {p.name for p in (made / "images").iterdir()} == {f"{i}.dcm" for i in ids}
    assert {f"{i}.npz" for i in ids} < {p.name for p in (made / "truth").iterdir()}


def test_roles_name_the_columns_of_the_table(made):
    roles, table = yaml.safe_load((made / "cohort.yaml").read_text()), rows(made)
    named = {roles[role] for role in ("id", "patient", "image", "site", "side")} | {roles["target"]["column"]}
    assert named | set(roles["numeric"]) | set(roles["categorical"]) == set(table[0])
    assert roles["simulated"] is True and roles["reference"] == "lunar_femoral_neck_white_female"
    for row in table:
        for name, role in roles["numeric"].items():
            if row[name]:
                assert role["range"][0] <= float(row[name]) <= role["range"][1]
        for name, categories in roles["categorical"].items():
            assert row[name] in ["", *categories]


def test_same_bytes_with_other_workers(made, tmp_path):
    seen = []
    simulate_cohort(tmp_path / "b", n=N, size=SIZE, workers=2, progress=lambda done, total: seen.append((done, total)))
    assert content(tmp_path / "b") == content(made)
    assert seen == [(i + 1, N) for i in range(N)]


def test_same_bytes_in_another_order(made, tmp_path, monkeypatch):
    run = folder._run
    monkeypatch.setattr(folder, "_run", lambda make, hips, **rest: run(make, hips[::-1], **rest))
    simulate_cohort(tmp_path / "c", n=N, size=SIZE, workers=1)
    assert content(tmp_path / "c") == content(made)


def test_another_seed_gives_other_pictures(made, tmp_path):
    simulate_cohort(tmp_path / "d", n=1, size=SIZE, seed=1, workers=1)
    assert (tmp_path / "d/images/H1-00001.dcm").read_bytes() != (made / "images/H0-00001.dcm").read_bytes()
    ids = [set(pd.read_csv(root / "cohort.csv")["patient_id"]) for root in (tmp_path / "d", made)]
    assert not ids[0] & ids[1]


class Interruption(BaseException):
    pass


def test_an_interrupted_run_continues_to_the_same_files(made, tmp_path):
    root = tmp_path / "e"

    def stop(done, total):
        if done == 3:
            raise Interruption

    with pytest.raises(Interruption):
        simulate_cohort(root, n=N, size=SIZE, workers=1, progress=stop)
    assert not (root / "cohort.csv").exists()
    (root / "images" / ".partial-H0-00004.dcm-x").write_bytes(b"half")
    finished = {p: p.stat().st_mtime_ns for p in (root / "images").glob("*.dcm")}
    assert len(finished) == 3
    simulate_cohort(root, n=N, size=SIZE, workers=1)
    assert content(root) == content(made)
    assert all(p.stat().st_mtime_ns == before for p, before in finished.items())


@pytest.mark.parametrize(("n", "processes"), [(1, 1), (15, 1), (16, 2), (70, 4)])
def test_one_process_for_each_16_radiographs_and_no_more_than_cores(tmp_path, monkeypatch, n, processes):
    def started(make, people, *, workers):
        raise Interruption(workers)

    monkeypatch.setattr(folder, "_run", started)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    with pytest.raises(Interruption) as stopped:
        simulate_cohort(tmp_path, n=n, repeats=2, size=SIZE)
    assert stopped.value.args == (processes,)


@pytest.mark.parametrize("change", [{"seed": 1}, {"n": N + 1}, {"size": SIZE + 2}, {"preset": "screening"}])
def test_other_settings_are_refused(made, change):
    before = content(made)
    with pytest.raises(SimulationError, match=f"other settings.*{next(iter(change))}"):
        simulate_cohort(made, **({"n": N, "size": SIZE, "workers": 1} | change))
    assert content(made) == before


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(SimulationError, match="other files"):
        simulate_cohort(tmp_path, n=1, size=SIZE, workers=1)
    assert content(tmp_path) == {"mine.txt": b"keep"}


def test_repeated_radiographs_share_hip_and_label(tmp_path):
    table = pd.read_csv(simulate_cohort(tmp_path / "h", n=2, size=SIZE, repeats=3, workers=1))
    assert len(table) == 6 and table.radiograph_id.is_unique
    assert [len(set(group.fn_bmd)) for _, group in table.groupby(["patient_id", "side"])] == [1, 1]
    pixels = {(tmp_path / "h/images" / name).read_bytes() for name in table.image}
    assert len(pixels) == 6


def test_real_people_are_given_radiographs(tmp_path):
    people = pd.DataFrame(
        {"sex": ["F", "M"], "age": [66, 71], "height": [158, 177], "weight": [60, 88], "fn_bmd": [0.62, 0.81]}
    )
    root = tmp_path / "i"
    table = pd.read_csv(simulate_cohort(root, subjects=people, scale="hologic", size=SIZE, workers=1))
    assert table.fn_bmd.to_numpy() == pytest.approx([0.62, 0.81], rel=0.06)
    assert yaml.safe_load((root / "cohort.yaml").read_text())["reference"] == "hologic_femoral_neck_white_female"
    assert pd.read_csv(root / "truth/rows.csv").table_row.tolist() == [0, 1]
    facts = pd.read_csv(root / "truth/truth.csv")
    assert facts.dxa_bmd.to_numpy() == pytest.approx(1.1576 * people.fn_bmd.to_numpy() + 0.0447, abs=1e-3)
    with pytest.raises(SimulationError, match=r"other settings.*subjects"):
        simulate_cohort(root, subjects=people.assign(weight=[61, 88]), scale="hologic", size=SIZE, workers=1)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"n": 2}, "subjects and n were both given"),
        ({"preset": "hcs"}, "subjects and preset"),
        ({"repeats": 0}, "at least 1 radiograph"),
        ({"subjects": None, "scale": "hologic"}, "on the Lunar scale"),
        ({"scale": None}, "name the DXA device"),
    ],
)
def test_contradicting_settings_are_refused(tmp_path, change, words):
    people = pd.DataFrame({"sex": ["F"], "age": [66], "height": [158], "weight": [60], "fn_bmd": [0.62]})
    with pytest.raises(SimulationError, match=words):
        simulate_cohort(tmp_path / "j", **({"subjects": people, "scale": "lunar", "size": SIZE, "workers": 1} | change))
    assert not (tmp_path / "j").exists()


@pytest.mark.parametrize("change", [{"size": 63}, {"size": 97}, {"size": 8192}, {"workers": 0}, {"n": 0}, {"seed": -1}])
def test_impossible_settings_leave_nothing(tmp_path, change):
    with pytest.raises(SimulationError):
        simulate_cohort(tmp_path / "f", **({"n": 1, "size": SIZE, "workers": 1} | change))
    assert not (tmp_path / "f").exists()


def test_a_full_disk_is_explained_and_nothing_half_written_stays(tmp_path, monkeypatch):
    real, calls = os.fdopen, []

    def full(handle, *rest):
        calls.append(handle)
        if len(calls) > 5:
            os.close(handle)
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, *rest)

    monkeypatch.setattr(atomic.os, "fdopen", full)
    with pytest.raises(SimulationError, match="free disk space"):
        simulate_cohort(tmp_path / "g", n=N, size=SIZE, workers=1)
    monkeypatch.undo()
    assert not (tmp_path / "g/cohort.csv").exists()
    assert not [p for p in (tmp_path / "g").rglob(".partial-*")]
    simulate_cohort(tmp_path / "g", n=N, size=SIZE, workers=1)


def test_dicom_files_are_valid_and_made_up(made):
    table = {row["image"]: row for row in rows(made)}
    kinds = set()
    for name, row in table.items():
        data = pydicom.dcmread(made / "images" / name)
        kinds.add((row["site"], data.PhotometricInterpretation))
        assert (data.Modality, data.BitsAllocated, data.BitsStored, data.HighBit) == ("DX", 16, 12, 11)
        assert data.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
        assert data.PatientID == row["patient_id"] and str(data.PatientName) == "Simulated^Hip"
        assert data.ImageLaterality == row["side"] and data.StudyDate == ""
        assert data.pixel_array.shape == (SIZE, SIZE) and data.pixel_array.max() < 4096
        assert float(data.ImagerPixelSpacing[0]) * SIZE in (pytest.approx(286, abs=0.1), pytest.approx(268, abs=0.1))
        assert data.SOPInstanceUID.is_valid and data.StudyInstanceUID.is_valid
        low = data.WindowCenter - data.WindowWidth / 2
        assert low <= data.pixel_array.min() and data.pixel_array.max() <= low + data.WindowWidth
    assert kinds == {("site_a", "MONOCHROME2"), ("site_b", "MONOCHROME1")}


def test_the_border_tells_the_polarity(made):
    """Site a blackens its border; site b leaves it unexposed, which shows white: both are stored as low values."""
    for row in rows(made):
        data = pydicom.dcmread(made / "images" / row["image"])
        assert np.median(data.pixel_array[0]) == (0 if row["site"] == "site_a" else 260)


def test_truth_is_readable_and_agrees_with_the_table(made):
    with (made / "truth/truth.csv").open() as stream:
        facts = {row["radiograph_id"]: row for row in csv.DictReader(stream)}
    for row in rows(made):
        truth = load_truth(made / "truth" / f"{row['radiograph_id']}.npz")
        assert truth.femur.shape == truth.neck.shape == truth.pelvis.shape == (SIZE, SIZE)
        assert truth.areal.shape == (SIZE // 2, SIZE // 2)
        neck = truth.neck.reshape(SIZE // 2, 2, SIZE // 2, 2).mean(axis=(1, 3)) == 1
        fact = facts[row["radiograph_id"]]
        assert truth.areal[neck].mean() == pytest.approx(float(fact["posed_neck_bmd"]), rel=0.12)
        assert float(fact["true_bmd"]) == pytest.approx(float(row["fn_bmd"]), rel=0.09)


def test_a_damaged_truth_file_is_named(made, tmp_path):
    broken = tmp_path / "H0-00001.npz"
    broken.write_bytes((made / "truth/H0-00001.npz").read_bytes()[:500])
    with pytest.raises(SimulationError, match=r"H0-00001\.npz"):
        load_truth(broken)
