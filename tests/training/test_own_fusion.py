"""A fusion of one's own through the whole road: workers, run folder, resumption, reading back, and what goes wrong."""

import os
import re
import shutil
import sys
import textwrap
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from tests.training.settings import TINY, tiny
from xattn_bmd import Cohort, Predictor, compare, load_run
from xattn_bmd.errors import ModelError, RunError
from xattn_bmd.models.fusions import named

NAME = "my_fusions.ProductFusion"
DOCUMENTED = [textwrap.dedent(block) for block in re.findall(r"::\n\n((?:    .*\n|\n)+)", named.__doc__)]
CONFIG = tiny(folds=2, training=replace(TINY.training, epochs=1, patience=1))


def use(source: str, folder) -> None:
    sys.modules.pop("my_fusions", None)
    (folder / "my_fusions.py").write_text(source)


@pytest.fixture(scope="module")
def run(cohort_table, tmp_path_factory):
    """What the documentation says, with two workers; its class is importable where PYTHONPATH says."""
    root = tmp_path_factory.mktemp("own")
    source, call = DOCUMENTED
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(root)
        patch.setenv("PYTHONPATH", str(root), prepend=os.pathsep)
        patch.setattr(sys, "dont_write_bytecode", True)
        patch.chdir(root)
        use(source, root)
        cohort = Cohort.from_csv(cohort_table, images=cohort_table.parent / "images")
        settled = partial(compare, config=CONFIG, workers=2, progress=False)
        exec(call, {"compare": settled, "cohort": cohort})
        yield load_run("RUN")
    sys.modules.pop("my_fusions", None)


@pytest.fixture
def away(run, monkeypatch):
    """The folder of the class, out of reach."""
    folder = run.folder.absolute().parent
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place != str(folder)])
    monkeypatch.delitem(sys.modules, "my_fusions", raising=False)
    yield folder
    sys.modules.pop("my_fusions", None)


def test_it_is_fitted_by_workers_and_stored_under_its_name(run):
    assert run.config.models == ("concat", NAME)
    assert run.predictions.groupby("model").size().nunique() == 1
    assert set(run.metrics()["model"]) == {"concat", NAME}
    names = {path.suffix for path in (run.folder / NAME / "repeat_00" / "fold_00").iterdir()}
    assert names == {".safetensors", ".json", ".csv"}


def test_a_stored_one_predicts(run, cohort):
    predictor = Predictor.from_run(run, NAME)
    assert predictor.uses_images
    found = predictor.predict(cohort.subset(cohort.radiograph_ids[:4]))
    assert np.isfinite(found["prediction"]).all()


def test_a_run_is_continued_with_the_class_in_place_of_its_name(run, cohort, tmp_path):
    shutil.copytree(run.folder, tmp_path / "RUN")
    shutil.rmtree(tmp_path / "RUN" / NAME / "repeat_00" / "fold_01")
    (tmp_path / "RUN" / "predictions.csv").unlink()
    kind = named.fusion_named(NAME)
    compare(cohort, out=tmp_path / "RUN", models=["concat", kind], config=CONFIG, progress=False)
    assert (tmp_path / "RUN" / "predictions.csv").read_bytes() == (run.folder / "predictions.csv").read_bytes()


def test_a_run_is_read_without_the_class_but_predicts_only_with_it(run, away):
    again = load_run(run.folder)
    assert NAME in set(again.metrics()["model"])
    for read in (lambda: Predictor.from_run(again, NAME), lambda: Predictor.load(run.folder / NAME)):
        with pytest.raises(ModelError, match=r"'my_fusions.ProductFusion' cannot be .*PYTHONPATH"):
            read()
    assert Predictor.from_run(again, "concat").uses_images


def test_a_changed_class_neither_predicts_nor_continues(run, cohort, away, monkeypatch):
    monkeypatch.syspath_prepend(away)
    source = DOCUMENTED[0]
    use(source.replace("image_BPD.mean(1) *", "image_BPD.amax(1) *"), away)
    try:
        with pytest.raises(ModelError, match=f"source of {re.escape(NAME)} has changed"):
            Predictor.from_run(run, NAME)
        with pytest.raises(RunError, match="another source of a fusion of your own"):
            compare(cohort, out=run.folder, models=["concat", NAME], config=CONFIG, progress=False)
    finally:
        use(source, away)
    Predictor.from_run(run, NAME)


def test_a_class_that_cannot_be_imported_is_refused_before_anything_is_written(cohort, tmp_path):
    with pytest.raises(ModelError, match="PYTHONPATH"):
        compare(cohort, out=tmp_path / "RUN", models=["concat", "no_such.Fusion"], config=CONFIG)
    assert not (tmp_path / "RUN").exists()
