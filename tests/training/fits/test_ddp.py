"""One fit on two devices: two CPU processes that talk through gloo."""

import multiprocessing
import os
from dataclasses import replace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException
from torch.utils.data import DataLoader

from tests.cohorts import draw_masks
from tests.processes import forking
from tests.training.settings import tiny
from xattn_bmd import Cohort, CohortDataModule, DensityModule, FoldPlan, build_network
from xattn_bmd.config import TrainingConfig
from xattn_bmd.errors import ConfigError, RunError
from xattn_bmd.training.fits.callbacks import BestWeights, History
from xattn_bmd.training.fits.ddp import DealtBatches, _clear_errors
from xattn_bmd.training.fits.trainer import batch_size_per_device, build_trainer, check_devices

TRAINING = TrainingConfig(
    epochs=3, patience=3, batch_size=8, accelerator="cpu", precision="32-true", learning_rate=1e-2
)
CONFIG = tiny(model=replace(tiny().model, dropout=0.0), training=TRAINING)


class Watch(pl.Callback):
    """Leaves each process's weights and number of steps in a folder."""

    def __init__(self, folder):
        self.folder = folder

    def on_fit_end(self, trainer, pl_module):
        tensors = {name: value.numpy() for name, value in pl_module.state_dict().items()}
        np.savez(self.folder / f"rank_{trainer.global_rank}.npz", **tensors, steps=trainer.global_step)
        np.savez(self.folder / f"process_{os.getpid()}.npz", threads=torch.get_num_threads())


def _fitted(cohort, folder, *, devices):
    folder.mkdir()
    config = replace(CONFIG, training=replace(TRAINING, devices=devices))
    data = CohortDataModule(
        cohort,
        plan=FoldPlan.make(cohort, folds=3, inner_fraction=0.25),
        batch_size=batch_size_per_device(config.training),
        use_images=False,
    )
    torch.manual_seed(0)
    network = build_network(
        fusion="metadata_only", schema=data.schema, config=CONFIG.model, target_mean=0.8, target_sd=0.15
    )
    module = DensityModule(network, config=config.training)
    heard = []
    best, history = BestWeights(), History(heard.append)
    trainer = build_trainer(config, best=best, history=history)
    trainer.callbacks.append(Watch(folder))
    trainer.fit(module, datamodule=data)
    assert heard == [int(row["epoch"]) for row in history.rows]
    return data, module, best, history


def test_two_devices_fit_what_one_fits(cohort, tmp_path):
    data, one, best_one, history_one = _fitted(cohort, tmp_path / "one", devices=1)
    sizes = len(data.split.train), len(data.split.validation)
    assert sizes == (19, 7), "the last step's shares are uneven: 2 and 1 of 3 trained, 4 and 3 of 7 validated"
    _, two, best_two, history_two = _fitted(cohort, tmp_path / "two", devices=2)
    assert best_two.epoch == best_one.epoch
    assert best_two.loss == pytest.approx(best_one.loss, rel=1e-4)
    assert len(history_two.rows) == 3
    for row_one, row_two in zip(history_one.rows, history_two.rows, strict=True):
        assert row_two == pytest.approx(row_one, rel=1e-4)
    for name, value in one.state_dict().items():
        torch.testing.assert_close(two.state_dict()[name], value, rtol=1e-3, atol=1e-5)
    _check_processes(tmp_path, two)


def _check_processes(folder, module):
    alone, first, second = (np.load(folder / name) for name in ("one/rank_0.npz", "two/rank_0.npz", "two/rank_1.npz"))
    assert alone["steps"] == first["steps"] == second["steps"]
    for name, value in module.state_dict().items():
        np.testing.assert_array_equal(first[name], second[name])
        np.testing.assert_array_equal(value.numpy(), first[name])
    processes = list((folder / "two").glob("process_*.npz"))
    assert len(processes) == 2
    assert all(np.load(path)["threads"] == TRAINING.threads for path in processes)


