import json
import logging
import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.radiograph_files import picture, write_dicom
from xattn_bmd.config import ImageConfig
from xattn_bmd.data.cache import cached_images, default_cache_folder
from xattn_bmd.data.pictures import build as cache_build
from xattn_bmd.data.preprocess import preprocess
from xattn_bmd.data.radiograph import read_radiograph
from xattn_bmd.errors import CacheError, RadiographError

SMALL = ImageConfig(size=16)
ROOT = Path(__file__).resolve().parents[2]


def _files(folder, count=5, first=0):
    folder.mkdir(exist_ok=True)
    numbers = range(first, first + count)
    return {f"r{n}": write_dicom(folder / f"{n}.dcm", picture(seed=n), PixelSpacing=[0.5, 0.5]) for n in numbers}


def _open(paths, tmp_path, **settings):
    return cached_images(paths, image=settings.pop("image", SMALL), folder=tmp_path / "cache", **settings)


def _expected(paths, image=SMALL):
    return np.stack([preprocess(read_radiograph(path), image)[0] for path in paths.values()])


def _maps(tmp_path):
    return sorted((tmp_path / "cache").glob("*/maps/*/pixels.npy"))


@pytest.mark.parametrize("workers", [None, 1, 3])
def test_rows_follow_the_ids_and_the_second_run_decodes_nothing(tmp_path, workers):
    paths = _files(tmp_path / "images")
    shown = []
    first = _open(paths, tmp_path, workers=workers, progress=lambda done, total: shown.append((done, total)))
    second = _open(paths, tmp_path, progress=lambda done, total: pytest.fail("nothing is left to decode"))
    assert first.ids == tuple(paths)
    assert (first.decoded, second.decoded) == (5, 0)
    assert shown == [(n, 5) for n in range(1, 6)]
    for opened in (first, second):
        np.testing.assert_array_equal(opened.pixels, _expected(paths))
        assert isinstance(opened.pixels, np.memmap)
        assert not opened.pixels.flags.writeable
        assert opened.pixels.dtype == np.uint16
    assert first.content_hashes == second.content_hashes
    assert first.steps == second.steps
    # 48 rows of 0.5 mm in 16 rows
    assert second.spacing_mm["r0"] == pytest.approx((1.5, 40 * 0.5 / 13))
    assert not list((tmp_path / "cache").glob("*/pictures/*"))


def test_a_second_run_reads_no_file(tmp_path, monkeypatch):
    paths = _files(tmp_path / "images")
    _open(paths, tmp_path)
    original = Path.open

    def refuse_images(self, *args, **kwargs):
        assert self.suffix != ".dcm", "an image file was opened again"
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse_images)
    assert _open(paths, tmp_path).decoded == 0


def test_a_new_file_costs_one_decode(tmp_path):
    paths = _files(tmp_path / "images")
    _open(paths, tmp_path)
    more = paths | _files(tmp_path / "images", count=1, first=9)
    opened = _open(more, tmp_path)
    assert opened.decoded == 1
    np.testing.assert_array_equal(opened.pixels, _expected(more))


def test_another_order_or_other_names_decode_nothing(tmp_path):
    paths = _files(tmp_path / "images")
    _open(paths, tmp_path)
    turned = dict(reversed(paths.items()))
    opened = _open(turned, tmp_path)
    assert opened.decoded == 0
    np.testing.assert_array_equal(opened.pixels, _expected(turned))
    renamed = {f"new_{name}": path for name, path in paths.items()}
    assert _open(renamed, tmp_path).ids == tuple(renamed)


