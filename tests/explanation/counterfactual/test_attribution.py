"""Pixels that carry a changed estimate."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from xattn_bmd.config import ModelConfig
from xattn_bmd.data.dataset import Pictures
from xattn_bmd.data.variables import VariableEncoder
from xattn_bmd.explanation.counterfactual.attribution import change_heat
from xattn_bmd.models.network import build_network
from xattn_bmd.training.fits.estimator import Estimator
from xattn_bmd.training.prediction.ensemble import Ensemble
from xattn_bmd.types import VariableSchema

CONFIG = ModelConfig(backbone="test_resnet", weights="none", width=16, layers=1, heads=2)
SCHEMA = VariableSchema(("age", "weight"), ())
TABLE = pd.DataFrame({"age": [70.0, 80.0, 75.0], "weight": [60.0, 70.0, 90.0]})


def _ensemble(*, freeze):
    config = replace(CONFIG, freeze=freeze)
    estimators = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        settings = {"schema": SCHEMA, "config": config, "weights_follow": True, "target_mean": 0.9, "target_sd": 100.0}
        network = build_network(fusion="xattn", **settings)
        tensors = {name: value.numpy().copy() for name, value in network.state_dict().items()}
        if estimators and freeze == "trunk":
            tensors |= {name: value for name, value in estimators[0].tensors.items() if ".trunk." in name}
        estimators.append(Estimator("xattn", VariableEncoder.fit(TABLE, SCHEMA), config, tensors, {}))
    return Ensemble.build(estimators, accelerator="cpu")


def _pictures(seed=0, size=64):
    grey = np.random.default_rng(seed).integers(20_000, 40_000, size=(3, size, size), dtype=np.uint16)
    return Pictures(grey, np.array([False, False, True]))


@pytest.mark.parametrize("freeze", ["none", "trunk"])
def test_pixels_add_up_to_the_change_of_the_estimate(freeze):
    ensemble = _ensemble(freeze=freeze)
    assert ensemble.shares_map == (freeze == "trunk")
    before, after = _pictures(0), Pictures(_pictures(1).pixels // 2, _pictures().right_side)
    # the networks' scale is large, so that single precision leaves digits
    change = np.subtract(*(ensemble.answers(TABLE, pictures).each.mean(axis=0) for pictures in (after, before)))
    heat = change_heat(ensemble, TABLE, before, after, steps=24)
    np.testing.assert_allclose(heat.sum(axis=(1, 2)), change, atol=0.03 * np.abs(change).max())


def test_a_pixel_that_does_not_change_carries_nothing():
    before = _pictures()
    pixels = before.pixels.copy()
    pixels[:, 10:20, 5:25] += 9000
    heat = change_heat(_ensemble(freeze="none"), TABLE, before, Pictures(pixels, before.right_side))
    inside = np.zeros((3, 64, 64), dtype=bool)
    inside[:2, 10:20, 5:25] = True
    inside[2, 10:20, 39:59] = True  # a right hip is seen mirrored
    assert (heat[~inside] == 0.0).all() and (heat[inside] != 0.0).any()
