"""Lists of any length: the same numbers as in memory, continued after a kill, nothing lost to a bad row."""

import json
import multiprocessing
import shutil
import threading
import time
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cohorts import ROLES, write_cohort
from tests.processes import started
from tests.training.settings import tiny
from xattn_bmd import Cohort, Predictor, compare
from xattn_bmd.cli import main
from xattn_bmd.errors import CohortError, ConfigError, MetricError, RunError
from xattn_bmd.training.archive.blocks import read_one
from xattn_bmd.training.archive.estimate import estimate_archive, open_list
from xattn_bmd.training.prediction.estimate_table import ESTIMATE_COLUMNS

MODELS = ("xattn", "image_only", "ridge")


@pytest.fixture(scope="module")
def run(cohort_table, tmp_path_factory):
    cohort = Cohort.from_csv(cohort_table, images=cohort_table.parent / "images")
    root = tmp_path_factory.mktemp("run")
    return compare(cohort, out=root / "RUN", config=tiny(models=MODELS, folds=2), cache=root / "cache", progress=False)


@pytest.fixture(scope="module")
def xattn(run):
    return Predictor.from_run(run, "xattn")


@pytest.fixture(scope="module")
def new(tmp_path_factory):
    """The table of 75 radiographs that nobody changes: three blocks of 32, 32 and 11."""
    return write_cohort(tmp_path_factory.mktemp("new"), n=75, seed=5)


@pytest.fixture
def copy(new, tmp_path):
    """A table that a test may damage."""
    shutil.copytree(new.parent, tmp_path / "list")
    return tmp_path / "list" / "cohort.csv"


def _estimate(predictor, table, out, *, images=None, config=None, level=0.9, **options):
    source = open_list(predictor, table, images=images, config=config)
    return estimate_archive(predictor, source, out=out, level=level, **options)


def _changed(table, **columns):
    frame = pd.read_csv(table, dtype=object)
    for name, (row, value) in columns.items():
        frame.loc[row, name] = value
    frame.to_csv(table, index=False)


@pytest.mark.parametrize("model", MODELS)
def test_archive_and_memory_give_the_same_bytes(run, new, tmp_path, model):
    predictor = Predictor.from_run(run, model)
    done = predictor.predict_archive(new, out=tmp_path / "out.csv")
    table = predictor.predict(Cohort.from_csv(new))
    assert tuple(table.columns) == ESTIMATE_COLUMNS
    assert (tmp_path / "out.csv").read_text() == table.to_csv(index=False)
    assert (done.estimated, done.problems, done.problems_table) == (75, 0, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv"]


@pytest.mark.parametrize("block", [7, 75])
def test_numbers_do_not_depend_on_the_size_of_blocks(xattn, new, tmp_path, block):
    _estimate(xattn, new, tmp_path / "out.csv", block=block)
    expected = xattn.predict(Cohort.from_csv(new))
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "out.csv"), expected, atol=1e-5, check_dtype=False)


@pytest.fixture(scope="module")
def whole(xattn, new, tmp_path_factory):
    """The table that an undisturbed run writes in blocks of 8; read-only."""
    out = tmp_path_factory.mktemp("whole") / "whole.csv"
    _estimate(xattn, new, out, block=8)
    return out


@pytest.mark.parametrize("threads", [1, 3])
def test_bytes_do_not_depend_on_the_number_of_threads(xattn, new, whole, tmp_path, threads):
    _estimate(xattn, new, tmp_path / "out.csv", block=8, threads=threads)
    assert (tmp_path / "out.csv").read_bytes() == whole.read_bytes()


def test_same_bytes_on_workers(xattn, new, whole, tmp_path):
    _estimate(xattn, new, tmp_path / "two.csv", block=8, workers=2)
    assert (tmp_path / "two.csv").read_bytes() == whole.read_bytes()


class Stopping:
    """A reader that fails at its n-th picture, as a full memory would."""

    def __init__(self, after):
        self.after, self.count, self.lock = after, 0, threading.Lock()

    def __call__(self, path, image):
        with self.lock:
            self.count += 1
            if self.count > self.after:
                raise MemoryError
        return read_one(path, image)


def _stopped(predictor, table, out, *, after):
    with pytest.raises(MemoryError):
        _estimate(predictor, table, out, block=8, threads=1, read=Stopping(after))


