"""Averaged weights: exactly the mean that was promised, validated and kept, with batch norms measured for it."""

from dataclasses import replace

import pytest
import pytorch_lightning as pl
import torch
from torch.optim.swa_utils import update_bn

from tests.training.settings import TINY
from xattn_bmd import CohortDataModule, DensityModule, FoldPlan, build_network
from xattn_bmd.training.fits.averaged_weights import AveragedWeights, measure_batch_norms
from xattn_bmd.training.fits.callbacks import BestWeights, History
from xattn_bmd.training.fits.trainer import build_trainer

EPOCHS = 4


class Watch(pl.Callback):
    """Keeps the weights after each step, at the end of each epoch, and as each validation saw them."""

    def __init__(self):
        self.steps, self.ends, self.validated = [], [], []

    def on_train_batch_end(self, trainer, pl_module, *rest):
        self.steps.append(_copy(pl_module))

    def on_train_epoch_start(self, trainer, pl_module):
        self.began = _copy(pl_module)
        if self.ends:  # training goes on with the last weights, not with their mean
            assert all(torch.equal(value, self.began[name]) for name, value in self.steps[-1].items())

    def on_validation_epoch_start(self, trainer, pl_module):
        self.ends.append(self.steps[-1])
        self.validated.append(_copy(pl_module))


def _copy(module):
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def _data(cohort, **more):
    plan = FoldPlan.make(cohort, folds=2)
    return CohortDataModule(cohort, plan=plan, image=TINY.image, augment=TINY.training.augment, batch_size=8, **more)


def _fitted(cohort, *, fusion="concat", watch=None, **training):
    training = {"epochs": EPOCHS, "patience": EPOCHS, "precision": "32-true"} | training
    config = replace(TINY, training=replace(TINY.training, **training))
    data = _data(cohort, use_images=fusion != "metadata_only")
    torch.manual_seed(0)
    network = build_network(fusion=fusion, schema=data.schema, config=config.model, target_mean=0.9, target_sd=0.1)
    module, best, history = DensityModule(network, config=config.training), BestWeights(), History()
    trainer = build_trainer(config, best=best, history=history)
    if watch is not None:
        trainer.callbacks.append(watch)
    trainer.fit(module, datamodule=data)
    return module, best, history, trainer, data


def _learnt(module):
    return {name for name, value in module.named_parameters() if value.requires_grad}


def _same(found, expected, names):
    for name in names:
        torch.testing.assert_close(found[name], expected[name], atol=1e-6, rtol=1e-5)


def test_swa_validates_and_keeps_the_mean_of_the_last_epochs(cohort):
    watch = Watch()
    module, best, *_ = _fitted(cohort, watch=watch, averaging="swa", averaged_epochs=2)
    names = _learnt(module)
    for epoch in range(EPOCHS):
        ends = watch.ends[max(0, epoch - 1) : epoch + 1]
        _same(watch.validated[epoch], {name: torch.stack([end[name] for end in ends]).mean(0) for name in names}, names)
    _same(_copy(module), watch.validated[best.epoch], module.state_dict())
    assert any(not torch.equal(watch.validated[3][name], watch.ends[3][name]) for name in names)


def test_ema_validates_the_exponential_mean_of_all_steps(cohort):
    watch = Watch()
    module, _, _, trainer, _ = _fitted(cohort, fusion="metadata_only", watch=watch, averaging="ema", averaged_epochs=2)
    per_epoch, names = trainer.num_training_batches, _learnt(module)
    decay = 2 * per_epoch / (2 * per_epoch + 1)
    for epoch in range(EPOCHS):
        steps = watch.steps[: (epoch + 1) * per_epoch]
        weight = torch.tensor([decay ** (len(steps) - 1 - k) for k in range(len(steps))], dtype=torch.float64)
        weight = weight / weight.sum()
        expected = {
            name: torch.einsum("s,s...->...", weight, torch.stack([step[name] for step in steps]).double()).float()
            for name in names
        }
        _same(watch.validated[epoch], expected, names)
    age = float((weight * torch.arange(len(steps) - 1, -1, -1)).sum())
    assert age < 2 * per_epoch


def test_without_averaging_nothing_changes(cohort):
    one, two = (_fitted(cohort, fusion="metadata_only", **more)[0] for more in ({}, {"averaging": "none"}))
    assert all(torch.equal(value, two.state_dict()[name]) for name, value in one.state_dict().items())


def test_training_itself_is_that_of_a_fit_without_averaging(cohort):
    histories = [
        _fitted(cohort, fusion="metadata_only", averaging=kind, averaged_epochs=2)[2].rows
        for kind in ("none", "swa", "ema")
    ]
    losses = [[row["train_loss"] for row in rows] for rows in histories]
    assert losses[1] == losses[0] and losses[2] == losses[0]
    assert [row["val_loss"] for row in histories[1]] != [row["val_loss"] for row in histories[0]]


def test_batch_norms_are_measured_on_the_training_part_as_torch_does_it(cohort):
    module, _, _, trainer, data = _fitted(cohort, averaging="swa", averaged_epochs=2)
    kept = _copy(module)
    rows = torch.tensor(data.rows_of(data.split.train)).split(8)

    class OfImages(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.module = module

        def forward(self, rows):
            return module(data.batch(rows))

    update_bn([block for block in rows if len(block) > 1], OfImages())
    statistics = [name for name in kept if "running_" in name]
    assert statistics
    _same(_copy(module), kept, statistics)
    module.eval()
    for name in statistics:
        module.state_dict()[name].fill_(7.0)
    measure_batch_norms(trainer, module)
    _same(_copy(module), kept, statistics)
    assert not any(part.training for part in module.modules())


def test_frozen_batch_norms_are_left_alone(cohort):
    module, _, _, trainer, _ = _fitted(cohort, epochs=1)
    before = _copy(module)
    module.network.image_encoder.trunk.requires_grad_(False)
    measure_batch_norms(trainer, module)
    assert all(torch.equal(value, module.state_dict()[name]) for name, value in before.items())


@pytest.mark.parametrize("kind", ["swa", "ema"])
def test_the_callback_stands_behind_those_that_look_at_the_mean(kind):
    config = replace(TINY, training=replace(TINY.training, averaging=kind))
    callbacks = build_trainer(config, best=BestWeights(), history=History()).callbacks
    kinds = [type(callback) for callback in callbacks]
    assert kinds.index(AveragedWeights) > kinds.index(BestWeights)
    plain = build_trainer(TINY, best=BestWeights(), history=History()).callbacks
    assert AveragedWeights not in map(type, plain)