def test_two_devices_share_a_mask_head_and_learned_task_weights(cohort_table, tmp_path):
    masks = draw_masks(cohort_table, tmp_path / "masks", without=("hip_001", "hip_002"))
    cohort = Cohort.from_csv(cohort_table, masks=masks)
    training = replace(TRAINING, devices=2, epochs=1, task_weights="uncertainty")
    config = replace(CONFIG, training=training, model=replace(CONFIG.model, mask_head="unet", mask_width=4))
    data = CohortDataModule(
        cohort, plan=FoldPlan.make(cohort, folds=3), batch_size=4, use_masks=True, image=config.image
    )
    torch.manual_seed(0)
    network = build_network(
        fusion="image_only", schema=data.schema, config=config.model, target_mean=0.8, target_sd=0.15
    )
    module, before = DensityModule(network, config=training), {}
    before |= {name: value.clone() for name, value in module.state_dict().items()}
    trainer = build_trainer(config, best=BestWeights(), history=History())
    trainer.callbacks.append(Watch(tmp_path))
    forking()
    trainer.strategy.launcher._start_method = "forkserver"  # the processes of the fit above load torch each for itself
    trainer.fit(module, datamodule=data)
    first, second = (np.load(tmp_path / f"rank_{rank}.npz") for rank in (0, 1))
    learned = [name for name, _ in module.named_parameters()]
    assert {"balance.log_variance", "network.mask_head.last.0.weight"} <= set(learned)
    for name in learned:
        np.testing.assert_array_equal(first[name], second[name])
        assert not np.array_equal(first[name], before[name].numpy()), name


@pytest.mark.parametrize("rows", range(3, 40))
@pytest.mark.parametrize("devices", [2, 3])
def test_dealt_batches_make_up_the_steps_of_one_device(rows, devices):
    size = 4
    shares = [DealtBatches(_loader(rows, size), rank=rank, devices=devices) for rank in range(devices)]
    dealt = [list(share) for share in shares]
    assert {len(steps) for steps in dealt} == {len(share) for share in shares}
    steps = [sorted(torch.cat(parts).tolist()) for parts in zip(*dealt, strict=True)]
    assert all(len(part) > 0 for parts in dealt for part in parts)
    whole = [sorted(batch.tolist()) for batch in _loader(rows, size * devices)]
    if len(whole) > 1 and len(whole[-1]) < devices:
        whole[-2:] = [sorted(whole[-2] + whole[-1])]
    assert steps == whole


def test_a_dropped_last_batch_is_dealt_to_nobody():
    dealt = DealtBatches(_loader(9, 4, drop_last=True), rank=0, devices=2)
    assert [rows.tolist() for rows in dealt] == [[0, 2, 4, 6]]
    assert len(dealt) == 1


def _loader(rows, size, drop_last=False):
    return DataLoader(torch.arange(rows), batch_size=size, drop_last=drop_last)


def test_a_part_with_fewer_rows_than_devices_is_refused():
    with pytest.raises(ConfigError, match="has 1; use fewer devices"):
        DealtBatches(_loader(1, 4), rank=0, devices=2)


@pytest.mark.parametrize(
    ("batch_size", "devices", "share"), [(16, 1, 16), (16, 2, 8), (12, 4, 3), (4, 2, 2), (3, 1, 3)]
)
def test_the_batch_is_divided(batch_size, devices, share):
    assert batch_size_per_device(TrainingConfig(batch_size=batch_size, devices=devices)) == share


@pytest.mark.parametrize(("batch_size", "devices"), [(16, 3), (2, 2), (8, 16)])
def test_an_uneven_batch_is_refused(batch_size, devices):
    with pytest.raises(ConfigError, match=f"but {batch_size} and {devices} were given"):
        check_devices(TrainingConfig(batch_size=batch_size, devices=devices))


def test_several_workers_do_not_fit_on_several_devices():
    check_devices(replace(TRAINING, devices=2), workers=1)
    with pytest.raises(ConfigError, match=r"training\.devices is 2 with 3 workers"):
        check_devices(replace(TRAINING, devices=2), workers=3)


def test_a_daemonic_process_does_not_fit_on_several_devices(monkeypatch):
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    with pytest.raises(ConfigError, match="A worker cannot start"):
        check_devices(replace(TRAINING, devices=2))


def test_an_interactive_session_does_not_fit_on_several_devices(monkeypatch):
    monkeypatch.setattr("sys.ps1", ">>> ", raising=False)
    with pytest.raises(ConfigError, match="interactive"):
        check_devices(replace(TRAINING, devices=2))


def test_missing_devices_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match="has 1 such device"):
        check_devices(replace(TRAINING, accelerator="cuda", devices=2))


@pytest.mark.parametrize(
    ("error", "expected", "message"),
    [
        (
            ProcessRaisedException("x\ntorch.OutOfMemoryError: CUDA out of memory.", 0, 1),
            torch.OutOfMemoryError,
            "CUDA",
        ),
        (ProcessRaisedException("x\nValueError: bad", 1, 1), RunError, "ValueError: bad"),
        (ProcessExitedException("process 0 ended", 0, 1, 1), RunError, "__main__"),
    ],
)
def test_what_happens_in_a_process_is_told_in_one_sentence(error, expected, message):
    with pytest.raises(expected, match=message), _clear_errors(2):
        raise error
