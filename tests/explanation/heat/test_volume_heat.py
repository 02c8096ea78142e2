"""Heat on the voxels of a CT volume."""

import pytest
import torch

from xattn_bmd.config import ModelConfig
from xattn_bmd.errors import ModelError
from xattn_bmd.explanation.heat.example import example
from xattn_bmd.explanation.heat.grad_cam import grad_cam
from xattn_bmd.explanation.heat.seen import Seen
from xattn_bmd.explanation.heat.volume import volume_heat
from xattn_bmd.models.network import build_network
from xattn_bmd.types import VariableSchema


def built(backbone, **settings):
    torch.manual_seed(1)
    config = ModelConfig(backbone=backbone, width=16, layers=1, heads=2, **settings)
    schema = VariableSchema(numeric=("age", "bmi"), categorical=())
    network = build_network(
        fusion="concat", schema=schema, config=config, target_mean=120.0, target_sd=40.0, weights_follow=True
    )
    return network.eval()


@pytest.mark.parametrize(("backbone", "grid"), [("densenet_small_3d", (2, 4, 8)), ("test_resnet", (16, 1, 2))])
def test_heat_of_the_last_map_lies_on_the_voxels_that_made_it(backbone, grid):
    network, seen = built(backbone), Seen(torch.rand(2, 16, 32, 64), example()[1].variables)
    heat = volume_heat(network, seen)
    assert heat.shape == seen.image.shape
    coarse = grad_cam(network, seen).reshape(2, *grid)
    factor = [side // cell for side, cell in zip((16, 32, 64), grid, strict=True)]
    means = torch.nn.functional.avg_pool3d(heat[:, None], factor)[:, 0]
    assert torch.corrcoef(torch.stack([means.flatten(), coarse.flatten()]))[0, 1] > 0.9


def test_stored_maps_are_explained_as_the_volume_itself():
    network, variables = built("test_resnet", freeze="trunk"), example()[1].variables
    image = torch.rand(2, 4, 32, 64)
    stored = Seen(image, variables, network.image_encoder.features(image).detach())
    torch.testing.assert_close(volume_heat(network, stored), volume_heat(network, Seen(image, variables)))


def test_radiographs_are_refused():
    network, seen = example()
    with pytest.raises(ModelError, match="1 slice was given; take grad_cam"):
        volume_heat(network, seen)
