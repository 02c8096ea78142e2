"""A search space as data: parameters in order, checked against the configuration from which a search begins."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xattn_bmd.config import CompareConfig
from xattn_bmd.errors import ConfigError
from xattn_bmd.search.parameter import Choices, Parameter
from xattn_bmd.search.setting_path import MODELS, Value, setting, with_settings

if TYPE_CHECKING:
    from optuna import Trial

_TRIES = 64  # random companions with which a value is tried before it is called impossible


@dataclass(frozen=True)
class SearchSpace:
    """What a search chooses.

    Attributes:
        parameters: one for each setting; a parameter that depends on another stands after it.

    Example:
        >>> width, dropout = {"choices": [16, 32]}, {"low": 0, "high": 0.5}
        >>> space = SearchSpace.from_dict({"model.width": width, "model.dropout": dropout})
        >>> [parameter.name for parameter in space.parameters]
        ['model.width', 'model.dropout']
    """

    parameters: tuple[Parameter, ...]

    def __post_init__(self) -> None:
        """Refuse a space that leaves nothing to choose, or whose conditions cannot be met.

        Raises:
            ConfigError: naming the parameter.
        """
        names = [parameter.name for parameter in self.parameters]
        if not any(len(set(parameter.values.ends)) > 1 for parameter in self.parameters):
            raise ConfigError(
                f"A search space has a parameter with two or more values, but {names or 'nothing'} leaves no choice; "
                "add one."
            )
        if len(set(names)) < len(names):
            raise ConfigError(f"A search space names each parameter once, but {names} repeats one; remove it.")
        for place, parameter in enumerate(self.parameters):
            _check_conditions(parameter, {before.name: before for before in self.parameters[:place]})

    def values(self, trial: Trial) -> dict[str, Value]:
        """Return the values that a trial tries, of the parameters that exist in it."""
        chosen: dict[str, Value] = {}
        for parameter in self.parameters:
            if parameter.exists(chosen):
                chosen[parameter.name] = parameter.suggest(trial)
        return chosen

    def defaults(self, base: CompareConfig) -> dict[str, Value]:
        """Return the values of the first trial: the configuration from which the search begins."""
        chosen: dict[str, Value] = {}
        for parameter in self.parameters:
            if parameter.exists(chosen):
                chosen[parameter.name] = (
                    setting(base, parameter.name) if parameter.default is None else parameter.default
                )
        return chosen

    def check(self, base: CompareConfig) -> None:
        """Refuse a space that does not fit the configuration from which the search begins.

        Raises:
            ConfigError: if the default lies outside the space or is impossible, or a value can never be used.
        """
        defaults = self.defaults(base)
        for parameter in self.parameters:
            if parameter.name in defaults and not parameter.values.holds(defaults[parameter.name]):
                raise ConfigError(
                    f"A search begins with the default configuration, but its {parameter.name} is "
                    f"{defaults[parameter.name]!r} and the space has {parameter.to_dict()}; widen the space or "
                    "give the parameter a default."
                )
        try:
            with_settings(base, defaults)
        except ConfigError as cause:
            raise ConfigError(f"A search begins with a default configuration that can be run, but {cause}") from cause
        for parameter in self.parameters:
            for value in parameter.values.ends:
                self._check_possible(base, parameter, value)

    def _check_possible(self, base: CompareConfig, parameter: Parameter, value: Value) -> None:
        """Refuse a value with which no configuration can be made, whatever the other parameters are."""
        import numpy as np

        generator = np.random.default_rng(0)
        refused: ConfigError | None = None
        for number in range(_TRIES):
            try:
                fixed = {parameter.name: value}
                fixed |= self.defaults(base) | fixed if number == 0 else self._drawn(generator, fixed)
                with_settings(base, fixed)
                return
            except ConfigError as cause:
                refused = refused or cause
        raise ConfigError(f"Every value of a search space can be run, but {parameter.name}={value!r} cannot: {refused}")

    def _drawn(self, generator: Any, fixed: dict[str, Value]) -> dict[str, Value]:  # noqa: ANN401
        chosen: dict[str, Value] = dict(fixed)
        for parameter in self.parameters:
            if parameter.name not in fixed and parameter.exists(chosen):
                chosen[parameter.name] = parameter.values.draw(generator, parameter.kind)
        return chosen

    def with_models(self, models: tuple[str, ...]) -> SearchSpace:
        """Return the space of some models alone, in the order given.

        Args:
            models: names; of several, the search chooses one.

        Raises:
            ConfigError: if a condition then names a model that is not tried any more; such parameters are left out.
        """
        kept = [_restricted(parameter, models) for parameter in self.parameters if parameter.name != MODELS]
        chosen = Parameter(name=MODELS, values=Choices(choices=models), default=models[0])
        return SearchSpace((chosen, *(parameter for parameter in kept if parameter is not None)))

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models that the search chooses from; empty where it chooses none."""
        found = [parameter.values for parameter in self.parameters if parameter.name == MODELS]
        return tuple(map(str, found[0].ends)) if found else ()

    @classmethod
    def from_dict(cls, entries: Any) -> SearchSpace:  # noqa: ANN401
        """Return a space from what YAML makes of it: dotted paths of settings, each with its values.

        Raises:
            ConfigError: if a parameter is unknown, malformed or contradicts itself.
        """
        if not isinstance(entries, Mapping):
            raise ConfigError(
                f"A search space is a mapping of settings, but {entries!r} was given; see the named ones."
            )
        return cls(tuple(Parameter.from_dict(str(name), entry) for name, entry in entries.items()))

    @classmethod
    def load(cls, path: Path) -> SearchSpace:
        """Read a space from a YAML file.

        Raises:
            ConfigError: if the file is missing, is no YAML mapping, or holds no valid space.
        """
        import yaml

        try:
            return cls.from_dict(yaml.safe_load(path.read_text()))
        except (OSError, yaml.YAMLError, UnicodeDecodeError) as cause:
            raise ConfigError(f"A search space is a YAML file, but {path} cannot be read as one; mend it.") from cause

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`from_dict` reads."""
        return {parameter.name: parameter.to_dict() for parameter in self.parameters}

    @property
    def digest(self) -> str:
        """SHA-256 of the space; two spaces have the same where they hold the same, in the same order."""
        return hashlib.sha256(json.dumps(self.to_dict()).encode()).hexdigest()


def _restricted(parameter: Parameter, models: tuple[str, ...]) -> Parameter | None:
    """Return a parameter whose condition on the model names those alone; None where none of them is left."""
    when = []
    for name, values in parameter.when:
        left = tuple(value for value in values if name != MODELS or value in models)
        if not left:
            return None
        when.append((name, left))
    return replace(parameter, when=tuple(when))


def _check_conditions(parameter: Parameter, before: Mapping[str, Parameter]) -> None:
    for name, values in parameter.when:
        other = before.get(name)
        if other is None or not isinstance(other.values, Choices):
            raise ConfigError(
                f"In the search space, {parameter.name} may depend on a parameter with choices that stands before it, "
                f"but {name!r} is none; move it up, or mend the name."
            )
        unknown = [value for value in values if not other.values.holds(value)]
        if unknown or not values:
            raise ConfigError(
                f"In the search space, {parameter.name} exists with some of the choices of {name}, which are "
                f"{list(other.values.choices)}, but {unknown or 'none'} was given; mend the condition."
            )
