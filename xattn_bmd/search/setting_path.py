"""Settings by their dotted path: ``model.width``, ``training.augment.noise``, ``models``."""

from __future__ import annotations

import difflib
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from xattn_bmd.config import CompareConfig, from_dict, to_dict
from xattn_bmd.errors import ConfigError

Value = str | int | float | bool
Kind = Literal["whole", "number", "switch", "word"]

MODELS = "models"
"""The one setting that is a list: a search tries one model at a time."""

_SEARCHED = ("image", "model", "training")
_KINDS: dict[Any, Kind] = {bool: "switch", int: "whole", float: "number", str: "word"}


@cache
def searchable() -> dict[str, Kind]:
    """Return every setting that a search may choose, with the kind of its values.

    Folds, seed, protocol and reference decide how a result is scored, so a search may not choose them.

    Example:
        >>> searchable()["model.width"], searchable()["training.learning_rate"], searchable()["models"]
        ('whole', 'number', 'word')
    """
    hints = get_type_hints(CompareConfig)
    found: dict[str, Kind] = {MODELS: "word"}
    for name in _SEARCHED:
        found |= _settings_of(hints[name], prefix=name)
    return found


def kind_of(path: str) -> Kind:
    """Return what kind of values a setting takes.

    Raises:
        ConfigError: if there is no such setting, or a search may not choose it.
    """
    known = searchable()
    if path not in known:
        near = difflib.get_close_matches(path, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose among {', '.join(sorted(known))}."
        raise ConfigError(
            f"A search chooses settings of image, model and training, or models, but {path!r} is none of them; {hint}"
        )
    return known[path]


def setting(config: CompareConfig, path: str) -> Value:
    """Return the value of a setting; of ``models`` the first.

    Example:
        >>> setting(CompareConfig(), "model.width")
        128
    """
    value: Any = config
    for name in path.split("."):
        value = getattr(value, name)
    return value[0] if path == MODELS else value  # type: ignore[no-any-return]


def with_settings(config: CompareConfig, values: dict[str, Value]) -> CompareConfig:
    """Return a configuration with some settings changed.

    Raises:
        ConfigError: if the values contradict each other or break a rule of their setting.

    Example:
        >>> with_settings(CompareConfig(), {"model.width": 64, "models": "film"}).models
        ('film',)
    """
    changed = to_dict(config)
    for path, value in values.items():
        *parents, name = path.split(".")
        place = changed
        for parent in parents:
            place = place[parent]
        place[name] = [value] if path == MODELS else value
    return from_dict(changed)


def _settings_of(kind: Any, *, prefix: str) -> dict[str, Kind]:  # noqa: ANN401
    hints = get_type_hints(kind)
    found: dict[str, Kind] = {}
    for item in fields(kind):
        hint, path = hints[item.name], f"{prefix}.{item.name}"
        if is_dataclass(hint):
            found |= _settings_of(hint, prefix=path)
        elif (plain := _plain(hint)) in _KINDS:
            found[path] = _KINDS[plain]
    return found


def _plain(hint: Any) -> Any:  # noqa: ANN401
    """Return the type of a setting's values; None for a setting of several values."""
    if get_origin(hint) is Literal:
        return str
    if get_origin(hint) is UnionType:
        (hint,) = (part for part in get_args(hint) if part is not NoneType)
    return hint if isinstance(hint, type) else None
