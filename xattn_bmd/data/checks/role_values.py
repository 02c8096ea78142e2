"""The plain values of ``cohort.yaml``, checked one by one: each function raises ConfigError for a wrong form."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from xattn_bmd.errors import ConfigError

MINIMAL_EXAMPLE = """\
id: radiograph_id
patient: patient_id
target: {column: fn_bmd, unit: g/cm2}
numeric:
  age: {unit: years, range: [18, 110]}
categorical:
  sex: [female, male]
"""


def limits_of(value: Any, *, where: str) -> tuple[float, float] | None:  # noqa: ANN401
    """Return ``[lowest, highest]`` as two floats, or None where nothing is given."""
    if not is_filled(value):
        return None
    try:
        low, high = (float(limit) for limit in value)
    except (TypeError, ValueError) as cause:
        raise ConfigError(f"{where}.range is [lowest, highest], but {value!r} was given; write two numbers.") from cause
    if not low < high:
        raise ConfigError(f"{where}.range is [lowest, highest], but [{low:g}, {high:g}] was given; swap or mend them.")
    return low, high


def mapping_of(value: Any, *, where: str) -> Mapping[str, Any]:  # noqa: ANN401
    """Return the value as a mapping; empty where nothing is given."""
    if not is_filled(value):
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} holds 'name: value' lines, but {value!r} was found; compare:\n{MINIMAL_EXAMPLE}")
    return value


def list_of(value: Any, *, where: str) -> list[str]:  # noqa: ANN401
    """Return the value as a list of texts; empty where nothing is given."""
    if not is_filled(value):
        return []
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{where} is a list such as [a, b], but {value!r} was found; put it in brackets.")
    return [text_of(item, where=where) for item in value]


def text_of(value: Any, *, where: str) -> str:  # noqa: ANN401
    """Return the value as one non-empty text."""
    if isinstance(value, bool):
        raise ConfigError(f"{where} is text, but the bare word for {value} was read as true/false; put it in quotes.")
    if not is_filled(value) or isinstance(value, Mapping | list | tuple):
        raise ConfigError(f"{where} is one name, but {value!r} was found; write a name.")
    return str(value).strip()


def optional_text(values: Mapping[str, Any], key: str) -> str | None:
    """Return the text under a key, or None."""
    value = values.get(key)
    return text_of(value, where=key) if is_filled(value) else None


def boolean_of(value: Any, *, where: str) -> bool:  # noqa: ANN401
    """Return true or false; false where nothing is given."""
    if not is_filled(value):
        return False
    word = str(value).lower()
    if word not in {"true", "false"}:
        raise ConfigError(f"{where} is true or false, but {value!r} was given; write one of the two.")
    return word == "true"


def is_filled(value: Any) -> bool:  # noqa: ANN401
    """Return whether a value says anything: empty YAML values and ``null`` do not."""
    return value is not None and not (isinstance(value, str) and value.strip() in {"", "null", "~"})


def refuse_unknown(values: Mapping[str, Any], *, known: tuple[str, ...], where: str) -> None:
    """Raise for a key that the format does not have, with the nearest one that it has."""
    for key in values:
        if key not in known:
            raise ConfigError(f"{where} has the keys {list(known)}, but {key!r} was found{nearest_hint(key, known)}.")


def nearest_hint(name: str, known: tuple[str, ...] | list[str]) -> str:
    """Return how a message ends after an unknown name."""
    close = difflib.get_close_matches(str(name), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else "; remove it or mend its spelling"