@pytest.fixture(scope="module")
def begun(xattn, new, tmp_path_factory):
    """What a run that stopped at its 30th picture left behind; read-only."""
    out = tmp_path_factory.mktemp("begun") / "out.csv"
    _stopped(xattn, new, out, after=29)
    return out.with_name("out.csv.partial").read_bytes()


def test_a_stopped_run_continues_to_the_same_bytes(xattn, new, whole, tmp_path):
    out = tmp_path / "out.csv"
    _stopped(xattn, new, out, after=29)
    assert not out.exists()
    reader = Stopping(10**6)
    done = _estimate(xattn, new, out, block=8, read=reader)
    assert out.read_bytes() == whole.read_bytes()
    assert reader.count == 75 - 24 and done.estimated == 75
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.parametrize("tail", [b'{"number": 3, "estim', b"\0" * 50, b'{"number": 9}\n', b'{"number": 3}'])
def test_a_torn_tail_is_cut_off(xattn, new, begun, tmp_path, tail):
    out = tmp_path / "out.csv"
    (tmp_path / "out.csv.partial").write_bytes(begun + tail)
    reader = Stopping(10**6)
    _estimate(xattn, new, out, block=8, read=reader)
    assert reader.count == 75 - 24
    assert list(pd.read_csv(out)["radiograph_id"]) == list(pd.read_csv(new)["radiograph_id"])


@pytest.mark.parametrize("content", [b"", b'{"format": "xat'])
def test_a_torn_first_line_begins_again(xattn, new, tmp_path, content):
    (tmp_path / "out.csv.partial").write_bytes(content)
    assert _estimate(xattn, new, tmp_path / "out.csv").estimated == 75


def _slow(path, image):
    time.sleep(0.02)
    return read_one(path, image)


def _estimated_slowly(model, table, out, told):
    predictor = Predictor.load(model)
    source = open_list(predictor, table, images=None, config=None)

    def shown(rows, total):
        told.send(rows)

    estimate_archive(predictor, source, out=out, level=0.9, block=8, read=_slow, progress=shown)


def test_a_killed_process_is_continued_to_the_same_bytes(xattn, new, whole, tmp_path):
    out = tmp_path / "out.csv"
    heard, told = multiprocessing.Pipe(duplex=False)
    process = started(_estimated_slowly, xattn.folder, new, out, told)
    told.close()
    for _ in range(2):
        heard.recv()
    process.kill()
    process.join()
    assert not out.exists() and (tmp_path / "out.csv.partial").stat().st_size > 0
    reader = Stopping(10**6)
    _estimate(xattn, new, out, block=8, read=reader)
    assert 0 < reader.count <= 75 - 16
    assert out.read_bytes() == whole.read_bytes()


def test_what_another_command_began_is_refused(run, xattn, new, begun, copy, tmp_path):
    out = tmp_path / "out.csv"
    (tmp_path / "out.csv.partial").write_bytes(begun)
    _changed(copy, age=(3, "61"))
    other = Predictor.from_run(run, "image_only")
    for predictor, table, level, named in (
        (other, new, 0.9, "another predictor;"),
        (xattn, copy, 0.9, "another list, folder of the images;"),
        (xattn, new, 0.8, "another level;"),
    ):
        with pytest.raises(RunError, match=named):
            _estimate(predictor, table, out, level=level, block=8)
    (tmp_path / "out.csv.partial").write_bytes(b"a,b\n1,2\n")
    with pytest.raises(RunError, match="another program"):
        _estimate(xattn, new, out, block=8)
    (tmp_path / "out.csv.partial").write_bytes(begun)
    assert _estimate(xattn, new, out, block=8).estimated == 75


def test_a_saved_copy_of_the_predictor_continues_its_list(xattn, new, begun, tmp_path):
    (tmp_path / "out.csv.partial").write_bytes(begun)
    saved = Predictor.load(xattn.save(tmp_path / "model"))
    assert _estimate(saved, new, tmp_path / "out.csv", block=8).estimated == 75


def test_a_wrong_level_leaves_nothing_behind(xattn, new, tmp_path):
    with pytest.raises(MetricError, match="between 0 and 1"):
        _estimate(xattn, new, tmp_path / "out.csv", level=90)
    assert list(tmp_path.iterdir()) == []


def test_an_older_table_stays_until_the_new_one_is_finished(xattn, new, tmp_path):
    out = tmp_path / "out.csv"
    out.write_text("old")
    _stopped(xattn, new, out, after=29)
    assert out.read_text() == "old"
    _estimate(xattn, new, out, block=8)
    assert len(pd.read_csv(out)) == 75


