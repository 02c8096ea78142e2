"""Made-up patients for the contract of the networks."""

import torch

from xattn_bmd.config import ModelConfig
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


def made_patients(patients: int = 5, *, seed: int = 1) -> tuple[torch.Tensor, Variables]:
    draw = torch.Generator().manual_seed(seed)
    image = torch.rand(patients, 1, SIZE, SIZE, generator=draw)
    numeric = torch.randn(patients, 3, generator=draw)
    codes = torch.stack([torch.randint(n, (patients,), generator=draw) for n in (2, 3)], dim=1)
    missing = torch.rand(patients, 5, generator=draw) < 0.2
    return image, Variables(numeric, codes, missing)


def rows(variables: Variables, index) -> Variables:
    return Variables(*(values[index] for values in variables))


def given_parts(output) -> dict[str, torch.Tensor]:
    """Return what the head gave, by name."""
    parts = {"density": output.density, "sd": output.sd, "quantiles": output.quantiles}
    return {name: part for name, part in parts.items() if part is not None}
