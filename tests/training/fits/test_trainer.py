"""The Trainer of one fit."""

from dataclasses import replace

import pytest
import torch

from tests.training.settings import TINY
from xattn_bmd import CohortDataModule, DensityModule, FoldPlan, build_network
from xattn_bmd.errors import ConfigError
from xattn_bmd.training.fits.callbacks import BestWeights, History
from xattn_bmd.training.fits.trainer import build_trainer


def _fitted(cohort, *, accumulate=1, batch_size=4, **training):
    model = replace(TINY.model, dropout=0.0)
    config = replace(TINY, model=model, training=replace(TINY.training, precision="32-true", **training))
    plan = FoldPlan.make(cohort, folds=3, inner_fraction=0.2)
    data = CohortDataModule(cohort, plan=plan, batch_size=batch_size, use_images=False)
    assert len(data.split.train) == 20, "a whole number of batches, so that parts add up to them"
    torch.manual_seed(0)
    network = build_network(fusion="metadata_only", schema=data.schema, config=model, target_mean=0.8, target_sd=0.15)
    best, history = BestWeights(), History()
    trainer = build_trainer(config, best=best, history=history, accumulate=accumulate)
    trainer.fit(DensityModule(network, config=config.training), datamodule=data)
    return trainer, network, best, history


def test_added_up_parts_of_a_batch_train_as_the_whole_batch(cohort):
    whole, network, *_ = _fitted(cohort, batch_size=4)
    parts, other, *_ = _fitted(cohort, batch_size=2, accumulate=2)
    assert parts.global_step == whole.global_step == 10
    for name, value in network.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value, rtol=1e-4, atol=1e-6)


def test_a_fit_stops_when_the_loss_gets_no_better(cohort):
    _, _, best, history = _fitted(cohort, epochs=40, patience=2, learning_rate=0.5)
    assert len(history.rows) < 40
    assert len(history.rows) == best.epoch + 3
    assert best.loss == min(row["val_loss"] for row in history.rows)


def test_every_epoch_has_its_metrics_and_nothing_is_written(cohort, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, _, _, history = _fitted(cohort)
    assert [set(row) for row in history.rows] == [{"epoch", "train_loss", "val_loss", "val_mae"}] * 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("precision", ["auto", "32-true", "bf16-mixed"])
def test_lightning_never_hears_of_auto(precision):
    config = replace(TINY, training=replace(TINY.training, precision=precision))
    trainer = build_trainer(config, best=BestWeights(), history=History())
    assert trainer.precision in {"32-true", "bf16-mixed"}
    assert precision in {"auto", trainer.precision}


def test_devices_that_cannot_share_a_batch_are_refused():
    config = replace(TINY, training=replace(TINY.training, devices=3))
    with pytest.raises(ConfigError, match="but 8 and 3 were given"):
        build_trainer(config, best=BestWeights(), history=History())
