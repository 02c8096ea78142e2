"""Writes SAS transport files (version 5), as NHANES comes in; independent of the reader under test."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

MISSING = b"." + bytes(7)
_ZEROS = "0" * 30
_WHEN = "01JAN10:00:00:00"


def write_xpt(path: Path, columns: Mapping[str, Sequence[float | None] | Sequence[str]]) -> Path:
    """Write columns of equal length: numbers (None is missing), or texts of at most 8 letters."""
    kinds = [2 if values and isinstance(values[0], str) else 1 for values in columns.values()]
    rows = b"".join(b"".join(map(_cell, row)) for row in zip(*columns.values(), strict=True))
    path.write_bytes(_head(path.stem) + _names(list(columns), kinds) + _card("OBS     ", _ZEROS) + _padded(rows))
    return path


def ibm_float(value: float) -> bytes:
    """A number as 8 bytes: sign, power of 16 plus 64, fraction of 56 bits."""
    if value == 0:
        return bytes(8)
    fraction, power = math.frexp(abs(value))
    sixteens = -(-power // 4)
    bits = int(math.ldexp(fraction, 56)) >> (4 * sixteens - power)
    return struct.pack(">Q", (value < 0) << 63 | (sixteens + 64) << 56 | bits)


def _cell(value: float | str | None) -> bytes:
    if isinstance(value, str):
        return value.encode().ljust(8)
    return MISSING if value is None else ibm_float(value)


def _head(name: str) -> bytes:
    member = f"{'SAS':8}{name.upper():8}{'SASDATA':8}{'9.4':8}{'LINUX':8}{'':24}{_WHEN}"
    library = f"{'SAS':8}{'SAS':8}{'SASLIB':8}{'9.4':8}{'LINUX':8}{'':24}{_WHEN}"
    return b"".join(
        [
            _card("LIBRARY ", _ZEROS),
            library.encode(),
            _WHEN.encode().ljust(80),
            _card("MEMBER  ", "000000000000000001600000000140"),
            _card("DSCRPTR ", _ZEROS),
            member.encode(),
            _WHEN.encode().ljust(80),
        ]
    )


def _names(names: list[str], kinds: list[int]) -> bytes:
    described = b"".join(
        struct.pack(
            ">hhhh8s40s8shhh2s8shhl52s",
            *(kind, 0, 8, place + 1, name.encode().ljust(8), b" " * 40, b" " * 8),
            *(0, 0, 0, bytes(2), b" " * 8, 0, 0, 8 * place, bytes(52)),
        )
        for place, (name, kind) in enumerate(zip(names, kinds, strict=True))
    )
    return _card("NAMESTR ", f"000000{len(names):04}" + "0" * 20) + _padded(described)


def _card(kind: str, digits: str) -> bytes:
    return f"HEADER RECORD*******{kind}HEADER RECORD!!!!!!!{digits}  ".encode()


def _padded(content: bytes) -> bytes:
    return content + b" " * (-len(content) % 80)