def _bad_rows(table):
    (table.parent / "images" / "hip_003.png").write_bytes(b"\x89PNG\r\n\x1a\n cut short")
    (table.parent / "images" / "hip_040.png").unlink()
    _changed(table, age=(10, "old"), sex=(11, "femal"), radiograph_id=(50, ""), image=(60, ""), side=(70, "X"))
    return {
        "hip_003": "hip_003.png",
        "hip_010": "age is a number in years, but hip_010 ('old') is not",
        "hip_011": "did you mean 'female'",
        "hip_040": "hip_040.png does not exist",
        "row 51": "Every row needs a radiograph id",
        "hip_060": "image is empty",
        "hip_070": "hip_070 ('X')",
    }


@pytest.mark.parametrize("block", [5, 32])
def test_bad_rows_are_listed_and_the_others_estimated(xattn, copy, tmp_path, block):
    expected = _bad_rows(copy)
    done = _estimate(xattn, copy, tmp_path / "out.csv", block=block)
    listed = pd.read_csv(tmp_path / "out.problems.csv")
    assert list(listed.columns) == ["radiograph_id", "problem"]
    assert list(listed["radiograph_id"]) == list(expected)
    for found, part in zip(listed["problem"], expected.values(), strict=True):
        assert part in found
    names = pd.read_csv(copy)["radiograph_id"].fillna("row 51")
    assert list(pd.read_csv(tmp_path / "out.csv")["radiograph_id"]) == [name for name in names if name not in expected]
    assert (done.estimated, done.problems, done.problems_table) == (68, 7, tmp_path / "out.problems.csv")


def test_problems_of_a_stopped_run_are_the_same_bytes(xattn, copy, tmp_path):
    _bad_rows(copy)
    _estimate(xattn, copy, tmp_path / "whole.csv", block=8)
    _stopped(xattn, copy, tmp_path / "out.csv", after=29)
    _estimate(xattn, copy, tmp_path / "out.csv", block=8)
    for name in ("{}.csv", "{}.problems.csv"):
        assert (tmp_path / name.format("out")).read_bytes() == (tmp_path / name.format("whole")).read_bytes()


def test_a_list_that_was_mended_has_no_problems_left(xattn, new, copy, tmp_path):
    _changed(copy, age=(10, "old"))
    _estimate(xattn, copy, tmp_path / "out.csv")
    assert (tmp_path / "out.problems.csv").exists()
    _estimate(xattn, new, tmp_path / "out.csv")
    assert not (tmp_path / "out.problems.csv").exists()


def test_an_id_that_occurs_twice_in_different_blocks_is_listed_both_times(xattn, copy, tmp_path):
    _changed(copy, radiograph_id=(70, "hip_002"))
    done = _estimate(xattn, copy, tmp_path / "out.csv", block=8)
    listed = pd.read_csv(tmp_path / "out.problems.csv")
    assert list(listed["radiograph_id"]) == ["hip_002", "hip_002"] and done.estimated == 73
    assert listed["problem"].str.contains("occurs more often").all()


def test_a_patient_of_two_sexes_in_different_blocks_is_listed(xattn, copy, tmp_path):
    frame = pd.read_csv(copy)
    frame.loc[70, "patient_id"] = frame.loc[0, "patient_id"]
    frame.loc[[0, 70], "sex"] = ["male", "female"]
    frame.to_csv(copy, index=False)
    _estimate(xattn, copy, tmp_path / "out.csv", block=8)
    listed = pd.read_csv(tmp_path / "out.problems.csv")
    assert {"hip_000", "hip_070"} <= set(listed["radiograph_id"])
    assert set(listed["radiograph_id"]) == set(
        frame["radiograph_id"][frame["patient_id"] == frame.loc[0, "patient_id"]]
    )


def test_a_line_with_too_few_cells_is_listed(xattn, copy, tmp_path):
    lines = copy.read_text().splitlines()
    lines[20] = "hip_019,p017"
    copy.write_text("\n".join(lines) + "\n")
    done = _estimate(xattn, copy, tmp_path / "out.csv")
    [(name, problem)] = pd.read_csv(tmp_path / "out.problems.csv").itertuples(index=False)
    assert name == "hip_019" and "line 21 has 2" in problem and done.estimated == 74


def test_a_list_may_name_one_picture_often_and_leave_others_out(xattn, copy, tmp_path):
    frame = pd.read_csv(copy).iloc[:5].assign(image="hip_000.png", side="L", sex="male")
    frame.to_csv(copy, index=False)
    assert _estimate(xattn, copy, tmp_path / "out.csv").estimated == 5


