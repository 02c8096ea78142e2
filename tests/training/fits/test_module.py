"""The Lightning module and data module with a user's own Trainer."""

from dataclasses import replace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger

from tests.cohorts import write_cohort
from tests.training.settings import TINY
from xattn_bmd import Cohort, CohortDataModule, DensityModule, FoldPlan, build_network, loss_weights
from xattn_bmd.errors import ConfigError, FoldPlanError
from xattn_bmd.models.image import ImageEncoder
from xattn_bmd.training.fits import compiling
from xattn_bmd.training.fits.callbacks import BestWeights, History, trained_tensors
from xattn_bmd.training.fits.module import EpochMeans, _decay_groups


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


def _module(data, fusion="xattn", **training):
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
        config=replace(TINY.training, **training),
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


def test_frozen_tensors_are_not_copied_and_all_others_are():
    frozen = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)).requires_grad_(False)
    half = torch.nn.Linear(2, 2)
    half.bias.requires_grad_(False)
    module = torch.nn.ModuleDict({"frozen": frozen, "partly": half, "trained": torch.nn.BatchNorm1d(2)})
    names = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
    assert set(trained_tensors(module)) == {"partly.weight"} | {f"trained.{name}" for name in names}


@pytest.mark.parametrize("freeze", ["none", "layer3", "trunk"])
def test_the_encoder_and_the_kept_weights_agree_on_what_is_frozen(freeze):
    encoder = ImageEncoder(backbone="test_resnet", weights="none", width=16, freeze=freeze)
    assert set(trained_tensors(encoder)) == set(encoder.state_dict()) - encoder.frozen_names()


def test_logged_means_count_every_radiograph_once(data):
    history = History()
    module = _module(data, "metadata_only", learning_rate=1e-9)
    _quiet_trainer(1, history).fit(module, datamodule=data)
    module.eval()
    rows = torch.tensor(data.rows_of(data.split.validation))
    assert len(rows) % data.batch_size, "batches of one size would hide a wrong mean"
    batch = data.batch(rows)
    error = (module(batch) - batch.target).abs()
    assert history.rows[0]["val_mae"] == pytest.approx(error.mean().item(), rel=1e-5)


def test_epoch_means_weigh_batches_by_their_size():
    means = EpochMeans()
    means.add({"a": torch.tensor(2.0), "b": torch.tensor(1.0)}, 3)
    means.add({"a": torch.tensor(6.0), "b": torch.tensor(5.0)}, 1)
    assert means.values() == {"a": 3.0, "b": 2.0}
    assert means.values(lambda sums: sums + torch.tensor([12.0, 8.0, 4.0])) == {"a": 3.0, "b": 2.0}


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_gradients_are_cut_before_the_fused_step(data, precision):
    lengths = []

    class Watch(pl.Callback):
        def on_before_zero_grad(self, trainer, pl_module, optimizer):
            gradients = [parameter.grad for parameter in pl_module.parameters() if parameter.grad is not None]
            if gradients:
                lengths.append(float(torch.nn.utils.get_total_norm(gradients)))

    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        precision=precision,
        gradient_clip_val=1e-3,
        callbacks=[Watch()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    trainer.fit(_module(data, "metadata_only"), datamodule=data)
    assert trainer.optimizers[0].param_groups[0]["fused"] is True
    assert lengths
    assert max(lengths) == pytest.approx(1e-3, rel=0.01)


def test_a_compiled_network_is_compiled_and_trains_as_the_plain_one(data, monkeypatch):
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(compiling, "BACKEND", backend)
    plain, compiled = _module(data, "metadata_only"), _module(data, "metadata_only", compile=True)
    for module in (plain, compiled):
        torch.manual_seed(1)
        _quiet_trainer(1).fit(module, datamodule=data)
    assert len(graphs) > 1, "the probe alone was compiled, not the network"
    assert list(compiled.state_dict()) == list(plain.state_dict())
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(compiled.state_dict()[name], value)


def test_a_machine_that_cannot_compile_is_told_so_before_the_first_step(data, monkeypatch):
    def broken(graph, inputs):
        raise FileNotFoundError("g++")

    monkeypatch.setattr(compiling, "BACKEND", broken)
    with pytest.raises(ConfigError, match=r"training\.compile needs a compiler"):
        _quiet_trainer(1).fit(_module(data, "metadata_only", compile=True), datamodule=data)


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
    rows = next(iter(data.test_dataloader()))
    batch = data.batch(rows)
    raw = data._arrays.images.pictures.pixels[rows.numpy()].astype(np.float32) / 65535
    for position, row in enumerate(batch.row.tolist()):
        expected = raw[position, :, ::-1] if cohort.sides[row] == "R" else raw[position]
        np.testing.assert_array_equal(batch.image[position, 0].numpy(), expected)


def test_only_training_batches_are_augmented(data):
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    data.trainer = trainer
    rows = next(iter(data.val_dataloader()))
    plain = data.batch(rows).image
    assert torch.equal(data.transfer_batch_to_device(rows, torch.device("cpu"), 0).image, plain)
    trainer.training = True
    assert not torch.equal(data.transfer_batch_to_device(rows, torch.device("cpu"), 0).image, plain)


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
    rows = [len(batch) for batch in data.train_dataloader()]
    assert 1 not in rows and sum(rows) == len(data.split.train) - 1
    assert sum(len(batch) for batch in data.test_dataloader()) == len(data.split.test)


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


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 6, 20])
def test_a_fit_of_any_number_of_steps_has_a_schedule(data, steps):
    module = _module(data, "metadata_only")
    trainer = pl.Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, datamodule=data)
    assert trainer.global_step == steps
