"""A radiograph is explained by fold models that did not train on its patient, or not at all."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.cohorts import write_cohort
from xattn_bmd import Cohort, FoldPlan, Predictor
from xattn_bmd.errors import RunError
from xattn_bmd.explanation.fold_models import Explained, model_blocks


def test_no_fold_model_explains_a_patient_that_it_was_trained_on(explained_run):
    run, cohort, _ = explained_run
    opened = Explained.open(run)
    models = opened.models_of(cohort)
    assert opened.predictor.model == "xattn" and (models.sum(axis=0) == run.plan.repeats).all()
    patient_of = dict(zip(cohort.radiograph_ids, cohort.patient_ids, strict=True))
    for fold, explained in zip(opened.predictor.estimators, models, strict=True):
        split = run.plan.split(fold.record["repeat"], fold.record["fold"])
        trained = {patient_of[name] for name in (*split.train, *split.validation)}
        assert not trained & set(np.array(cohort.patient_ids)[explained])


def test_new_people_are_explained_by_all_fold_models_and_another_hip_of_a_patient_is_not(explained_run, tmp_path):
    run, cohort, _ = explained_run
    table = pd.read_csv(write_cohort(tmp_path, n=3, seed=9))
    table["patient_id"] = ["new_1", "new_2", cohort.patient_ids[0]]
    table["radiograph_id"] = ["other_1", "other_2", "other_3"]
    models = Explained.open(run).models_of(Cohort.from_table(table, roles=cohort.roles))
    assert models.sum(axis=0).tolist() == [2, 2, 1]


def test_a_saved_predictor_explains_new_people_alone(explained_run, tmp_path):
    run, cohort, _ = explained_run
    alone = Explained.open(Predictor.from_run(run, "xattn").save(tmp_path / "saved"))
    with pytest.raises(RunError, match=r"without its run's fold plan and had hip_000.* in training; give RUN"):
        alone.models_of(cohort)
    strangers = replace(cohort, table=cohort.table.assign(patient_id=[f"far_{row}" for row in range(len(cohort))]))
    assert alone.models_of(strangers).all()


def test_a_plan_of_another_run_is_not_believed(explained_run, tmp_path):
    run, cohort, _ = explained_run
    saved = Predictor.from_run(run, "xattn").save(tmp_path / "xattn")
    FoldPlan.make(cohort, folds=2, seed=99).save(tmp_path / "fold_plan.json")
    assert Explained.open(saved).plan is None
    assert Explained.open(run.folder / "image_only").plan is not None


def test_blocks_hold_every_row_once():
    models = np.random.default_rng(0).integers(0, 4, 90)[None] == np.arange(4)[:, None]
    blocks = list(model_blocks(models))
    assert sorted(row for rows, _ in blocks for row in rows) == list(range(90))
    assert all(models[fold, rows].all() for rows, folds in blocks for fold in folds)
    assert max(len(rows) for rows, _ in blocks) <= 32


def test_what_cannot_be_explained_is_refused(explained_run):
    run, _, _ = explained_run
    with pytest.raises(RunError, match=r"made from a model of the run"):
        Explained.open(run, model="concat")
    with pytest.raises(RunError, match=r"holds 'xattn', but 'ridge' was asked for"):
        Explained.open(run.folder / "xattn", model="ridge")
    with pytest.raises(RunError, match=r"A predictor folder holds predictor.json"):
        Explained.open(run.folder / "nowhere")