def test_files_are_found_by_their_name_without_suffix_in_subfolders(xattn, copy, tmp_path):
    roles = {name: value for name, value in ROLES.items() if name != "image"}
    images = copy.parent / "images"
    (images / "later").mkdir()
    (images / "hip_001.png").rename(images / "later" / "hip_001.png")
    (images / "hip_002.png").unlink()
    shutil.copy(images / "hip_003.png", images / "later" / "hip_003.png")
    from xattn_bmd.data.roles import CohortRoles

    done = _estimate(xattn, copy, tmp_path / "out.csv", config=CohortRoles.from_dict(roles))
    listed = pd.read_csv(tmp_path / "out.problems.csv").set_index("radiograph_id")["problem"]
    assert "none has this name" in listed["hip_002"] and "this one has 2" in listed["hip_003"]
    assert done.estimated == 73


def test_a_model_of_the_record_alone_reads_no_picture(run, copy, tmp_path):
    shutil.rmtree(copy.parent / "images")
    assert Predictor.from_run(run, "ridge").predict_archive(copy, out=tmp_path / "out.csv").estimated == 75


def test_a_target_is_not_read(xattn, new, copy, tmp_path):
    _changed(copy, fn_bmd=(4, "-2.5"))
    xattn.predict_archive(copy, out=tmp_path / "out.csv")
    xattn.predict_archive(new, out=tmp_path / "new.csv")
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "new.csv").read_bytes()


def test_a_plain_folder_is_enough_for_a_model_of_the_picture_alone(run, new, copy, tmp_path):
    predictor = Predictor.from_run(run, "image_only")
    done = predictor.predict_archive(new.parent / "images", out=tmp_path / "out.csv")
    pd.read_csv(copy).assign(side="L").to_csv(copy, index=False)
    expected = predictor.predict(Cohort.from_csv(copy))
    found = pd.read_csv(tmp_path / "out.csv")
    assert done.estimated == 75 and list(found["radiograph_id"]) == [
        f"{name}.png" for name in expected["radiograph_id"]
    ]
    np.testing.assert_array_equal(found["prediction"], expected["prediction"])


def test_a_plain_folder_is_refused_for_a_model_of_the_record(xattn, new, tmp_path):
    with pytest.raises(CohortError, match="no clinical record, but the model 'xattn' needs one; give a table"):
        xattn.predict_archive(new.parent / "images", out=tmp_path / "out.csv")


def test_a_folder_stands_alone_and_holds_images(run, new, tmp_path):
    predictor = Predictor.from_run(run, "image_only")
    with pytest.raises(CohortError, match="belong to a table"):
        predictor.predict_archive(new.parent / "images", out=tmp_path / "out.csv", images=new.parent)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CohortError, match="has none"):
        predictor.predict_archive(tmp_path / "empty", out=tmp_path / "out.csv")


def _no_rows(table):
    table.write_text(table.read_text().splitlines()[0] + "\n")


def _no_column(table):
    pd.read_csv(table).drop(columns="weight").to_csv(table, index=False)


def _no_folder(table):
    shutil.rmtree(table.parent / "images")


def _nothing_to_read(table):
    table.write_bytes(b"")


