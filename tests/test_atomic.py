"""Files and folders are whole or absent."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from xattn_bmd.atomic import atomic_folder, atomic_replace, atomic_write, remove_partials
from xattn_bmd.errors import CacheError, RunError


def _full_disk(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_folder_appears_only_when_complete(tmp_path):
    target = tmp_path / "fold_00"
    with atomic_folder(target) as folder:
        (folder / "a").write_text("1")
        assert not target.exists()
    assert (target / "a").read_text() == "1"
    assert list(tmp_path.iterdir()) == [target]


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="stop"), atomic_folder(tmp_path / "x") as folder:
        (folder / "a").write_text("1")
        raise ValueError("stop")
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path):
    with pytest.raises(RunError, match=r"disk holding .* is full"), atomic_folder(tmp_path / "x") as folder:
        (folder / "a").write_text("1")
        _full_disk()
    assert list(tmp_path.iterdir()) == []


def test_full_disk_while_writing_a_file_keeps_the_old_one(tmp_path, monkeypatch):
    target = tmp_path / "table.csv"
    atomic_write(target, "old")
    monkeypatch.setattr(os, "fdopen", _full_disk)
    with pytest.raises(CacheError, match="full"):
        atomic_write(target, "new", error=CacheError)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_other_os_errors_pass_unchanged(tmp_path):
    with pytest.raises(IsADirectoryError), atomic_folder(tmp_path / "x"):
        raise IsADirectoryError


def test_sigkill_leaves_only_a_partial_that_is_cleared(tmp_path):
    code = (
        "import sys, time, pathlib\n"
        "from xattn_bmd.atomic import atomic_folder\n"
        "with atomic_folder(pathlib.Path(sys.argv[1])) as folder:\n"
        "    (folder / 'a').write_text('1'); print('in', flush=True); time.sleep(60)\n"
    )
    target = tmp_path / "fold_00"
    process = subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE)
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.01)
    assert not target.exists()
    assert [path.name.startswith(".partial-") for path in tmp_path.iterdir()] == [True]
    remove_partials(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_lies_between_two_lines_is_replaced_and_nothing_else(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("before\n<b>\nold\n<e>\nbehind <e>\n")
    for text in ("new", "newer\n\ntwo"):
        atomic_replace(page, text, begin="<b>", end="<e>")
        assert page.read_text() == f"before\n<b>\n{text}\n<e>\nbehind <e>\n"


@pytest.mark.parametrize("content", ["no lines", "<b> alone", "<e> before <b>"])
def test_a_file_without_both_lines_stays_as_it_is(tmp_path, content):
    page = tmp_path / "README.md"
    page.write_text(content)
    with pytest.raises(CacheError, match=r"README.md needs the lines <b> and <e>"):
        atomic_replace(page, "new", begin="<b>", end="<e>", error=CacheError)
    assert page.read_text() == content
