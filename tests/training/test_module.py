"""The Lightning module and data module with a user's own Trainer."""

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger

from tests.cohorts import write_cohort
from tests.training.settings import TINY
from xattn_bmd import Cohort, CohortDataModule, DensityModule, FoldPlan, build_network, loss_weights
from xattn_bmd.errors import FoldPlanError
from xattn_bmd.training.callbacks import BestWeights, History
from xattn_bmd.training.module import _decay_groups


@pytest.fixture
def data(cohort):
    return CohortDataModule(
        cohort,
        plan=FoldPlan.make(cohort, folds=3),
        fold=1,
        image=TINY.image,
        augment=TINY.training.augment,
        batch_size=8,
    )


def _module(data, fusion="xattn"):
    torch.manual_seed(0)
    targets = data.train_targets
    network = build_network(
        fusion=fusion,
        schema=data.schema,
        config=TINY.model,
        target_mean=float(targets.mean()),
        target_sd=float(targets.std()),
    )
    return DensityModule(
        network,
        config=TINY.training,
        weights=loss_weights(targets, weighting="t_score_bands", reference="lunar_femoral_neck_white_female"),
    )


def _quiet_trainer(epochs, *callbacks):
    return pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=list(callbacks),
    )


def test_own_trainer_with_logger_and_checkpoint(data, tmp_path):
    checkpoint = ModelCheckpoint(dirpath=tmp_path, monitor="val_loss", save_weights_only=True)
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        precision="bf16-mixed",
        logger=CSVLogger(tmp_path),
        callbacks=[checkpoint],
        enable_progress_bar=False,
    )
    module = _module(data)
    trainer.fit(module, datamodule=data)
    assert "val_mae" in trainer.callback_metrics
    assert checkpoint.best_model_path
    parts = trainer.predict(module, datamodule=data)
    rows = torch.cat([row for row, _ in parts])
    assert sorted(rows.tolist()) == sorted(data.rows_of(data.split.test))
    assert trainer.test(module, datamodule=data, verbose=False)[0]["test_mae"] > 0


@pytest.mark.parametrize("fusion", ["xattn", "concat", "image_only", "metadata_only"])
def test_training_lowers_the_loss(data, fusion):
    module = _module(data, fusion)
    history = History()
    _quiet_trainer(8, history).fit(module, datamodule=data)
    losses = [row["train_loss"] for row in history.rows]
    assert min(losses[-3:]) < losses[0]


def test_best_weights_are_those_of_the_best_epoch(data):
    best, history = BestWeights(), History()
    seen = {}

    class Watch(pl.Callback):
        def on_validation_end(self, trainer, pl_module):
            seen[trainer.current_epoch] = {k: v.clone() for k, v in pl_module.state_dict().items()}

    module = _module(data, "metadata_only")
    _quiet_trainer(4, Watch(), best, history).fit(module, datamodule=data)
    losses = [row["val_loss"] for row in history.rows]
    assert best.epoch == int(np.argmin(losses))
    for name, value in module.state_dict().items():
        torch.testing.assert_close(value, seen[best.epoch][name])


def test_everything_fitted_comes_from_the_training_part(cohort, data):
    train = data.rows_of(data.split.train)
    spoiled = cohort.table.copy()
    outside = [row for row in range(len(cohort)) if row not in train]
    spoiled.iloc[outside, spoiled.columns.get_loc("age")] = 109.0
    assert np.isclose(data.encoder.mean[0], cohort.table["age"].iloc[train].astype(float).mean())
    from xattn_bmd.data.variables import VariableEncoder

    again = VariableEncoder.fit(spoiled.iloc[train], cohort.schema)
    assert again.to_dict() == data.encoder.to_dict()


def test_right_hips_are_mirrored(cohort, data):
    data.setup()
    batch = next(iter(data.test_dataloader()))
    raw = data._arrays.pictures.pixels[batch.row.numpy()].astype(np.float32) / 65535
    for position, row in enumerate(batch.row.tolist()):
        expected = raw[position, :, ::-1] if cohort.sides[row] == "R" else raw[position]
        np.testing.assert_array_equal(batch.image[position, 0].numpy(), expected)


def test_only_training_batches_are_augmented(data):
    data.setup()
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    data.trainer = trainer
    batch = next(iter(data.val_dataloader()))
    assert torch.equal(data.on_after_batch_transfer(batch, 0).image, batch.image)
    trainer.training = True
    assert not torch.equal(data.on_after_batch_transfer(batch, 0).image, batch.image)


def test_decay_spares_biases_and_norms():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.LayerNorm(3))
    decayed, spared = _decay_groups(model, 0.1)
    assert [p.ndim for p in decayed["params"]] == [2]
    assert [p.ndim for p in spared["params"]] == [1, 1, 1]
    assert spared["weight_decay"] == 0.0


def test_a_last_batch_of_one_is_dropped_only_in_training(cohort):
    plan = FoldPlan.make(cohort, folds=3)
    probe = CohortDataModule(cohort, plan=plan, use_images=False, batch_size=8)
    size = next(b for b in range(2, 30) if len(probe.split.train) % b == 1)
    data = CohortDataModule(cohort, plan=plan, use_images=False, batch_size=size)
    rows = [len(batch.row) for batch in data.train_dataloader()]
    assert 1 not in rows and sum(rows) == len(data.split.train) - 1
    assert sum(len(batch.row) for batch in data.test_dataloader()) == len(data.split.test)


def test_one_picture_in_two_parts_is_refused_when_the_pictures_are_opened(tmp_path):
    table = write_cohort(tmp_path / "c")
    images = table.parent / "images"
    cohort = Cohort.from_csv(table, images=images)
    plan = FoldPlan.make(cohort, folds=3)
    split = plan.split(0, 0)
    (images / f"{split.test[0]}.png").write_bytes((images / f"{split.train[0]}.png").read_bytes())
    data = CohortDataModule(cohort, plan=plan, image=TINY.image)
    with pytest.raises(FoldPlanError, match=split.test[0]):
        data.setup()
