"""What a configuration may cost at most; one that costs more is never fitted."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from statistics import median
from typing import Any

from xattn_bmd.config import CompareConfig
from xattn_bmd.config_values import build
from xattn_bmd.errors import ConfigError
from xattn_bmd.types import VariableSchema

_WARM_UP, _MEASURED = 3, 15


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """Largest costs of a configuration; infinite for any.

    Attributes:
        parameters: learned values of the fusion part.
        latency_ms: time of one patient's estimate from picture and record on the device of the search, milliseconds;
            the median of 15.  It is measured, so it depends on the machine and on what else runs there.
    """

    parameters: float = inf
    latency_ms: float = inf

    def __post_init__(self) -> None:
        """Refuse a limit that nothing meets.

        Raises:
            ConfigError: naming the limit.
        """
        for name, limit in self.limits.items():
            if not limit > 0:
                raise ConfigError(f"A constraint is a limit above 0, but {name}={limit} was given; raise it.")

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set, by name."""
        named = {"parameters": self.parameters, "latency_ms": self.latency_ms}
        return {name: limit for name, limit in named.items() if limit != inf}

    def costs(self, config: CompareConfig, *, model: str, schema: VariableSchema) -> dict[str, float]:
        """Return what a model costs, of what is limited.

        Args:
            config: all settings.
            model: name of the model; a baseline without a network costs nothing.
            schema: the clinical variables.

        Raises:
            ModelError: if there is no such network.
        """
        from xattn_bmd.training.fits.tabular import TABULAR

        if not self.limits:
            return {}
        if model in TABULAR:
            return dict.fromkeys(self.limits, 0.0)
        return _network_costs(config, model=model, schema=schema, wanted=set(self.limits))


def opened_constraints(given: Constraints | Mapping[str, Any] | None) -> Constraints:
    """Return constraints, however they are given.

    Raises:
        ConfigError: if one is unknown or no limit.

    Example:
        >>> opened_constraints({"parameters": 150_000}).limits
        {'parameters': 150000.0}
    """
    if isinstance(given, Constraints):
        return given
    named = {name: limit for name, limit in (given or {}).items() if limit is not None}
    made: Constraints = build(Constraints, named, where="constraints")
    return made


def _network_costs(config: CompareConfig, *, model: str, schema: VariableSchema, wanted: set[str]) -> dict[str, float]:
    import torch

    from xattn_bmd.models.network import build_network, fusion_parameters

    with torch.random.fork_rng(devices=[]):
        network = build_network(fusion=model, schema=schema, config=config.model, target_mean=0.0, target_sd=1.0)
    costs = {"parameters": float(fusion_parameters(network))}
    if "latency_ms" in wanted:
        costs["latency_ms"] = _latency(network, config, schema)
    return {name: cost for name, cost in costs.items() if name in wanted}


def _latency(network: Any, config: CompareConfig, schema: VariableSchema) -> float:  # noqa: ANN401
    import torch

    from xattn_bmd.training.device import torch_device
    from xattn_bmd.training.threads import compute_threads
    from xattn_bmd.types import Variables

    device = torch_device(config.training.accelerator)
    numeric, categorical = len(schema.numeric), len(schema.categorical)
    record = Variables(
        torch.zeros(1, numeric, device=device),
        torch.zeros(1, categorical, dtype=torch.int64, device=device),
        torch.zeros(1, numeric + categorical, dtype=torch.bool, device=device),
    )
    image = config.image
    picture = torch.zeros(1, image.slices, image.size, image.size, device=device)
    network.to(device).eval()
    times = []
    with torch.inference_mode(), compute_threads(config.training.threads):
        for _ in range(_WARM_UP + _MEASURED):
            begin = time.perf_counter()
            float(network(picture, record).density)  # reading the number waits for the device
            times.append(1000 * (time.perf_counter() - begin))
    return median(times[_WARM_UP:])
