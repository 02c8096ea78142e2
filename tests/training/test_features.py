"""Feature maps of a frozen trunk: stored once, the same as the network's own, chosen per radiograph and epoch."""

from dataclasses import replace

import numpy as np
import pytest
import pytorch_lightning as pl
import timm
import torch
from safetensors.torch import save_file

from tests.training.settings import TINY
from xattn_bmd import CohortDataModule, FoldPlan
from xattn_bmd.errors import CacheError
from xattn_bmd.models.image import ImageEncoder
from xattn_bmd.training import features
from xattn_bmd.training.features import VIEWS, frozen_features
from xattn_bmd.training.fit import fit_job
from xattn_bmd.training.study import Job, Study


@pytest.fixture(scope="module")
def trunk_file(tmp_path_factory):
    """Weights of a tiny trunk in a file, so that it may be frozen."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("trunk") / "trunk.safetensors"
    save_file(timm.create_model("test_resnet").state_dict(), path)
    return path


@pytest.fixture
def study(cohort, trunk_file, tmp_path):
    model = replace(TINY.model, weights=str(trunk_file), freeze="trunk")
    return Study(
        cohort, FoldPlan.make(cohort, folds=3), replace(TINY, model=model, reference=cohort.roles.reference), tmp_path
    )


def _pictures(study):
    from xattn_bmd.data.datamodule import cohort_pictures

    return cohort_pictures(study.cohort, study.open_cache())


def test_view_0_is_what_the_trunk_sees_in_the_picture_itself(study):
    stored = study.features
    model = study.config.model
    encoder = ImageEncoder(backbone=model.backbone, weights=model.weights, width=16, freeze=True).eval()
    with torch.no_grad():
        expected = encoder.features(_pictures(study).take(np.arange(5)))
    assert stored.shape[:2] == (len(study.cohort), VIEWS)
    np.testing.assert_allclose(stored[:5, 0], expected.numpy(), atol=1e-5)
    assert np.abs(stored[:, 1] - stored[:, 0]).max() > 1e-3


def test_maps_are_computed_once(study, monkeypatch):
    first = np.array(study.open_features())
    monkeypatch.setattr(features, "_maps", lambda *_: pytest.fail("stored maps were computed again"))
    np.testing.assert_array_equal(study.open_features(), first)


@pytest.mark.parametrize("change", ["seed", "augmentation", "pixels", "weights"])
def test_other_inputs_are_stored_apart(study, change, tmp_path):
    pictures = _pictures(study)
    arguments = {
        "model": study.config.model,
        "augmentation": study.config.training.augment,
        "seed": 0,
        "device": torch.device("cpu"),
        "folder": study.cache_folder,
    }
    frozen_features(pictures, **arguments)
    if change == "seed":
        arguments["seed"] = 1
    elif change == "augmentation":
        arguments["augmentation"] = replace(arguments["augmentation"], rotation=1.0)
    elif change == "pixels":
        pictures = replace(pictures, pixels=np.array(pictures.pixels)[::-1])
    else:
        other = timm.create_model("test_resnet").state_dict()
        save_file(other, tmp_path / "other.safetensors")
        arguments["model"] = replace(arguments["model"], weights=str(tmp_path / "other.safetensors"))
    frozen_features(pictures, **arguments)
    assert len(list((study.cache_folder / "features").glob("*.npy"))) == 2


def test_a_fit_on_stored_maps_scores_what_its_network_says_of_the_pictures(study):
    result = fit_job(Job("xattn", 0, 1), study)
    rows = [study.cohort.radiograph_ids.index(name) for name in result.predictions["radiograph_id"]]
    network = result.estimator.build()
    module = CohortDataModule(study.cohort, plan=study.plan, fold=1, image=TINY.image, features=study.features)
    module.setup()
    batch = next(iter(module.test_dataloader()))
    chosen = module.on_after_batch_transfer(batch, 0)
    with torch.no_grad():
        stored = network(chosen.image, chosen.variables, chosen.features).density
    found = dict(zip(rows, result.predictions["prediction"], strict=True))
    np.testing.assert_allclose(stored, [found[row] for row in batch.row.tolist()], atol=1e-5)


def test_the_trunk_is_the_same_after_the_fit(study):
    result = fit_job(Job("image_only", 0, 0), study)
    model = study.config.model
    trunk = ImageEncoder(backbone=model.backbone, weights=model.weights, width=16, freeze=True).trunk.state_dict()
    for name, value in trunk.items():
        np.testing.assert_array_equal(result.estimator.tensors[f"image_encoder.trunk.{name}"], value.numpy())


def test_training_draws_a_view_and_validation_never_does(study):
    data = CohortDataModule(
        study.cohort,
        plan=study.plan,
        image=TINY.image,
        augment=TINY.training.augment,
        features=study.features,
        batch_size=40,
    )
    data.trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    batch = next(iter(data.val_dataloader()))
    plain = data.on_after_batch_transfer(batch, 0).features
    assert torch.equal(plain, batch.features[:, 0])
    data.trainer.training = True
    drawn = data.on_after_batch_transfer(batch, 0).features
    views = [(batch.features[i] == drawn[i]).flatten(1).all(1).nonzero()[0].item() for i in range(len(drawn))]
    assert len(set(views)) > 1


def test_full_disk_leaves_nothing(study, monkeypatch):
    import os

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    pictures = _pictures(study)
    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(CacheError, match="full"):
        frozen_features(
            pictures,
            model=study.config.model,
            augmentation=study.config.training.augment,
            seed=0,
            device=torch.device("cpu"),
            folder=study.cache_folder,
        )
    assert not list((study.cache_folder / "features").iterdir())
