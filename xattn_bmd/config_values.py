"""Settings from what YAML makes of a file: plain mappings, lists, numbers and words."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from math import isfinite
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from xattn_bmd.errors import ConfigError


def yaml_mapping(path: Path) -> dict[str, Any]:
    """Return the mapping that a YAML file holds.

    Raises:
        ConfigError: if the file is missing, or is no YAML mapping.
    """
    import yaml

    try:
        values = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as cause:
        raise ConfigError(f"Settings are read from a YAML file, but {path} cannot be read as one; mend it.") from cause
    if not isinstance(values, dict):
        raise ConfigError(f"Settings are a YAML mapping, but {path} holds {type(values).__name__}; see a config.yaml.")
    return values


def plain(value: Any) -> Any:  # noqa: ANN401
    """Return a value with every tuple in it as a list.

    Example:
        >>> plain({"window": (0.5, 99.5)})
        {'window': [0.5, 99.5]}
    """
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def build(kind: Any, values: Any, *, where: str) -> Any:  # noqa: ANN401
    """Return a dataclass from a mapping of its fields, each of the type that the field declares.

    Args:
        kind: the dataclass.
        values: the mapping; what it does not name keeps its default.
        where: what the mapping is, for messages.

    Raises:
        ConfigError: if a key is unknown or a value has another type.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"The {where} is a mapping of keys to values, but {values!r} was given; see a config.yaml.")
    known = {item.name for item in fields(kind)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ConfigError(
            f"The {where} has the keys {sorted(known)}, but {unknown} was found; remove it or mend its spelling."
        )
    hints = get_type_hints(kind)
    return kind(**{key: _convert(hints[key], value, where=f"{where}.{key}") for key, value in values.items()})


def _convert(hint: Any, value: Any, *, where: str) -> Any:  # noqa: ANN401
    """Return a YAML value as the type that its field declares; YAML reads 1e-4 as text, so numbers may be text."""
    if is_dataclass(hint):
        return build(hint, value, where=where)
    if get_origin(hint) is tuple:
        return _convert_tuple(get_args(hint), value, where=where)
    if get_origin(hint) is UnionType and value is None:
        return None
    if hint is bool:
        return _convert_switch(value, where=where)
    for kind in (int, float):
        if hint is kind:
            return _convert_number(kind, value, where=where)
    if not isinstance(value, str):
        raise ConfigError(f"The {where} is a word, but {value!r} was given; mend it.")
    return value


def _convert_tuple(kinds: tuple[Any, ...], value: Any, *, where: str) -> tuple[Any, ...]:  # noqa: ANN401
    any_length = kinds[-1] is Ellipsis
    if not isinstance(value, list | tuple) or (not any_length and len(value) != len(kinds)):
        wanted = "a list" if any_length else f"a list of {len(kinds)}"
        raise ConfigError(f"The {where} is {wanted}, but {value!r} was given; mend it.")
    hints = [kinds[0]] * len(value) if any_length else list(kinds)
    return tuple(_convert(hint, item, where=where) for hint, item in zip(hints, value, strict=True))


def _convert_switch(value: Any, *, where: str) -> bool:  # noqa: ANN401
    if not isinstance(value, bool):
        raise ConfigError(f"The {where} is true or false, but {value!r} was given; mend it.")
    return value


def _convert_number(kind: type[int] | type[float], value: Any, *, where: str) -> float:  # noqa: ANN401
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if isinstance(value, bool) or not isfinite(number) or (kind is int and number != int(number)):
        wanted = "a whole number" if kind is int else "a number"
        raise ConfigError(f"The {where} is {wanted}, but {value!r} was given; mend it.")
    return kind(number)
