"""CT volumes with densities of QCT through the whole road: compare, read back, predict, evaluate."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.cohorts import write_cohort
from tests.report.pages import PageParts
from tests.volume_cohorts import write_volumes
from xattn_bmd import Cohort, CompareConfig, Predictor, compare, evaluate, explain, load_run, tune
from xattn_bmd.bone.qct import qct_class
from xattn_bmd.config import AugmentConfig, ImageConfig, ModelConfig, TrainingConfig
from xattn_bmd.errors import CohortError, ConfigError, FoldPlanError, ModelError, RunError
from xattn_bmd.explanation.record.shapley import record_contributions
from xattn_bmd.report.write import write_report

SETTINGS = CompareConfig(
    models=("image_only", "metadata_only"),
    folds=2,
    image=ImageConfig(size=32, slices=8, hu_window=(-200.0, 1000.0)),
    model=ModelConfig(backbone="densenet_small_3d", width=16, layers=1, heads=2, dropout=0.0),
    training=TrainingConfig(
        epochs=14,
        patience=14,
        batch_size=8,
        beta=15.0,
        learning_rate=4e-3,
        accelerator="cpu",
        augment=AugmentConfig(contrast=0.0, gamma=0.0, rotation=4.0),
    ),
)
QUICK = replace(SETTINGS.training, epochs=1, patience=1)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_volumes(tmp_path_factory.mktemp("volumes"), n=48)


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return compare(Cohort.from_csv(table), out=folder / "run", config=SETTINGS, cache=folder / "cache")


def at(run, name, model):
    metrics = run.metrics()
    return float(metrics[(metrics["model"] == model) & (metrics["metric"] == name)]["value"].iloc[0])


def test_a_density_written_in_hounsfield_units_is_learned(run):
    assert at(run, "r2", "image_only") > 0.5
    assert at(run, "r2", "metadata_only") < 0.2
    assert at(run, "mae", "image_only") < 0.6 * at(run, "mae", "metadata_only")


def test_tables_say_the_unit_and_screen_at_the_cut_offs_of_qct(run):
    assert set(run.predictions["unit"]) == {"mg/cm3"}
    assert set(load_run(run.folder).calibration["unit"]) == {"mg/cm3"}
    screening = run.screening()
    assert set(screening["reference"]) == {"qct_lumbar_spine"}
    cut_offs = {round(threshold, 9) for threshold in screening["density_threshold"]}
    assert cut_offs == {120.0, 80.0}
    words = set(screening[screening["average"] == "positive"]["positive"])
    assert words == {"low density: <= 120 mg/cm³", "low density: < 80 mg/cm³"}
    own = run.predictions[run.predictions["model"] == "image_only"]
    found = screening[(screening["model"] == "image_only") & (screening["density_threshold"].round() == 120)]
    right = ((own["target"] <= 120) == (own["prediction"] <= 120)).mean()
    assert found[found["metric"] == "accuracy"]["value"].iloc[0] == pytest.approx(right)


def test_the_predictor_says_the_same_after_saving_and_has_no_t_scores(run, table, tmp_path):
    cohort = Cohort.from_csv(table)
    loaded = Predictor.load(Predictor.from_run(run, "image_only").save(tmp_path / "saved"))
    assert loaded.image == SETTINGS.image
    said = loaded.predict(cohort, cache=tmp_path / "cache")
    again = Predictor.load(run.folder / "image_only").predict(cohort.subset(cohort.radiograph_ids[3:5]))
    both = said.set_index("radiograph_id").loc[again["radiograph_id"], "prediction"]
    np.testing.assert_allclose(again["prediction"], both, atol=1e-3)
    assert list(said["qct_class"]) == list(qct_class(said["prediction"]))
    assert not {"t_score", "who_class"} & set(said.columns)
    assert said["probability_low"].corr(said["prediction"], method="spearman") < -0.99
    with pytest.raises(RunError, match="list of any length is read of radiographs, but this model sees CT volumes"):
        loaded.predict_archive(table, out=tmp_path / "list.csv")


def test_it_is_evaluated_on_people_it_has_not_seen_and_on_no_others(run, table, tmp_path, undrawn):
    elsewhere = Cohort.from_csv(write_volumes(tmp_path / "elsewhere", n=12, seed=5, first=100))
    predictor = Predictor.from_run(run, "image_only")
    found = evaluate(predictor, elsewhere, out=tmp_path / "external", replicates=200)
    metrics = found.metrics()
    assert float(metrics[metrics["metric"] == "r2"]["value"].iloc[0]) > 0.3
    assert set(found.predictions["unit"]) == {"mg/cm3"}
    assert set(found.screening()["density_threshold"].round(9)) == {120.0, 80.0}
    text = PageParts(write_report(found.folder, replicates=20).read_text()).text
    assert "n = 48 internal and 12 external CT volumes" in text and "The middle 8 slices of 32 × 32 pixels" in text
    frame = pd.read_csv(table).assign(person=lambda rows: "new_" + rows["person"])
    renamed = Cohort.from_table(frame, roles=elsewhere.roles, images=table.parent / "images")
    with pytest.raises(CohortError, match="shows the very same picture"):
        evaluate(predictor, renamed, out=tmp_path / "same")


def test_the_same_command_continues_and_decodes_nothing_again(run, table, monkeypatch):
    before = (run.folder / "predictions.csv").read_bytes()
    shutil.rmtree(run.folder / "image_only" / "repeat_00" / "fold_01")
    (run.folder / "predictions.csv").unlink()
    decoded = []
    monkeypatch.setattr("xattn_bmd.data.pictures.build.decode", lambda *_, **__: decoded.append(1))
    again = compare(Cohort.from_csv(table), out=run.folder, config=SETTINGS, cache=run.folder.parent / "cache")
    assert (again.folder / "predictions.csv").read_bytes() == before
    assert decoded == []


def test_one_scan_of_two_patients_is_a_leak(tmp_path):
    table = write_volumes(tmp_path / "cohort", n=16)
    images = table.parent / "images"
    for name in ("ct_001", "ct_002", "ct_003", "ct_004"):
        (images / f"{name}.nii.gz").write_bytes((images / "ct_000.nii.gz").read_bytes())
    with pytest.raises(FoldPlanError, match="picture"):
        compare(Cohort.from_csv(table), out=tmp_path / "run", config=replace(SETTINGS, training=QUICK))


@pytest.mark.parametrize("models", [("xattn", "concat", "late")])
def test_slices_through_a_frozen_trunk_are_stored_once_for_all_fusions(table, tmp_path, models):
    from safetensors.torch import save_file

    from xattn_bmd.models.image import build_trunk

    trunk = build_trunk("test_resnet", weights="none")
    save_file({name: value.contiguous() for name, value in trunk.state_dict().items()}, tmp_path / "w.safetensors")
    model = replace(SETTINGS.model, backbone="test_resnet", weights=str(tmp_path / "w.safetensors"), freeze="trunk")
    settings = replace(SETTINGS, models=models, model=model, training=QUICK)
    cohort = Cohort.from_csv(table).subset(Cohort.from_csv(table).radiograph_ids[:16])
    run = compare(cohort, out=tmp_path / "run", config=settings, cache=tmp_path / "cache")
    [stored] = (tmp_path / "cache" / "features").glob("*.npy")
    assert np.load(stored, mmap_mode="r").shape == (16, 8, trunk.feature_info[-1]["num_chs"], 8, 1, 1)
    said = run.predictions
    assert len(said) == 3 * 16 and np.isfinite(said["prediction"]).all()
    direct = Predictor.from_run(run, "concat").predict(cohort)
    assert np.isfinite(direct["prediction"]).all()


def refused(table, settings, match, error=ConfigError, **changes):
    cohort = Cohort.from_csv(table)
    out = table.parent / "never"
    with pytest.raises(error, match=match):
        compare(cohort, out=out, config=replace(settings, **changes))
    assert not out.exists()


def test_what_does_not_go_together_is_refused_before_anything_is_written(table, tmp_path):
    flat = write_cohort(tmp_path / "hips", n=16)
    on_hips = {"match": "image.slices=8 is for CT volumes"}
    refused(flat, SETTINGS, **on_hips)
    refused(table, SETTINGS, "image.slices is 1, which is for radiographs", image=ImageConfig(size=32))
    refused(flat, SETTINGS, "'densenet_small_3d' sees CT volumes, but image.slices is 1", image=ImageConfig(size=32))
    masked = replace(SETTINGS.model, backbone="test_resnet", mask_head="unet")
    refused(table, SETTINGS, "mask head draws on radiographs", model=masked)
    deep = replace(SETTINGS.model, backbone="densenet121_3d")
    refused(table, SETTINGS, "needs volumes of at least 32 slices", error=ModelError, model=deep)
    hip = "lunar_femoral_neck_white_female"
    refused(table, SETTINGS, f"declares mg/cm3 and {hip} is in g/cm2", error=CohortError, reference=hip)
    refused(flat, SETTINGS, "declares g/cm2 and qct_lumbar_spine", error=CohortError, reference="qct_lumbar_spine")


def test_the_report_of_a_run_is_in_its_unit(run, tmp_path, undrawn):
    text = PageParts(write_report(run.folder, out=tmp_path, replicates=20).read_text()).text
    assert (
        f"a mean absolute error of {at(run, 'mae', 'image_only'):.1f} [" in text
        and "mg/cm³" in text
        and "g/cm²" not in text
    )
    assert "The encoder densenet_small_3d sees the whole volume (3-D)." in text


def test_a_search_is_scored_in_mg(table, tmp_path, undrawn):
    cohort = Cohort.from_csv(table)
    space = {"model.backbone": {"choices": ["densenet_small_3d", "test_resnet"]}}
    asked = {"models": ["image_only"], "config": replace(SETTINGS, training=QUICK), "progress": False}
    found = tune(
        cohort.subset(cohort.radiograph_ids[:24]), space=space, out=tmp_path / "S", trials=2, nested=False, **asked
    )
    assert set(found.predictions["unit"]) == {"mg/cm3"} and len(found.predictions) == 24
    error = (found.predictions["target"] - found.predictions["prediction"]).abs()
    for fold, mae in zip(found.scores["outer_fold"], found.scores["outer_mae"], strict=True):
        assert mae == pytest.approx(error[found.predictions["fold"] == fold].mean())
    page = PageParts(found.report().read_text()).text
    assert f"{found.scores['outer_mae'][0]:.2f}" in page and "24 CT volumes" in page and "g/cm²" not in page
    deep = {"model.backbone": {"choices": ["densenet_small_3d", "densenet121_3d"]}}
    with pytest.raises(ModelError, match="needs volumes of at least 32 slices"):
        tune(cohort, space=deep, out=tmp_path / "never", **asked)
    assert not (tmp_path / "never").exists()


def test_heat_is_of_radiographs_and_says_what_explains_volumes(run, table, tmp_path):
    with pytest.raises(ModelError, match=r"'image_only' sees CT volumes; take .*volume_heat.*record_contributions"):
        explain(run, Cohort.from_csv(table), out=tmp_path / "heat")


def test_contributions_of_volume_and_record_add_up_in_mg(run, table):
    cohort = Cohort.from_csv(table)
    some = cohort.subset(cohort.radiograph_ids[:6])
    cache = run.folder.parent / "cache"
    seen = record_contributions(run, some, model="image_only", background=cohort, people=4, cache=cache)
    read = record_contributions(run, some, model="metadata_only", background=cohort, people=4)
    for found in (seen, read):
        own = run.predictions[run.predictions["model"] == found.model].set_index("radiograph_id")["prediction"]
        np.testing.assert_allclose(found.prediction, own.loc[list(some.radiograph_ids)], atol=2e-3)
        assert found.words.scale.unit == "mg/cm³" and found.words.images == "CT volumes"
    assert np.abs(seen.image).max() > 5 and np.abs(seen.record).max() < 1e-3
    assert np.abs(read.image).max() < 1e-3
    drawn = seen.waterfall(some.radiograph_ids[0]).axes[0].get_xlabel(), seen.beeswarm().axes[0].get_xlabel()
    assert all("mg/cm³" in label for label in drawn)


def test_the_preset_reads_volumes_and_leaves_hounsfield_units_alone(run):
    preset = CompareConfig.from_preset("ct_quick")
    assert preset.image.is_volume and preset.model.freeze == "trunk"
    assert (preset.training.augment.contrast, preset.training.augment.gamma) == (0.0, 0.0)
    stored = json.loads((run.folder / "image_only" / "predictor.json").read_text())
    assert stored["reference"] == "qct_lumbar_spine"
