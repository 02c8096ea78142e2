"""calibration.csv: the inner validation part, predicted by models that were not fitted on it."""

from dataclasses import replace

import numpy as np
import pytest

from tests.training.settings import tiny
from xattn_bmd import Cohort, FoldPlan, compare, load_run
from xattn_bmd.metrics.crossfit import calibration_rows
from xattn_bmd.metrics.tables.conformal import conformal_table
from xattn_bmd.training.fits import record_models
from xattn_bmd.training.fits.fit import fit_job
from xattn_bmd.training.study import Job, Study

MODELS = ("metadata_only", "ridge")


@pytest.fixture(scope="module")
def run(cohort_table, tmp_path_factory):
    """A run of two models, two repeats; read-only."""
    cohort = Cohort.from_csv(cohort_table, images=cohort_table.parent / "images")
    config = tiny(models=MODELS, repeats=2)
    return compare(cohort, out=tmp_path_factory.mktemp("run") / "RUN", config=config, progress=False)


def test_every_model_has_the_validation_part_of_every_fold(run):
    table = load_run(run.folder).calibration
    assert list(table.columns) == list(run.predictions.columns)
    assert len(table.groupby(["model", "repeat", "fold"])) == 2 * 2 * 3
    for (_, repeat, fold), rows in table.groupby(["model", "repeat", "fold"]):
        split = run.plan.split(repeat, fold)
        assert rows["radiograph_id"].tolist() == list(split.validation)
        assert not set(rows["radiograph_id"]) & set(split.test)
    targets = dict(zip(run.predictions["radiograph_id"], run.predictions["target"], strict=True))
    assert table["target"].tolist() == [targets[name] for name in table["radiograph_id"]]
    assert np.isfinite(table["prediction"]).all()


def test_it_gives_split_intervals(run):
    found = conformal_table(run.predictions, calibration=calibration_rows(run.calibration), replicates=50)
    assert set(found["method"]) == {"split", "cross_fold"}


def study_of(cohort, tmp_path, **changes):
    config = tiny(models=MODELS, reference="lunar_femoral_neck_white_female", **changes)
    return Study(cohort, FoldPlan.make(cohort, folds=3), config, tmp_path)


@pytest.mark.parametrize("model", ["ridge", "boosted_trees"])
def test_a_baseline_is_refitted_without_the_part_with_the_same_choice(cohort, tmp_path, monkeypatch, model):
    study = study_of(cohort, tmp_path)
    fitted, choices = [], []
    fit_once, refit = record_models.fit_tabular, record_models.refit_tabular

    def watched_refit(name, data, *, chosen):
        fitted.append(data)
        choices.append(chosen)
        return refit(name, data, chosen=chosen)

    monkeypatch.setattr(record_models, "fit_tabular", lambda name, data: fitted.append(data) or fit_once(name, data))
    monkeypatch.setattr(record_models, "refit_tabular", watched_refit)
    result = fit_job(Job(model, 0, 1), study)
    split = study.plan.split(0, 1)
    assert [len(data.target) for data in fitted] == [len(split.train) + len(split.validation), len(split.train)]
    assert choices == [result.estimator.record["chosen"]]
    assert result.calibration["radiograph_id"].tolist() == list(split.validation)


@pytest.mark.parametrize("model", ["ridge", "boosted_trees"])
def test_densities_of_the_part_do_not_move_a_baselines_predictions_of_it(cohort, tmp_path, monkeypatch, model):
    study = study_of(cohort, tmp_path)
    table = cohort.table.copy()
    table.loc[np.isin(cohort.radiograph_ids, study.plan.split(0, 0).validation), "fn_bmd"] += 0.3
    other = replace(study, cohort=Cohort.from_table(table, roles=cohort.roles))
    # The hyper-parameter is chosen on both parts; hold it, so that only the fits are compared.
    monkeypatch.setattr(
        record_models, "fit_tabular", lambda name, data: (record_models.refit_tabular(name, data, chosen=10.0), 10.0)
    )
    first, second = (fit_job(Job(model, 0, 0), one) for one in (study, other))
    np.testing.assert_array_equal(first.calibration["prediction"], second.calibration["prediction"])
    assert not np.array_equal(first.predictions["prediction"], second.predictions["prediction"])


def test_the_protocol_paper_has_none(cohort, tmp_path):
    config = tiny(models=("ridge",), protocol="paper", folds=2)
    run = compare(cohort, out=tmp_path / "RUN", config=config, progress=False)
    assert run.calibration is None
    assert not list(run.folder.rglob("calibration.csv"))
