"""Made-up patients, networks and files of them, for the contract of the networks."""

import torch
from torch import nn

from xattn_bmd.config import ModelConfig
from xattn_bmd.models.heads import HEADS, Head
from xattn_bmd.models.network import FusionNetwork, build_network
from xattn_bmd.types import Variables, VariableSchema

SCHEMA = VariableSchema(
    numeric=("age", "height", "weight"),
    categorical=(("sex", ("female", "male")), ("smoking", ("never", "former", "current"))),
)
SIZE = 64


def small_config(backbone: str = "test_resnet", **changes) -> ModelConfig:
    return ModelConfig(**({"backbone": backbone, "width": 16, "layers": 2, "heads": 4} | changes))


def made_network(fusion: str, backbone: str = "test_resnet", *, seed: int = 0, **changes) -> FusionNetwork:
    torch.manual_seed(seed)
    config = small_config(backbone, **changes)
    return build_network(fusion=fusion, schema=SCHEMA, config=config, target_mean=0.88, target_sd=0.147).eval()


def made_head(head: str, *, seed: int = 0) -> Head:
    """Return a head that fits the networks made here."""
    torch.manual_seed(seed)
    return HEADS[head](width=16, dropout=0.0, target_mean=0.88, target_sd=0.147).eval()


def made_patients(
    patients: int = 5, *, seed: int = 1, shape: tuple[int, int, int] = (1, SIZE, SIZE)
) -> tuple[torch.Tensor, Variables]:
    draw = torch.Generator().manual_seed(seed)
    image = torch.rand(patients, *shape, generator=draw)
    numeric = torch.randn(patients, 3, generator=draw)
    codes = torch.stack([torch.randint(n, (patients,), generator=draw) for n in (2, 3)], dim=1)
    missing = torch.rand(patients, 5, generator=draw) < 0.2
    return image, Variables(numeric, codes, missing)


def rows(variables: Variables, index) -> Variables:
    return Variables(*(values[index] for values in variables))


def given_parts(output) -> dict[str, torch.Tensor]:
    """Return what the head gave, by name."""
    if output.log_probabilities is not None:
        return {"log_probabilities": output.log_probabilities}
    parts = {"density": output.density, "sd": output.sd, "quantiles": output.quantiles}
    return {name: part for name, part in parts.items() if part is not None}


class OfTensors(nn.Module):
    """A network whose inputs and outputs are plain tensors: a file of an exported program takes no named tuples."""

    def __init__(self, network: FusionNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image, numeric, codes, missing):
        return given_parts(self.network(image, Variables(numeric, codes, missing)))


class AfterTrunk(OfTensors):
    """The same for what follows the trunk, which is given the trunk's maps."""

    def forward(self, maps, numeric, codes, missing):
        return given_parts(self.network(None, Variables(numeric, codes, missing), maps))


def exported(network: FusionNetwork, *, after_trunk: bool = False) -> torch.export.ExportedProgram:
    """Return what torch.export makes of a network, or of what follows its trunk, for any number of patients."""
    given = given_tensors(network, *made_patients(4), after_trunk=after_trunk)
    shapes = [{0: torch.export.Dim("patients", min=1, max=512)}] * len(given)
    return torch.export.export((AfterTrunk if after_trunk else OfTensors)(network), given, dynamic_shapes=shapes)


def given_tensors(network: FusionNetwork, image, variables: Variables, *, after_trunk: bool) -> tuple:
    """Return the tensors that an exported program of a network is given."""
    if after_trunk and network.image_encoder is not None:
        image = network.image_encoder.features(image).detach()
    return image, *variables


def assert_exported_says_the_same(
    network: FusionNetwork, program: torch.export.ExportedProgram, *, after_trunk: bool = False
) -> None:
    """Assert it for another number of patients than it was exported with."""
    image, variables = made_patients(7, seed=5)
    found = program.module()(*given_tensors(network, image, variables, after_trunk=after_trunk))
    expected = given_parts(network(image, variables))
    assert set(found) == set(expected)
    for name, part in expected.items():
        torch.testing.assert_close(found[name], part, atol=1e-6, rtol=0)