def test_a_changed_file_is_decoded_again_even_with_its_old_time(tmp_path):
    paths = _files(tmp_path / "images")
    _open(paths, tmp_path)
    before = paths["r2"].stat()
    write_dicom(paths["r2"], picture(seed=77), PixelSpacing=[0.5, 0.5])
    os.utime(paths["r2"], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert paths["r2"].stat().st_size == before.st_size
    opened = _open(paths, tmp_path)
    assert opened.decoded == 1
    np.testing.assert_array_equal(opened.pixels, _expected(paths))


@pytest.mark.parametrize("other", [ImageConfig(size=20), ImageConfig(size=16, crop="none")])
def test_other_preprocessing_is_another_map(tmp_path, other):
    paths = _files(tmp_path / "images")
    _open(paths, tmp_path)
    opened = _open(paths, tmp_path, image=other)
    assert opened.decoded == 5
    np.testing.assert_array_equal(opened.pixels, _expected(paths, other))


def test_one_picture_in_several_containers_has_one_hash(tmp_path):
    levels = picture()
    paths = {
        "dicom": write_dicom(tmp_path / "a.dcm", levels, WindowCenter="2000", WindowWidth="3000"),
        "negative": write_dicom(tmp_path / "b.dcm", 4095 - levels, photometric="MONOCHROME1", RescaleSlope="0.1",
                                RescaleIntercept="5"),
        "png": tmp_path / "c.png",
        "other": write_dicom(tmp_path / "d.dcm", picture(seed=1)),
    }  # fmt: skip
    Image.fromarray(levels).save(paths["png"])
    hashes = dict(zip(paths, _open(paths, tmp_path).content_hashes, strict=True))
    assert hashes["dicom"] == hashes["negative"] == hashes["png"] != hashes["other"]


def test_the_same_file_twice_is_decoded_once(tmp_path):
    paths = _files(tmp_path / "images", count=1)
    opened = _open(paths | {"again": paths["r0"]}, tmp_path)
    assert opened.decoded == 1
    np.testing.assert_array_equal(opened.pixels[0], opened.pixels[1])


_DAMAGES = [(name, change) for name in ("pixels.npy", "records.json") for change in ("cut", "empty", "delete")]


@pytest.mark.parametrize(("name", "change"), [*_DAMAGES, ("records.json", "garble")])
def test_a_damaged_map_is_noticed_and_built_again(tmp_path, caplog, name, change):
    paths = _files(tmp_path / "images")
    _open(paths, tmp_path)
    file = _maps(tmp_path)[0].with_name(name)
    content = file.read_bytes()
    if change == "delete":
        file.unlink()
    else:
        file.write_bytes({"cut": content[:-100], "empty": b"", "garble": content.replace(b"0.5", b"0.6")}[change])
    with caplog.at_level(logging.WARNING):
        opened = _open(paths, tmp_path)
    assert "built again" in caplog.text
    assert opened.decoded == 5
    np.testing.assert_array_equal(opened.pixels, _expected(paths))
    assert _open(paths, tmp_path).decoded == 0


def test_damaged_memo_is_ignored(tmp_path):
    paths = _files(tmp_path / "images")
    _open(paths, tmp_path)
    (tmp_path / "cache" / "digests.json").write_text("{")
    assert _open(paths, tmp_path).decoded == 0


def test_all_unreadable_files_are_listed_and_the_rest_is_kept(tmp_path):
    paths = _files(tmp_path / "images")
    paths["empty"] = tmp_path / "empty.dcm"
    paths["empty"].write_bytes(b"")
    paths["gone"] = tmp_path / "gone.dcm"
    paths["cut"] = tmp_path / "cut.dcm"
    paths["cut"].write_bytes(paths["r0"].read_bytes()[:900])
    with pytest.raises(RadiographError, match="3 of 8") as caught:
        _open(paths, tmp_path)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()[1:]] == ["- empty", "- gone", "- cut"]
    assert str(tmp_path) not in str(caught.value)
    assert not _maps(tmp_path)
    mended = {name: path for name, path in paths.items() if name.startswith("r")}
    assert _open(mended, tmp_path).decoded == 0


def test_missing_file_never_opens_the_map_of_the_others(tmp_path):
    paths = _files(tmp_path / "images")
    _open(paths, tmp_path)
    with pytest.raises(RadiographError, match="1 of 6"):
        _open({"gone": tmp_path / "gone.dcm"} | paths, tmp_path)


BUILD = """
    import sys, time
    from pathlib import Path
    from xattn_bmd.config import ImageConfig
    from xattn_bmd.data.cache import cached_images
    images, folder, pause = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    paths = {f"r{n}": images / f"{n}.dcm" for n in range(len(list(images.iterdir())))}
    def shown(done, total):
        print(done, flush=True)
        time.sleep(pause)
    cached_images(paths, image=ImageConfig(size=16), folder=folder, progress=shown)
"""


