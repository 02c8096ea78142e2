"""A study carries the masks of its cohort: read only where asked for, wherever its fits are done."""

import json
from dataclasses import replace

import pytest
import torch

from tests.data.masks.drawn import drawn_cohort
from tests.training.settings import TINY
from xattn_bmd import FoldPlan
from xattn_bmd.data.masks import stored
from xattn_bmd.training.runs.run_record import cohort_facts, same_facts
from xattn_bmd.training.study import Study
from xattn_bmd.training.workers.job_keys import Inputs
from xattn_bmd.training.workers.jobs import SharedStudy


@pytest.fixture
def study(tmp_path):
    cohort = drawn_cohort(tmp_path, n=6, without=(1,)).in_id_order()
    return Study(cohort, FoldPlan.make(cohort, folds=2), TINY, tmp_path / "cache")


def test_masks_are_read_when_first_asked_for(study, monkeypatch):
    monkeypatch.setattr(stored, "read_mask", lambda *args, **kwargs: pytest.fail("read"))
    images = study.open()
    assert images.pixels(torch.tensor([0]), torch.device("cpu")).shape == (1, 1, 64, 64)
    monkeypatch.undo()
    mask, known = images.masked(torch.arange(6), torch.device("cpu"))
    assert mask.shape == (6, 1, 64, 64) and known.tolist() == [True, False, True, True, True, True]


def test_a_study_that_is_sent_elsewhere_knows_where_its_masks_lie(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    masks = study.cohort.masks
    relative = replace(masks, paths={name: path.relative_to(tmp_path) for name, path in masks.paths.items()})
    near = replace(study, cohort=replace(study.cohort, masks=relative))
    sent = SharedStudy(near, Inputs("digest")).sent_elsewhere()
    assert sent.study.cohort.masks.paths == masks.paths


def test_a_run_counts_its_masks_and_goes_on_without_them(study):
    facts = cohort_facts(study.cohort, images="digest")
    plain = cohort_facts(replace(study.cohort, masks=type(study.cohort.masks)()), images="digest")
    assert facts["masks"] == 5 and plain["masks"] is None and "masks" not in facts["roles"]
    older = {name: value for name, value in plain.items() if name != "masks"}
    assert same_facts(json.dumps(facts), json.dumps(plain)) and same_facts(json.dumps(older), json.dumps(facts))