def _no_text(table):
    with table.open("ab") as stream:
        stream.write(b"\xff\xfe\xff\n")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (_no_rows, "at least one row"),
        (_nothing_to_read, "is empty"),
        (_no_column, "'weight', which the table lacks"),
        (_no_folder, "no image folder was given"),
        (_no_text, "UTF-8"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_before_anything_is_written(xattn, copy, tmp_path, damage, named):
    damage(copy)
    with pytest.raises(CohortError, match=named):
        xattn.predict_archive(copy, out=tmp_path / "out" / "out.csv")
    assert not (tmp_path / "out").exists()


def test_an_image_folder_that_does_not_exist_is_refused(xattn, copy, tmp_path):
    with pytest.raises(CohortError, match="is not one"):
        xattn.predict_archive(copy, out=tmp_path / "out.csv", images=tmp_path / "absent")


def test_a_list_without_a_sound_row_is_an_error_that_says_where_the_reasons_are(xattn, copy, tmp_path):
    for path in (copy.parent / "images").iterdir():
        path.unlink()
    with pytest.raises(CohortError, match=r"none of these 75 could.*out\.problems\.csv"):
        xattn.predict_archive(copy, out=tmp_path / "out.csv")
    assert len(pd.read_csv(tmp_path / "out.problems.csv")) == 75 and not (tmp_path / "out.csv").exists()


def test_other_variables_and_contradictory_workers_are_refused(xattn, new, tmp_path):
    from xattn_bmd.data.roles import CohortRoles

    roles = CohortRoles.from_dict({**ROLES, "numeric": {"age": {"unit": "years"}}})
    with pytest.raises(CohortError, match="weight"):
        xattn.predict_archive(new, out=tmp_path / "out.csv", config=roles)
    with pytest.raises(ConfigError, match="at least 1"):
        xattn.predict_archive(new, out=tmp_path / "out.csv", workers=0)
    assert list(tmp_path.iterdir()) == []


class Counting:
    """A reader that knows how many of its pictures still exist."""

    def __init__(self):
        self.alive = self.most = self.total = 0
        self.lock = threading.RLock()

    def __call__(self, path, image):
        picture = read_one(path, image)
        weakref.finalize(picture, self._gone)
        with self.lock:
            self.alive, self.total = self.alive + 1, self.total + 1
            self.most = max(self.most, self.alive)
        return picture

    def _gone(self):
        with self.lock:
            self.alive -= 1


@pytest.mark.parametrize("threads", [1, 2])
def test_few_pictures_exist_at_a_time(xattn, new, tmp_path, threads):
    reader = Counting()
    _estimate(xattn, new, tmp_path / "out.csv", block=4, threads=threads, read=reader)
    assert reader.total == 75
    assert 4 <= reader.most <= 4 * threads
    assert reader.alive == 0


def test_no_cache_is_written_and_progress_is_told(xattn, new, tmp_path, monkeypatch):
    monkeypatch.setenv("XATTN_BMD_CACHE", str(tmp_path / "cache"))
    told = []
    xattn.predict_archive(new, out=tmp_path / "out.csv", progress=lambda rows, total: told.append((rows, total)))
    assert told == [(32, 75), (64, 75), (75, 75)]
    assert not (tmp_path / "cache").exists()


def test_two_commands_on_one_output_do_not_mix(xattn, new, begun, tmp_path):
    out, partial = tmp_path / "out.csv", tmp_path / "out.csv.partial"

    def meddle(path, image):
        if path.name == "hip_070.png":
            with partial.open("ab") as stream:
                stream.write(partial.read_bytes().splitlines(keepends=True)[-1])
        return read_one(path, image)

    partial.write_bytes(begun)
    assert json.loads(partial.read_bytes().splitlines()[-1])["number"] == 2
    _estimate(xattn, new, out, block=8, read=meddle)
    assert len(pd.read_csv(out)) == 75


def test_a_worker_with_another_predictor_in_its_folder_refuses(run, xattn, new, tmp_path):
    from xattn_bmd.training.archive.blocks import BlockWork
    from xattn_bmd.training.prediction.digest import predictor_digest

    own = BlockWork(xattn.folder, predictor_digest(xattn), xattn.roles, 0.9, read_one)
    assert own.predictor.model == "xattn"
    assert "predictor" not in own.__getstate__()
    other = replace(own, folder=Path(run.folder / "ridge"))
    with pytest.raises(RunError, match="put the same files on every machine"):
        _ = other.predictor


def test_what_another_process_wrote_is_noticed_before_the_table_is_made(xattn, new, tmp_path):
    out, partial = tmp_path / "out.csv", tmp_path / "out.csv.partial"

    def meddle(rows, total):
        if rows == total:
            with partial.open("ab") as stream:
                stream.write(b'{"number": 10, "estimated": 1}\n')

    with pytest.raises(RunError, match="another process wrote to it"):
        _estimate(xattn, new, out, block=8, progress=meddle)
    assert not out.exists()


def test_the_command_counts_what_it_could_not_estimate_and_ends_well(xattn, copy, tmp_path, capsys):
    (copy.parent / "images" / "hip_003.png").unlink()
    out = tmp_path / "night" / "out.csv"
    assert main(["predict", str(xattn.folder), str(copy), "--out", str(out), "--level", "0.5"]) == 0
    printed = capsys.readouterr().out
    assert f"74 radiographs estimated: {out}" in printed
    assert f"1 radiographs could not be estimated: {out.parent / 'out.problems.csv'}" in printed
    assert set(pd.read_csv(out)["level"]) == {0.5}
    assert main(["predict", str(xattn.folder), str(copy.parent), "--out", str(out)]) == 2
