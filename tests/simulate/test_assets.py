import pytest

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate import assets


@pytest.fixture(autouse=True)
def fresh_caches():
    yield
    for cached in (assets.load_arrays, assets.load_json, assets.asset_fingerprint):
        cached.cache_clear()


def test_every_asset_is_present_and_small():
    assert sum(len(assets.read_asset(name)) for name in assets.ASSETS) < 1_000_000


def test_the_notice_names_every_asset_and_its_licence():
    notice = assets.read_asset("NOTICE").decode()
    assert all(name in notice for name in assets.ASSETS) and "Mozilla Public License" in notice


def test_a_missing_asset_is_named():
    with pytest.raises(SimulationError, match=r"nothing\.npz"):
        assets.read_asset("nothing.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04broken", b"no zip at all"])
def test_a_damaged_array_asset_is_named(monkeypatch, content):
    assets.load_arrays.cache_clear()
    monkeypatch.setattr(assets, "read_asset", lambda name: content)
    with pytest.raises(SimulationError, match=r"intact femur\.npz"):
        assets.load_arrays("femur.npz")


def test_a_truncated_array_asset_is_named(monkeypatch):
    whole = assets.read_asset("pelvis.npz")
    assets.load_arrays.cache_clear()
    monkeypatch.setattr(assets, "read_asset", lambda name: whole[: len(whole) // 2])
    with pytest.raises(SimulationError, match=r"pelvis\.npz"):
        assets.load_arrays("pelvis.npz")


def test_a_damaged_json_asset_is_named(monkeypatch):
    assets.load_json.cache_clear()
    monkeypatch.setattr(assets, "read_asset", lambda name: b"{")
    with pytest.raises(SimulationError, match=r"subjects\.json"):
        assets.load_json("subjects.json")


def test_only_aggregate_numbers_are_shipped():
    model = assets.load_json("subjects.json")
    assert set(model) == {"provenance", "n", "sexes"} and "NHANES" in model["provenance"]
    assert len(assets.read_asset("subjects.json")) < 20_000
