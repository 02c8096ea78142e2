"""Settings of a localiser: each fault refused, the rest kept to the letter."""

import pytest

from xattn_bmd import LocaliserConfig
from xattn_bmd.errors import ConfigError


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"detector": "huge"}, "detector is one of light, strong"),
        ({"size": 32}, "size"),
        ({"width": 48}, "multiple of 32"),
        ({"epochs": 0}, "epochs"),
        ({"flip": 1.5}, "flip"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"validation_fraction": 0.6}, "validation_fraction"),
        ({"detector": "strong", "backbone": "resnet18"}, "its own ResNet-50"),
    ],
)
def test_refusals(values, words):
    with pytest.raises(ConfigError, match=words):
        LocaliserConfig(**values)


def test_first_weights():
    assert LocaliserConfig().first_weights == "pretrained"
    assert LocaliserConfig(backbone="test_resnet").first_weights == "none"
    assert LocaliserConfig(detector="strong").first_weights == "none"
    assert LocaliserConfig(weights="bone").first_weights == "bone"


def test_there_and_back():
    config = LocaliserConfig(epochs=3, flip=0.5, backbone="test_resnet")
    assert LocaliserConfig.from_dict(config.to_dict()) == config
    with pytest.raises(ConfigError, match="colour"):
        LocaliserConfig.from_dict({"colour": 1})
