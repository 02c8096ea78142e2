import copy
import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate import anatomy, assets, bench, cohort, develop, dxa, hip, presets, scan, site, visit, xray
from xattn_bmd.simulate.bench import bench_text, differences, fingerprint, frozen, made_bench
from xattn_bmd.simulate.hip import simulate_hip
from xattn_bmd.simulate.subjects import draw_hips

SIMULATION = Path(hip.__file__).parent


@pytest.fixture(scope="module")
def made():
    return made_bench()


def test_the_code_makes_the_frozen_bench(made):
    assert differences(frozen(), made) == [], (
        "raise VERSION in simulate/cohort.py and run benchmark_difficulty/freeze.py"
    )


def test_every_hospital_and_preset_of_the_benchmark_is_frozen():
    stored = frozen()
    assert stored["version"] == cohort.VERSION
    assert set(stored["presets"]) == set(presets.PRESETS) - {"pretraining"}
    assert {one["person"]["site"] for one in stored["hips"]} == set(site.SITE_PROFILES)
    assert {one["person"]["sex"] for one in stored["hips"]} == {"female", "male"}
    assert {one["person"]["side"] for one in stored["hips"]} == {"L", "R"}


def test_the_text_holds_the_whole_bench(made):
    assert json.loads(bench_text(made)) == made


def test_the_fingerprint_follows_the_stored_file(monkeypatch):
    before = fingerprint()
    content = assets.read_asset(bench.FILE)
    monkeypatch.setattr(bench, "read_asset", lambda name: content + b" ")
    assert len(before) == 64 and fingerprint() != before


def test_a_damaged_file_is_named(monkeypatch):
    monkeypatch.setattr(bench, "read_asset", lambda name: b"{")
    with pytest.raises(SimulationError, match=r"intact bench\.json"):
        frozen()


def changed_pose(rng):
    return dataclasses.replace(POSE(rng), rotation=5.0)


def steeper(name):
    return dataclasses.replace(site.SITE_PROFILES[name], steepness=site.SITE_PROFILES[name].steepness * 1.02)


POSE = visit._pose
FAULTS = {
    "pose": (visit, "_pose", changed_pose, "rotation_deg"),
    "mineral": (visit, "CORTICAL_MINERAL", dxa.CORTICAL_MINERAL * 1.02, "posed_neck_bmd"),
    "muscles": (anatomy, "_MUSCLES", anatomy._MUSCLES[:-1], "picture"),
    "processing": (develop, "_ADAPTS", develop._ADAPTS + 0.03, "picture"),
    "fat": (xray, "FAT_G_CM3", xray.FAT_G_CM3 + 0.02, "picture"),
    "version": (bench, "VERSION", "hip-bench-0", f"version: {cohort.VERSION} is frozen, hip-bench-0 is made"),
    "assets": (bench, "asset_fingerprint", lambda: "0" * 16, "assets"),
    "hospital": (bench, "SITE_PROFILES", site.SITE_PROFILES | {"site_d": steeper("site_d")}, "sites"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_changed_bench_is_noticed(monkeypatch, fault):
    module, name, value, sign = FAULTS[fault]
    monkeypatch.setattr(module, name, value)
    assert any(sign in line for line in differences(frozen(), made_bench()))


def test_another_person_is_noticed(made):
    other = copy.deepcopy(made)
    other["hips"][3]["person"]["fn_bmd"] += 0.0001
    assert differences(other, made) == [
        f"reference hip 3: fn_bmd is {made['hips'][3]['person']['fn_bmd']} "
        f"instead of {other['hips'][3]['person']['fn_bmd']}"
    ]


@pytest.mark.parametrize(("grey", "noticed"), [(0.4, False), (-1.4, False), (1.6, True), (-1.6, True)])
def test_processors_may_round_but_no_more(made, grey, noticed):
    other = copy.deepcopy(made)
    other["hips"][0]["grey"][5][7] += grey
    other["hips"][0]["facts"]["posed_neck_bmd"] *= 1 + 1e-6
    assert bool(differences(other, made)) == noticed


def test_a_missing_reference_is_noticed(made):
    assert differences(made | {"hips": made["hips"][:5]}, made) == ["reference hips: 5 are frozen, 6 are made"]


def test_a_number_that_is_changed_in_the_code_is_noticed(made, monkeypatch, tmp_path):
    """A limit that none of the reference hips reaches: only the numbers of the code show its change."""
    for path in SIMULATION.glob("*.py"):
        shutil.copy(path, tmp_path)
    text = (tmp_path / "visit.py").read_text()
    assert "-8, 20)" in text
    (tmp_path / "visit.py").write_text(text.replace("-8, 20)", "-8, 21)") + "# and a comment of 77\n")
    with monkeypatch.context() as patched:
        patched.setattr(bench.resources, "files", lambda name: tmp_path)
        numbers = sorted(bench._numbers())
    assert differences(made, made | {"numbers": numbers}) == ["numbers in the code: [20.0] are gone, [21.0] are new"]


@pytest.mark.parametrize("preset", ["hcs", "external_d"])
def test_the_posed_neck_is_read_as_in_the_picture(preset):
    for one in draw_hips(n=3, preset=preset, seed=4):
        readings = scan.neck_readings(one, seed=4, size=128)
        assert readings.posed == dict(simulate_hip(one, seed=4, size=128).facts)["posed_neck_bmd"]


def test_the_pose_of_a_scan_is_what_the_posed_neck_lacks():
    hips = draw_hips(n=12, preset="screening", seed=4)
    errors = [[value / one.true_bmd for value in scan.neck_readings(one, seed=4, size=256)] for one in hips]
    scanned, posed = zip(*errors, strict=True)
    assert max(scanned) - min(scanned) < 0.04 < max(posed) - min(posed)
