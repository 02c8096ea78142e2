"""A mask head through the whole road: fits, run folder, Dice, resumption, predictor, search, refusals."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from tests.cohorts import draw_masks, write_cohort
from tests.training.settings import TINY, tiny
from xattn_bmd import Cohort, CohortDataModule, DensityModule, FoldPlan, Predictor, build_network, compare, load_run
from xattn_bmd.cli import main
from xattn_bmd.config import load_config
from xattn_bmd.errors import CohortError, ConfigError, ModelError, RunError
from xattn_bmd.metrics.tables.masks import MASK_COLUMNS
from xattn_bmd.report.evidence import gather
from xattn_bmd.report.material import Material
from xattn_bmd.report.sections.masks import section
from xattn_bmd.report.source import open_source
from xattn_bmd.training.runs.estimator_file import load_estimator

HEAD = replace(TINY.model, mask_head="unet", mask_width=4)
TRAINING = replace(TINY.training, epochs=5, patience=5, learning_rate=8e-3)
ONCE = replace(TRAINING, epochs=1, patience=1)
SETTINGS = tiny(models=("image_only", "concat", "metadata_only"), folds=2, model=HEAD, training=TRAINING)
WITHOUT = ("hip_003", "hip_010")


@pytest.fixture(scope="module")
def masks(cohort_table, tmp_path_factory):
    return draw_masks(cohort_table, tmp_path_factory.mktemp("drawn") / "masks", without=WITHOUT)


@pytest.fixture(scope="module")
def run(cohort_table, masks, tmp_path_factory):
    """A run of models with mask heads; read-only."""
    cohort = Cohort.from_csv(cohort_table, masks=masks)
    return compare(cohort, out=tmp_path_factory.mktemp("run") / "RUN", config=SETTINGS, progress=False)


def test_every_drawn_mask_is_compared_out_of_fold_with_the_one_found(run):
    table = load_run(run.folder).masks
    assert list(table.columns) == list(MASK_COLUMNS)
    assert set(table["model"]) == {"image_only", "concat"}
    scored = run.predictions[~run.predictions["radiograph_id"].isin(WITHOUT)]
    expected = scored[scored["model"] == "concat"][["radiograph_id", "fold"]].reset_index(drop=True)
    found = table[table["model"] == "concat"][["radiograph_id", "fold"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected)
    dice = run.dice().set_index(["model", "metric"])["value"]
    assert dice["image_only", "dice"] == pytest.approx(table[table["model"] == "image_only"]["dice"].mean())
    assert dice["image_only", "dice"] > 0.6


def test_shares_and_dice_are_those_of_the_networks_own_masks(run, cohort_table, masks, tmp_path):
    name = "hip_005"
    row = run.masks.set_index(["model", "radiograph_id"]).loc[("image_only", name)]
    estimator = load_estimator(run.folder / "image_only" / "repeat_00" / f"fold_{row['fold']:02d}")
    cohort = Cohort.from_csv(cohort_table, masks=masks)
    data = CohortDataModule(
        cohort, plan=run.plan, image=run.config.image, use_masks=True, fold=int(row["fold"]), cache=tmp_path
    )
    batch = data.batch(torch.tensor(data.rows_of([name])))
    with torch.no_grad():
        found = estimator.build().segment(batch.image) > 0.5
    assert float(row["found_share"]) == pytest.approx(float(found.float().mean()))
    assert float(row["mask_share"]) == pytest.approx(float(batch.mask.mean()))
    both = (found & (batch.mask > 0)).sum()
    assert float(row["dice"]) == pytest.approx(float(2 * both / (found.sum() + batch.mask.sum())))


def test_the_report_tells_how_well_the_heads_segment(run, tmp_path):
    blocks = section(
        Material(source=(source := open_source(run.folder)), evidence=gather(source, replicates=50))
    ).blocks
    value = run.dice().set_index(["model", "metric"])["value"]
    shown = {row[0].text: [cell.text for cell in row[1:]] for row in blocks[0].rows}
    assert set(shown) == {"image_only", "concat"}
    assert shown["concat"][0].startswith(f"{value['concat', 'dice']:.3f}")
    assert "n = 38 radiographs with a mask" in blocks[0].caption


def test_history_tells_both_losses_and_the_epoch_follows_the_density_alone(run):
    fold = run.folder / "concat" / "repeat_00" / "fold_00"
    history = pd.read_csv(fold / "history.csv")
    assert {"train_loss", "val_loss", "val_mae", "train_mask_loss", "val_mask_loss"} < set(history)
    assert history["train_mask_loss"].iloc[-1] < 0.85 * history["train_mask_loss"].iloc[0]
    assert load_estimator(fold).record["epoch"] == int(history["val_loss"].idxmin())
    record = pd.read_csv(run.folder / "metadata_only" / "repeat_00" / "fold_00" / "history.csv")
    assert not [name for name in record if "mask" in name]


def test_a_killed_run_is_continued_to_the_same_bytes(run, cohort_table, masks, tmp_path):
    copy = tmp_path / "RUN"
    shutil.copytree(run.folder, copy)
    shutil.rmtree(copy / "concat" / "repeat_00" / "fold_01")
    for name in ("masks.csv", "predictions.csv", "metrics.csv"):
        (copy / name).unlink()
    again = compare(Cohort.from_csv(cohort_table, masks=masks), out=copy, config=SETTINGS, progress=False)
    for name in ("masks.csv", "predictions.csv", "metrics.csv"):
        assert (again.folder / name).read_bytes() == (run.folder / name).read_bytes()


def test_a_run_is_not_continued_with_other_masks(run, cohort_table, masks, tmp_path):
    other = tmp_path / "masks"
    shutil.copytree(masks, other)
    (other / "hip_004.png").unlink()
    with pytest.raises(RunError, match="fitted with something else"):
        compare(Cohort.from_csv(cohort_table, masks=other), out=run.folder, config=SETTINGS, progress=False)


def test_the_twin_has_the_same_folds_and_no_masks(run, cohort_table, masks, tmp_path):
    config = replace(SETTINGS, models=("image_only",), model=replace(HEAD, mask_head="none"), training=ONCE)
    cohort = Cohort.from_csv(cohort_table, masks=masks)
    twin = compare(cohort, out=tmp_path / "RUN", config=config, plan=run.plan, progress=False)
    plain = compare(Cohort.from_csv(cohort_table), out=tmp_path / "OTHER", config=config, plan=run.plan, progress=False)
    assert twin.plan.hash == run.plan.hash
    assert twin.masks is None
    pd.testing.assert_frame_equal(twin.predictions, plain.predictions)
    with pytest.raises(RunError, match="mask_head='unet'"):
        twin.dice()
    with pytest.raises(RunError, match="mask_head='unet'"):
        Predictor.from_run(twin, "image_only").segment(cohort)


def test_a_predictor_segments_new_radiographs_on_their_own_pixels(run, tmp_path):
    table = write_cohort(tmp_path / "new", n=8, seed=5)
    drawn = draw_masks(table, tmp_path / "masks", without=("hip_002",))
    cohort = Cohort.from_csv(table, masks=drawn)
    found = Predictor.from_run(run, "image_only").segment(cohort, out=tmp_path / "found").set_index("radiograph_id")
    assert found.index.tolist() == list(cohort.radiograph_ids)
    assert found["dice"].isna().tolist() == [name == "hip_002" for name in found.index]
    for name in found.index:
        mask = np.asarray(Image.open(tmp_path / "found" / f"{name}.png"))
        assert mask.shape == (48, 48)
        assert set(np.unique(mask)) <= {0, 255}
        assert (mask > 0).sum() == found.loc[name, "pixels"]
        if name != "hip_002":
            truth = np.asarray(Image.open(drawn / f"{name}.png")) > 0
            own = 2 * ((mask > 0) & truth).sum() / ((mask > 0).sum() + truth.sum())
            assert own == pytest.approx(found.loc[name, "dice"], abs=0.06)
    assert found["dice"].mean() > 0.6
    assert found["area_mm2"].isna().all()


def test_segmenting_writes_no_file_outside_its_folder(run, tmp_path):
    table = write_cohort(tmp_path / "new", n=8, seed=5)
    frame = pd.read_csv(table).assign(radiograph_id=lambda t: "../" + t["radiograph_id"])
    frame.to_csv(table, index=False)
    with pytest.raises(CohortError, match="ids without slashes"):
        Predictor.from_run(run, "image_only").segment(Cohort.from_csv(table), out=tmp_path / "found")


def test_segment_command(run, cohort_table, masks, tmp_path, capsys):
    words = ["segment", str(run.folder / "image_only"), str(cohort_table), "--masks", str(masks)]
    assert main([*words, "--out", str(tmp_path / "found")]) == 0
    assert len(list((tmp_path / "found").glob("*.png"))) == 40
    table = pd.read_csv(tmp_path / "found" / "segment.csv")
    assert table["dice"].notna().sum() == 38
    assert "mean Dice" in capsys.readouterr().out


def test_compare_command_takes_masks_and_a_mask_head(cohort_table, masks, tmp_path, undrawn):
    words = [
        "compare",
        str(cohort_table),
        "--masks",
        str(masks),
        "--out",
        str(tmp_path / "RUN"),
        "--models",
        "image_only",
    ]
    settings = tmp_path / "settings.yaml"
    settings.write_text(
        "folds: 2\nimage: {size: 64}\n"
        "model: {backbone: test_resnet, width: 16, heads: 2, mask_head: unet, mask_width: 4}\n"
        "training: {epochs: 1, batch_size: 8, accelerator: cpu}\n"
    )
    assert main([*words, "--settings", str(settings)]) == 0
    assert load_run(tmp_path / "RUN").masks is not None
    assert load_config(settings).model.mask_head == "unet"


def test_task_weights_are_trained_with_the_network_and_kept_out_of_it(run, cohort_table, masks, tmp_path):
    config = replace(SETTINGS, models=("image_only",), training=replace(ONCE, task_weights="uncertainty"))
    cohort = Cohort.from_csv(cohort_table, masks=masks)
    learned = compare(cohort, out=tmp_path / "RUN", config=config, plan=run.plan, progress=False)
    assert (run.config.training.task_weights, learned.config.training.task_weights) == ("fixed", "uncertainty")
    for each in (run, learned):
        tensors = load_estimator(each.folder / "image_only" / "repeat_00" / "fold_00").tensors
        assert not [name for name in tensors if "balance" in name or "log_variance" in name]
        assert [name for name in tensors if name.startswith("mask_head.")]


def test_uncertainty_moves_its_weights_in_training(cohort_table, masks):
    import pytorch_lightning as pl

    cohort = Cohort.from_csv(cohort_table, masks=masks)
    data = CohortDataModule(cohort, plan=FoldPlan.make(cohort, folds=3), image=TINY.image, batch_size=8, use_masks=True)
    network = build_network(fusion="image_only", schema=data.schema, config=HEAD, target_mean=0.88, target_sd=0.15)
    module = DensityModule(network, config=replace(TRAINING, task_weights="uncertainty", weighting="none"))
    before = module.balance.log_variance.detach().clone()
    pl.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(module, datamodule=data)  # fmt: skip
    moved = module.balance.log_variance.detach() - before
    assert bool((moved < 0).all())  # both losses are below what their first weights stand for


def test_an_ensemble_of_seeds_segments_with_the_mean(cohort_table, masks, tmp_path):
    config = replace(SETTINGS, models=("image_only",), training=replace(ONCE, seeds=2))
    cohort = Cohort.from_csv(cohort_table, masks=masks)
    got = compare(cohort, out=tmp_path / "RUN", config=config, progress=False)
    estimator = load_estimator(got.folder / "image_only" / "repeat_00" / "fold_00")
    image = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        each = [estimator.build(seed).segment(image) for seed in range(2)]
    assert not torch.equal(each[0], each[1])
    assert len(got.masks) == 38


def test_frozen_trunk_is_looked_through_afresh_for_its_finer_maps(cohort_table, masks, tmp_path):
    weights = tmp_path / "trunk.safetensors"
    import timm
    from safetensors.torch import save_file

    save_file(timm.create_model("test_resnet", in_chans=1, num_classes=0).state_dict(), weights)
    model = replace(HEAD, weights=str(weights), freeze="trunk")
    config = replace(SETTINGS, models=("image_only",), model=model, training=ONCE)
    got = compare(Cohort.from_csv(cohort_table, masks=masks), out=tmp_path / "RUN", config=config, progress=False)
    assert got.masks["dice"].notna().all()
    assert list((got.folder / "image_only").glob("frozen-*.safetensors"))


def test_a_mask_head_without_masks_is_refused_before_anything_is_written(cohort_table, tmp_path):
    with pytest.raises(ConfigError, match=r"give masks=FOLDER with the cohort"):
        compare(Cohort.from_csv(cohort_table), out=tmp_path / "RUN", config=SETTINGS, progress=False)
    assert not (tmp_path / "RUN").exists()


def test_a_mask_that_does_not_fit_is_told_of_before_the_first_fit(cohort_table, masks, tmp_path):
    spoilt = tmp_path / "masks"
    shutil.copytree(masks, spoilt)
    Image.fromarray(np.zeros((48, 48), np.uint8)).save(spoilt / "hip_004.png")
    Image.fromarray(np.full((50, 48), 255, np.uint8)).save(spoilt / "hip_005.png")
    with pytest.raises(CohortError) as told:
        compare(Cohort.from_csv(cohort_table, masks=spoilt), out=tmp_path / "RUN", config=SETTINGS, progress=False)
    assert "hip_004" in str(told.value)
    assert "hip_005" in str(told.value)
    assert not (tmp_path / "RUN").exists()


def test_a_batch_without_masks_is_refused(cohort):
    data = CohortDataModule(cohort, plan=FoldPlan.make(cohort, folds=3), image=TINY.image, batch_size=8)
    network = build_network(fusion="image_only", schema=data.schema, config=HEAD, target_mean=0.88, target_sd=0.15)
    module = DensityModule(network, config=TINY.training)
    with pytest.raises(ModelError, match="use_masks=True"):
        module.validation_step(data.batch(torch.arange(4)), 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"mask_head": "vnet"}}, "model.mask_head is one of none, unet, but 'vnet'"),
        ({"model": {"mask_width": 2}}, "model.mask_width must be at least 4"),
        ({"training": {"mask_weight": 0.0}}, r"training.mask_weight must lie between 0.0 and 100.0"),
        ({"training": {"task_weights": "learned"}}, "training.task_weights is one of fixed, uncertainty"),
    ],
)
def test_settings_that_cannot_be_trained_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        replace(SETTINGS, **{group: replace(getattr(SETTINGS, group), **values) for group, values in change.items()})


def test_uncertainty_weights_are_refused_beside_a_loss_that_can_be_negative():
    training = replace(TRAINING, task_weights="uncertainty", loss="gaussian_nll")
    with pytest.raises(ConfigError, match="never negative"):
        replace(SETTINGS, model=replace(HEAD, head="gaussian"), training=training)