def _start(tmp_path, pause):
    # no guard for spawned processes on purpose: a plain script must do
    command = [
        sys.executable,
        "-c",
        textwrap.dedent(BUILD),
        str(tmp_path / "images"),
        str(tmp_path / "cache"),
        str(pause),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True)


def test_killed_build_leaves_no_map_and_its_work_is_kept(tmp_path):
    paths = _files(tmp_path / "images", count=12)
    process = _start(tmp_path, 0.05)
    for line in process.stdout:
        if int(line) >= 5:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not _maps(tmp_path)
    opened = _open(paths, tmp_path)
    assert opened.decoded <= 7
    np.testing.assert_array_equal(opened.pixels, _expected(paths))


def test_two_processes_building_at_once_agree(tmp_path):
    paths = _files(tmp_path / "images", count=12)
    processes = [_start(tmp_path, 0.01) for _ in range(2)]
    codes = []
    for process in processes:
        process.communicate()
        codes.append(process.returncode)
    assert codes == [0, 0]
    opened = _open(paths, tmp_path)
    assert opened.decoded == 0
    np.testing.assert_array_equal(opened.pixels, _expected(paths))
    assert len(_maps(tmp_path)) == 1


def test_threads_building_at_once_agree(tmp_path):
    paths = _files(tmp_path / "images", count=8)
    found = []
    threads = [threading.Thread(target=lambda: found.append(_open(paths, tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for opened in found:
        np.testing.assert_array_equal(opened.pixels, _expected(paths))


@pytest.mark.parametrize("stage", ["pictures", "map"])
def test_full_disk_is_a_cache_error_and_leaves_no_map(tmp_path, monkeypatch, stage):
    paths = _files(tmp_path / "images")

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    target = "xattn_bmd.atomic.os.fdopen" if stage == "pictures" else "xattn_bmd.data.pictures.picture_map.os.fsync"
    monkeypatch.setattr(target, full)
    with pytest.raises(CacheError, match="disk"):
        _open(paths, tmp_path)
    monkeypatch.undo()
    assert not _maps(tmp_path)
    assert not list((tmp_path / "cache").rglob(".partial-*"))
    assert len(_open(paths, tmp_path).ids) == 5


def test_remains_of_killed_builds_are_swept_when_a_day_old(tmp_path):
    _open(_files(tmp_path / "images"), tmp_path)
    maps = _maps(tmp_path)[0].parent.parent
    for name, age in ((".partial-old", 2 * 86400), (".partial-young", 60)):
        (maps / name).mkdir()
        os.utime(maps / name, (time.time() - age,) * 2)
    _open(_files(tmp_path / "images", count=6), tmp_path)
    assert [path.name for path in maps.glob(".partial-*")] == [".partial-young"]


def test_cache_is_private_and_holds_no_path(tmp_path):
    _open(_files(tmp_path / "images"), tmp_path)
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700
    memo = json.loads((tmp_path / "cache" / "digests.json").read_text())
    assert len(memo) == 5
    assert str(tmp_path) not in str(memo)


def test_unusable_folder_and_no_images_are_refused(tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(CacheError, match="XATTN_BMD_CACHE"):
        _open(_files(tmp_path / "images"), tmp_path)
    with pytest.raises(CacheError, match="at least one"):
        cached_images({}, image=SMALL, folder=tmp_path / "other")


def test_default_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XATTN_BMD_CACHE", str(tmp_path / "named"))
    assert default_cache_folder() == tmp_path / "named"
    monkeypatch.delenv("XATTN_BMD_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / "xattn_bmd"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache_folder() == Path.home() / ".cache" / "xattn_bmd"


def test_few_pictures_are_in_memory_at_a_time(tmp_path, monkeypatch):
    paths = _files(tmp_path / "images", count=30)
    ahead, done = [], []
    original = cache_build.decode

    def counted(*args, **kwargs):
        ahead.append(len(ahead) + 1 - len(done))
        return original(*args, **kwargs)

    monkeypatch.setattr(cache_build, "decode", counted)

    def slow(finished, total):
        done.append(finished)
        time.sleep(0.002)

    _open(paths, tmp_path, workers=2, progress=slow)
    assert max(ahead) <= 10
