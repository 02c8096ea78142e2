"""A finished predictor on another cohort: nothing is fitted there, and nobody who was in training gets in."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import norm

from tests.cohorts import ROLES, write_cohort
from tests.training.settings import tiny
from xattn_bmd import Cohort, Predictor, compare, evaluate, get_reference
from xattn_bmd.errors import CohortError, ConfigError, RunError
from xattn_bmd.metrics.crossfit import FittingRows
from xattn_bmd.metrics.intervals import bca_interval, patient_draws, resample
from xattn_bmd.metrics.screening import low_density
from xattn_bmd.metrics.triage import fit_triage
from xattn_bmd.report.source import open_source

MODELS = ("concat", "metadata_only", "ridge")
FILES = {
    *("predictions.csv", "metrics.csv", "screening.csv", "agreement.csv", "triage.csv", "conformal.csv"),
    *("comparisons.csv", "decision_curve.csv", "drop.csv", "record.csv", "cohort.json", "environment.json"),
}
QUICK = {"replicates": 200}


@pytest.fixture(scope="module")
def run(cohort_table, tmp_path_factory):
    cohort = Cohort.from_csv(cohort_table, images=cohort_table.parent / "images")
    root = tmp_path_factory.mktemp("run")
    return compare(cohort, out=root / "RUN", config=tiny(models=MODELS), cache=root / "cache", progress=False)


def _elsewhere(root, *, n=24, roles=None, change=lambda frame: frame):
    """Write a second made-up cohort, of other people, and open it."""
    table = write_cohort(root, n=n, seed=9, roles=roles)
    frame = pd.read_csv(table, dtype={"radiograph_id": str})
    frame["radiograph_id"] = "far_" + frame["radiograph_id"]
    frame["patient_id"] = "far_" + frame["patient_id"]
    change(frame).to_csv(table, index=False)
    return Cohort.from_csv(table, images=table.parent / "images")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    return _elsewhere(tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture(scope="module")
def result(run, elsewhere, tmp_path_factory):
    predictors = [Predictor.from_run(run, model) for model in MODELS]
    return evaluate(predictors, elsewhere, out=tmp_path_factory.mktemp("out") / "E", **QUICK)


def _table(result, name):
    return pd.read_csv(result.folder / f"{name}.csv")


def _values(result, name, model, *keys):
    table = _table(result, name)
    return table[table["model"] == model].set_index(list(keys))["value"]


def test_every_file_is_there_and_says_what_it_is(result):
    assert {path.name for path in result.folder.iterdir()} == FILES
    for name in FILES - {"predictions.csv", "record.csv", "cohort.json", "environment.json"}:
        assert set(_table(result, name.removesuffix(".csv"))["validation"]) == {"external"}, name
    assert "out-of-fold" not in " ".join(result.metrics()["method"]) + " ".join(result.screening()["method"])


@pytest.mark.parametrize("model", MODELS)
def test_the_estimate_is_that_of_the_predictor(run, result, elsewhere, model):
    rows = result.predictions.query("model == @model").set_index("radiograph_id")
    expected = Predictor.from_run(run, model).predict(elsewhere).set_index("radiograph_id")["prediction"]
    np.testing.assert_allclose(rows["prediction"], expected[rows.index], atol=1e-6)
    measured = dict(zip(elsewhere.radiograph_ids, elsewhere.targets, strict=True))
    assert rows["target"].to_dict() == measured
    assert set(rows["repeat"]) == set(rows["fold"]) == {0}


def test_metrics_are_those_of_scikit_learn(result):
    from sklearn.metrics import mean_absolute_error, r2_score, roc_auc_score

    rows = result.predictions.query("model == 'ridge'")
    metrics = _values(result, "metrics", "ridge", "metric")
    assert metrics["mae"] == pytest.approx(mean_absolute_error(rows["target"], rows["prediction"]))
    assert metrics["r2"] == pytest.approx(r2_score(rows["target"], rows["prediction"]))
    low = low_density(rows["target"], reference=get_reference(ROLES["reference"]), threshold=-1.0)
    area = result.screening().query("model == 'ridge' and metric == 'auroc' and threshold == -1")["value"].item()
    assert area == pytest.approx(roc_auc_score(low, -rows["prediction"]))


def test_recalibration_is_the_development_line(run, result):
    inside = run.predictions.query("model == 'ridge'")
    slope, intercept = np.polyfit(inside["prediction"], inside["target"], 1)
    outside = result.predictions.query("model == 'ridge'")
    error = np.abs(intercept + slope * outside["prediction"] - outside["target"]).mean()
    agreement = _table(result, "agreement").query("model == 'ridge'").set_index("metric")
    assert agreement.loc["recalibrated_mae", "value"] == pytest.approx(error)
    assert "development" in agreement.loc["recalibrated_mae", "fitted_on"]
    plain = np.abs(outside["prediction"] - outside["target"]).mean()
    assert plain != pytest.approx(error, rel=1e-3)


@pytest.mark.parametrize("threshold", [-1.0, -2.5])
def test_the_brier_score_is_of_risks_by_the_development_line(run, result, threshold):
    inside = run.predictions.query("model == 'ridge'")
    (slope, intercept), (ss,), *_ = np.polyfit(inside["prediction"], inside["target"], 1, full=True)
    reference = get_reference(ROLES["reference"])
    edge = reference.mean + threshold * reference.sd
    outside = result.predictions.query("model == 'ridge'")
    risk = norm.cdf(edge, loc=intercept + slope * outside["prediction"], scale=np.sqrt(ss / (len(inside) - 2)))
    low = low_density(outside["target"], reference=reference, threshold=threshold)
    row = result.screening().query("model == 'ridge' and metric == 'brier' and threshold == @threshold").iloc[0]
    assert row["value"] == pytest.approx(np.mean((risk - low) ** 2))
    assert row["low"] <= row["value"] <= row["high"] and "development" in row["fitted_on"]


@pytest.mark.parametrize("threshold", [-1.0, -2.5])
def test_triage_cuts_are_those_of_the_development_cohort(run, result, threshold):
    inside = run.predictions.query("model == 'concat'")
    rows = FittingRows(inside["target"].to_numpy(), inside["prediction"].to_numpy())
    cuts = fit_triage(rows, reference=get_reference(ROLES["reference"]), threshold=threshold)
    outside = result.predictions.query("model == 'concat'")["prediction"].to_numpy()
    triage = _values(result, "triage", "concat", "threshold", "metric")
    assert triage[threshold, "rule_in"] == pytest.approx(np.mean(outside <= (cuts.rule_in or -np.inf)))
    assert triage[threshold, "rule_out"] == pytest.approx(np.mean(outside >= (cuts.rule_out or np.inf)))


def test_nothing_follows_the_external_targets(run, result, tmp_path):
    higher = _elsewhere(tmp_path / "c", change=lambda frame: frame.assign(fn_bmd=frame["fn_bmd"] + 0.15))
    predictors = [Predictor.from_run(run, model) for model in MODELS]
    other = evaluate(predictors, higher, out=tmp_path / "E", **QUICK)
    pd.testing.assert_series_equal(other.predictions["prediction"], result.predictions["prediction"])
    for name, metrics in (("triage", ("decided", "rule_in", "rule_out")), ("agreement", ("bias",))):
        tables = [_table(each, name) for each in (result, other)]
        before, after = (table[table["metric"].isin(metrics)]["value"] for table in tables)
        shift = -0.15 if name == "agreement" else 0.0
        np.testing.assert_allclose(after, before + shift, atol=1e-9)
    pd.testing.assert_series_equal(_table(other, "conformal")["width"], _table(result, "conformal")["width"])
    called = [_calls(each) for each in (result, other)]
    pd.testing.assert_series_equal(called[0], called[1])
    assert not np.allclose(other.metrics()["value"], result.metrics()["value"])


def _calls(result):
    cells = result.screening().query("metric in ['tp', 'fp']")
    return cells.groupby(["model", "threshold"])["value"].sum()


def test_coverage_is_that_of_cv_plus_intervals_made_by_hand(run, result, elsewhere):
    inside = run.predictions.query("model == 'ridge'")
    residuals = np.abs(inside["target"] - inside["prediction"]).to_numpy()
    each = Predictor.from_run(run, "ridge").estimate_folds(elsewhere.in_id_order()).each
    count = int(np.ceil(0.9 * (len(residuals) + 1)))
    ends = []
    for radiograph in range(each.shape[1]):
        centres = each[inside["fold"].to_numpy(), radiograph]
        ends.append((np.sort(centres - residuals)[::-1][count - 1], np.sort(centres + residuals)[count - 1]))
    low, high = np.array(ends).T
    target = elsewhere.in_id_order().targets
    row = _table(result, "conformal").query("model == 'ridge' and level == 0.9").iloc[0]
    assert row["coverage"] == pytest.approx(np.mean((low <= target) & (target <= high)))
    assert row["width"] == pytest.approx(np.mean(high - low))
    patients = np.unique(elsewhere.in_id_order().patient_ids, return_inverse=True)[1]
    inside = ((low <= target) & (target <= high)).astype(float)
    draws = patient_draws(patients.max() + 1, seed=0, replicates=200)
    drawn = resample(lambda weights: weights @ inside / weights.sum(axis=1), draws, patients)
    assert (row["low"], row["high"]) == pytest.approx(tuple(bca_interval(drawn)))


def test_what_never_varies_has_no_interval(result):
    assert (result.drop()["change_low"] < result.drop()["change_high"]).sum() > 10
    flat = result.drop().query("external == external and external_low != external_low")
    assert len(flat) and flat["change_low"].isna().all() and flat["change_high"].isna().all()
    coverage = _table(result, "conformal")
    assert coverage.query("coverage == 1")[["low", "high"]].isna().all(axis=None)


def test_internal_lies_beside_external(run, result):
    drop = result.drop()
    shown = drop.query("model == 'concat' and metric == 'mae'").iloc[0]
    inside = run.metrics().query("model == 'concat' and metric == 'mae' and method.str.startswith('pooled')").iloc[0]
    outside = result.metrics().query("model == 'concat' and metric == 'mae'").iloc[0]
    assert (shown["internal"], shown["internal_low"]) == pytest.approx((inside["value"], inside["low"]))
    assert (shown["external"], shown["external_high"]) == pytest.approx((outside["value"], outside["high"]))
    assert shown["change"] == pytest.approx(outside["value"] - inside["value"])
    below = np.hypot(outside["value"] - outside["low"], inside["high"] - inside["value"])
    assert shown["change_low"] == pytest.approx(shown["change"] - below)
    assert (shown["n_internal"], shown["n_external"]) == (40, 24)
    screened = drop[drop["metric"] == "auroc"]
    assert set(screened["threshold"]) == {-1.0, -2.5}
    assert not drop.duplicated(["model", "metric", "threshold", "average"]).any()
    assert set(drop["metric"]) >= {"mse", "r2", "sensitivity", "specificity", "auroc", "prevalence"}


def test_models_are_compared_on_the_same_rows(result):
    compared = _table(result, "comparisons")
    assert set(compared["model_b"]) == {"concat"} and set(compared["model_a"]) == {"metadata_only", "ridge"}


def test_a_saved_predictor_gives_the_same_bytes(run, elsewhere, tmp_path):
    predictor = Predictor.from_run(run, "ridge")
    here = evaluate(predictor, elsewhere, out=tmp_path / "a", **QUICK)
    again = evaluate(Predictor.load(predictor.save(tmp_path / "m")), elsewhere, out=tmp_path / "b", **QUICK)
    for name in FILES:
        assert (here.folder / name).read_bytes() == (again.folder / name).read_bytes(), name


def test_the_order_of_the_rows_changes_nothing(run, tmp_path):
    predictor = Predictor.from_run(run, "ridge")
    one = evaluate(predictor, _elsewhere(tmp_path / "a"), out=tmp_path / "x", **QUICK)
    reverse = _elsewhere(tmp_path / "b", change=lambda frame: frame[::-1])
    two = evaluate(predictor, reverse, out=tmp_path / "y", **QUICK)
    for name in FILES:
        assert (one.folder / name).read_bytes() == (two.folder / name).read_bytes(), name


def _refused(run, cohort, out, words, *, model="concat", error=CohortError):
    with pytest.raises(error, match=words) as caught:
        evaluate(Predictor.from_run(run, model), cohort, out=out, **QUICK)
    assert not out.exists()
    return str(caught.value)


def test_a_patient_of_the_development_cohort_is_refused(run, tmp_path):
    def plant(frame):
        frame.loc[3, "patient_id"] = "p011"
        return frame

    said = _refused(run, _elsewhere(tmp_path / "c", change=plant), tmp_path / "E", "far_hip_003")
    assert "p011" not in said and "not in training" in said


def test_a_picture_of_the_development_cohort_is_refused_under_another_name(run, cohort, tmp_path):
    planted = _elsewhere(tmp_path / "c")
    shutil.copyfile(cohort.image_paths["hip_017"], planted.image_paths["far_hip_005"])
    said = _refused(run, planted, tmp_path / "E", "far_hip_005")
    assert "hip_017" not in said and "very same" in said


def test_a_model_without_pictures_looks_at_none(run, cohort, tmp_path):
    planted = _elsewhere(tmp_path / "c")
    shutil.rmtree(tmp_path / "c" / "images")
    assert evaluate(Predictor.from_run(run, "ridge"), planted, out=tmp_path / "E", **QUICK).folder.is_dir()


def test_t_scores_are_no_unit_of_a_target(tmp_path):
    with pytest.raises(ConfigError, match="T-score"):
        _elsewhere(tmp_path / "c", roles={**ROLES, "target": {"column": "fn_bmd", "unit": "T-score"}})


def test_volumetric_density_is_refused(run, tmp_path):
    roles = {**ROLES, "target": {"column": "fn_bmd", "unit": "mg/cm3"}}
    volumetric = _elsewhere(
        tmp_path / "c", roles=roles, change=lambda frame: frame.assign(fn_bmd=frame["fn_bmd"] * 150)
    )
    _refused(run, volumetric, tmp_path / "E", "areal density .* declares mg/cm3")


def test_t_scores_that_pass_for_densities_are_refused(run, tmp_path):
    scores = _elsewhere(tmp_path / "c", change=lambda frame: frame.assign(fn_bmd=(frame["fn_bmd"] - 1.038) / 0.139))
    _refused(run, scores, tmp_path / "E", "fn_bmd")


def test_a_missing_target_is_refused(run, tmp_path):
    def plant(frame):
        frame.loc[4, "fn_bmd"] = None
        return frame

    _refused(run, _elsewhere(tmp_path / "c", change=plant), tmp_path / "E", "far_hip_004")
    without = {name: role for name, role in ROLES.items() if name != "target"}
    _refused(run, _elsewhere(tmp_path / "d", roles=without), tmp_path / "E", "no target")


def test_another_reference_is_refused(run, tmp_path):
    roles = {**ROLES, "reference": "hologic_femoral_neck_white_female"}
    _refused(run, _elsewhere(tmp_path / "c", roles=roles), tmp_path / "E", "hologic")


def test_other_variables_are_refused(run, tmp_path):
    roles = {**ROLES, "numeric": {"age": {"unit": "years", "range": [18, 110]}}}
    _refused(run, _elsewhere(tmp_path / "c", roles=roles), tmp_path / "E", "weight")


def test_impossible_requests_are_refused(run, elsewhere, tmp_path):
    ridge, concat = (Predictor.from_run(run, model) for model in ("ridge", "concat"))
    out = tmp_path / "E"
    with pytest.raises(RunError, match="different names"):
        evaluate([ridge, ridge], elsewhere, out=out)
    with pytest.raises(RunError, match="none was given"):
        evaluate([], elsewhere, out=out)
    with pytest.raises(RunError, match="share their reference"):
        evaluate([ridge, replace(concat, reference="hologic_femoral_neck_white_male")], elsewhere, out=out)
    out.mkdir()
    with pytest.raises(RunError, match="new folder"):
        evaluate(ridge, elsewhere, out=out)


def test_a_cohort_of_one_sex_and_one_site_is_accepted(run, tmp_path):
    women = _elsewhere(
        tmp_path / "c", n=8, change=lambda frame: frame.assign(sex="female", site="only", smoking="never")
    )
    assert len(evaluate(Predictor.from_run(run, "ridge"), women, out=tmp_path / "E", **QUICK).predictions) == 8


@pytest.mark.parametrize("n", [1, 3])
def test_very_few_patients_have_values_without_false_certainty(run, tmp_path, n):
    few = _elsewhere(tmp_path / "c", n=n)
    result = evaluate(Predictor.from_run(run, "ridge"), few, out=tmp_path / "E", **QUICK)
    drop = result.drop()
    assert np.isfinite(drop[drop["metric"] == "mae"]["external"]).all()
    if n == 1:
        assert result.metrics()["low"].isna().all() and drop["change_low"].isna().all()


def test_either_side_simulated_labels_everything(run, tmp_path):
    made_up = _elsewhere(tmp_path / "c", roles={**ROLES, "simulated": True})
    plain = _elsewhere(tmp_path / "d")
    ridge = Predictor.from_run(run, "ridge")
    for place, (predictor, cohort) in enumerate([(ridge, made_up), (replace(ridge, simulated=True), plain)]):
        result = evaluate(predictor, cohort, out=tmp_path / f"E{place}", **QUICK)
        assert result.simulated and result.drop()["simulated"].all() and result.metrics()["simulated"].all()
        assert open_source(result.folder).simulated is True


def test_the_report_can_read_the_folder(run, tmp_path):
    roles = {name: role for name, role in ROLES.items() if name != "reference"}
    result = evaluate(Predictor.from_run(run, "ridge"), _elsewhere(tmp_path / "c", roles=roles), out=tmp_path / "E")
    source = open_source(result.folder)
    assert source.reference.name == run.config.reference and source.simulated is False
    assert source.cohort["validation"] == "external" and source.cohort["predictors"][0]["radiographs"] == 40
    assert len(source.record) == 24 and not source.unmatched
    assert yaml.safe_load((result.folder / "cohort.json").read_text())["predictors"][0]["model"] == "ridge"
