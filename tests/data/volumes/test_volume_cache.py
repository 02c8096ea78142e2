"""Cached volumes: read once, whole or absent, rebuilt when damaged."""

import logging
import stat

import numpy as np
import pytest

from tests.data.volumes.made_scans import SECRET, grid, sampled, write_nifti, write_series
from xattn_bmd import read_volume
from xattn_bmd.data import volume as volume_module
from xattn_bmd.data.volumes import cache as volume_cache
from xattn_bmd.data.volumes.cache import cached_volume
from xattn_bmd.errors import CacheError, VolumeError


def _entries(cache):
    return sorted(cache.glob("volumes/*/voxels.npy"))


def _nothing_is_read(monkeypatch):
    monkeypatch.setattr(volume_cache, "read_volume", lambda *_, **__: pytest.fail("the scan was read again"))


def test_the_second_run_reads_nothing(tmp_path, monkeypatch):
    scan, cache = write_series(tmp_path / "scan"), tmp_path / "cache"
    direct, first = read_volume(scan), cached_volume(scan, folder=cache)
    _nothing_is_read(monkeypatch)
    monkeypatch.setattr(type(scan), "read_bytes", lambda self: pytest.fail("a file was opened again"))
    second = cached_volume(scan, folder=cache)
    for opened in (first, second):
        assert isinstance(opened.voxels, np.memmap) and opened.voxels.dtype == np.int16
        assert not opened.voxels.flags.writeable
        np.testing.assert_array_equal(opened.voxels, direct.voxels)
        np.testing.assert_array_equal(opened.affine, direct.affine)
        assert opened.spacing_mm == direct.spacing_mm and opened.orientation == direct.orientation
        assert opened.steps == (*direct.steps, "rounded to whole HU for the cache")
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert not any(SECRET.encode() in file.read_text().encode() for file in cache.rglob("*.json"))


def test_the_users_cache_is_the_default(tmp_path, monkeypatch):
    monkeypatch.setenv("XATTN_BMD_CACHE", str(tmp_path / "mine"))
    cached_volume(write_series(tmp_path / "scan"))
    assert len(_entries(tmp_path / "mine")) == 1


def test_halves_are_rounded(tmp_path):
    scan = write_series(tmp_path / "scan", slope=0.25, intercept=-2000.25)
    assert np.abs(cached_volume(scan, folder=tmp_path / "cache").voxels - read_volume(scan).voxels).max() <= 0.5


def test_content_is_the_key_not_names(tmp_path, monkeypatch):
    scan, cache = write_series(tmp_path / "scan"), tmp_path / "cache"
    cached_volume(scan, folder=cache)
    for number, file in enumerate(sorted(scan.iterdir(), reverse=True)):
        file.rename(scan / f"renamed{number}")
    with monkeypatch.context() as patch:
        _nothing_is_read(patch)
        cached_volume(scan.rename(tmp_path / "elsewhere"), folder=cache)
    other = cached_volume(write_series(scan, intercept=-1025.0), folder=cache)
    np.testing.assert_array_equal(other.voxels, read_volume(scan).voxels)
    assert len(_entries(cache)) == 2


def test_each_series_and_a_new_format_have_their_own_entries(tmp_path, monkeypatch):
    scan, cache = write_series(tmp_path / "scan"), tmp_path / "cache"
    write_series(
        scan, prefix="t", numbers=range(4), change=lambda d, _: d.__setattr__("SeriesInstanceUID", "1.2.826.7.2")
    )
    shapes = {
        cached_volume(scan, folder=cache, series="1.2.826.7.1").voxels.shape,
        cached_volume(scan, folder=cache, series="1.2.826.7.2").voxels.shape,
        cached_volume(scan / "t00.dcm", folder=cache).voxels.shape,
    }
    assert shapes == {(7, 6, 5), (4, 6, 5)} and len(_entries(cache)) == 3
    monkeypatch.setattr(volume_cache, "VOLUME_FORMAT", volume_cache.VOLUME_FORMAT + 1)
    cached_volume(scan / "t00.dcm", folder=cache)
    assert len(_entries(cache)) == 4


def test_nifti_is_cached_without_its_neighbours(tmp_path, monkeypatch):
    affine, shape = grid()
    path = write_nifti(tmp_path / "ct.nii.gz", sampled(affine, shape).astype(np.int16), affine)
    cached_volume(path, folder=tmp_path / "cache")
    (tmp_path / "neighbour.txt").write_text("new")
    _nothing_is_read(monkeypatch)
    cached_volume(path, folder=tmp_path / "cache")


@pytest.mark.parametrize("name", ["voxels.npy", "record.json"])
@pytest.mark.parametrize("damage", ["cut", "empty", "delete", "edit"])
def test_a_damaged_entry_is_noticed_and_built_again(tmp_path, name, damage, caplog):
    scan, cache = write_series(tmp_path / "scan"), tmp_path / "cache"
    before = np.array(cached_volume(scan, folder=cache).voxels)
    file = _entries(cache)[0].parent / name
    content = file.read_bytes()
    if damage == "delete":
        file.unlink()
    else:
        edited = content.replace(b"3.0", b"4.0").replace(b"<i2", b"<u2")
        file.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "edit": edited}[damage])
    with caplog.at_level(logging.WARNING):
        after = cached_volume(scan, folder=cache)
    assert "damaged" in caplog.text
    np.testing.assert_array_equal(after.voxels, before)
    assert len(_entries(cache)) == 1 and not list(cache.glob("volumes/.partial-*"))


def test_nothing_is_left_of_an_interrupted_write(tmp_path, monkeypatch):
    scan, cache = write_series(tmp_path / "scan"), tmp_path / "cache"

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(volume_cache.os, "fsync", stop)
        with pytest.raises(KeyboardInterrupt):
            cached_volume(scan, folder=cache)
    assert not list((cache / "volumes").iterdir())
    assert cached_volume(scan, folder=cache).voxels.shape == (7, 6, 5)


def test_an_entry_that_vanishes_each_time_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(volume_cache, "_opened", lambda entry: None)
    with pytest.raises(CacheError, match="another program may be deleting it"):
        cached_volume(write_series(tmp_path / "scan"), folder=tmp_path / "cache")


def test_faults_of_the_scan_come_through(tmp_path):
    with pytest.raises(VolumeError, match="nowhere does not exist"):
        cached_volume(tmp_path / "nowhere", folder=tmp_path / "cache")
    with pytest.raises(VolumeError, match="1 of scan are missing"):
        cached_volume(write_series(tmp_path / "scan", numbers=[0, 1, 3, 4]), folder=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("volumes/*"))
    assert volume_module.read_volume is read_volume
