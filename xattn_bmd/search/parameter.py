"""One parameter of a search space: a setting, the values it may take, and when it exists at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, cast

from xattn_bmd.config_values import build
from xattn_bmd.errors import ConfigError
from xattn_bmd.search.setting_path import Kind, Value, kind_of

if TYPE_CHECKING:
    import numpy as np
    from optuna import Trial


@dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers between two ends, both included.

    Attributes:
        low: smallest value.
        high: largest value.
        log: whether ratios rather than differences count.
        step: distance of neighbouring values, or None for 1 (whole numbers) or none.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def problem(self, kind: Kind) -> str | None:
        """Return what is wrong with the ends for a setting of this kind, or None."""
        numbers = [self.low, self.high, *([] if self.step is None else [self.step])]
        if kind not in ("whole", "number"):
            return f"a range is of numbers, but this setting takes a {kind}; list its choices"
        if not all(map(isfinite, numbers)) or (kind == "whole" and any(number != int(number) for number in numbers)):
            return (
                f"the ends are {'whole' if kind == 'whole' else 'finite'} numbers, but {numbers} were given; mend them"
            )
        if not self.low < self.high:
            return f"low lies below high, but low={self.low:g} and high={self.high:g} were given; exchange them"
        if self.log and (self.low <= 0 or self.step is not None):
            return f"a logarithmic range begins above 0 and has no step, but {numbers} were given; leave out log"
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            return f"a step lies above 0 and within the range, but {self.step:g} was given; choose a smaller one"
        return None

    def holds(self, value: Value) -> bool:
        """Tell whether a value lies in the range."""
        return not isinstance(value, bool | str) and self.low <= value <= self.high

    def suggest(self, trial: Trial, name: str, kind: Kind) -> Value:
        """Return the value that a trial tries."""
        if kind == "whole":
            return trial.suggest_int(name, int(self.low), int(self.high), step=int(self.step or 1), log=self.log)
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    def draw(self, generator: np.random.Generator, kind: Kind) -> Value:
        """Return a random value, for the checks of a space."""
        value = float(generator.uniform(self.low, self.high))
        return round(value) if kind == "whole" else value

    @property
    def ends(self) -> tuple[Value, ...]:
        """The values that are checked one by one."""
        return (self.low, self.high)


@dataclass(frozen=True, kw_only=True)
class Choices:
    """A list of values.

    Attributes:
        choices: the values, each once.
    """

    choices: tuple[Value, ...]

    def problem(self, kind: Kind) -> str | None:
        """Return what is wrong with the choices for a setting of this kind, or None."""
        if not self.choices:
            return "there is at least one choice, but the list is empty; name one or more"
        if len(set(map(repr, self.choices))) < len(self.choices):
            return f"each choice is named once, but {list(self.choices)} repeats one; remove it"
        wrong = [value for value in self.choices if not _is_of(kind, value)]
        return f"each choice is a {kind}, but {wrong} were given; mend them" if wrong else None

    def holds(self, value: Value) -> bool:
        """Tell whether a value is among the choices."""
        return value in self.choices

    def suggest(self, trial: Trial, name: str, kind: Kind) -> Value:
        """Return the value that a trial tries."""
        return cast(Value, trial.suggest_categorical(name, list(self.choices)))

    def draw(self, generator: np.random.Generator, kind: Kind) -> Value:
        """Return a random value, for the checks of a space."""
        return self.choices[int(generator.integers(len(self.choices)))]

    @property
    def ends(self) -> tuple[Value, ...]:
        """The values that are checked one by one."""
        return self.choices


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One setting that a search chooses.

    Attributes:
        name: dotted path of the setting in :class:`~xattn_bmd.config.CompareConfig`.
        values: what it may be.
        when: other parameters and the values of them with which this one exists; it keeps its setting elsewhere.
        default: value in the first trial; None takes that of the configuration from which the search begins.
    """

    name: str
    values: Range | Choices
    when: tuple[tuple[str, tuple[Value, ...]], ...] = ()
    default: Value | None = None

    def __post_init__(self) -> None:
        """Refuse what no search can try.

        Raises:
            ConfigError: naming the parameter, the rule and the value found.
        """
        problem = self.values.problem(self.kind)
        if problem is not None:
            raise ConfigError(f"In the search space, of {self.name}: {problem}.")

    @property
    def kind(self) -> Kind:
        """What kind of values the setting takes."""
        return kind_of(self.name)

    @property
    def named(self) -> tuple[Value, ...]:
        """The values that are named one by one; none of a range."""
        return self.values.choices if isinstance(self.values, Choices) else ()

    def exists(self, chosen: Mapping[str, Value]) -> bool:
        """Tell whether the parameter exists beside the values chosen so far."""
        return all(name in chosen and chosen[name] in values for name, values in self.when)

    def suggest(self, trial: Trial) -> Value:
        """Return the value that a trial tries."""
        return self.values.suggest(trial, self.name, self.kind)

    @classmethod
    def from_dict(cls, name: str, entry: Any) -> Parameter:  # noqa: ANN401
        """Return a parameter from what YAML makes of its entry.

        Args:
            name: dotted path of the setting.
            entry: ``{low, high, log, step}`` or ``{choices}``, and optionally ``when`` and ``default``.

        Raises:
            ConfigError: if the entry is malformed.

        Example:
            >>> Parameter.from_dict("model.layers", {"low": 1, "high": 4, "when": {"models": ["xattn"]}}).when
            (('models', ('xattn',)),)
        """
        kind = kind_of(name)
        if not isinstance(entry, Mapping):
            raise ConfigError(
                f"In the search space, {name} is a mapping with low and high, or choices, but {entry!r} was given; "
                "see the named spaces."
            )
        rest = {key: value for key, value in entry.items() if key not in ("when", "default")}
        values = _choices(name, rest) if "choices" in rest else _range(name, rest, kind)
        when = _conditions(name, entry.get("when") or {})
        return cls(name=name, values=values, when=when, default=entry.get("default"))

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`from_dict` reads."""
        if isinstance(self.values, Choices):
            entry: dict[str, Any] = {"choices": list(self.values.choices)}
        else:
            entry = {"low": self.values.low, "high": self.values.high}
            entry |= {"log": True} if self.values.log else {}
            entry |= {} if self.values.step is None else {"step": self.values.step}
        entry |= {"when": {name: list(values) for name, values in self.when}} if self.when else {}
        return entry | ({} if self.default is None else {"default": self.default})


def _choices(name: str, entry: Mapping[str, Any]) -> Choices:
    if set(entry) != {"choices"} or not isinstance(entry["choices"], list | tuple):
        raise ConfigError(
            f"In the search space, of {name}: choices are a list that stands alone, but {dict(entry)} was given; "
            "mend it."
        )
    return Choices(choices=tuple(entry["choices"]))


def _range(name: str, entry: Mapping[str, Any], kind: Kind) -> Range:
    if not {"low", "high"} <= set(entry):
        raise ConfigError(
            f"In the search space, {name} has low and high, or choices, but {dict(entry)} was given; name both ends."
        )
    given = {key: value for key, value in entry.items() if value is not None or key != "step"}
    step: float | None = given.pop("step", None)  # build reads no optional numbers
    made: Range = build(Range, given, where=f"search space, {name}")
    if step is not None:
        step = build(Range, {"low": step, "high": step}, where=f"search space, {name}").low
    return Range(low=made.low, high=made.high, log=made.log, step=step)


def _conditions(name: str, entry: Any) -> tuple[tuple[str, tuple[Value, ...]], ...]:  # noqa: ANN401
    if not isinstance(entry, Mapping):
        raise ConfigError(
            f"In the search space, of {name}: when is a mapping of a parameter to its values, but {entry!r} was given; "
            "mend it."
        )
    return tuple(
        (str(other), tuple(values) if isinstance(values, list | tuple) else (values,))
        for other, values in entry.items()
    )


def _is_of(kind: Kind, value: object) -> bool:
    if kind == "switch":
        return isinstance(value, bool)
    if kind == "word":
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return False
    return kind == "number" or value == int(value)
