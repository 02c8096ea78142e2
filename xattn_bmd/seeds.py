"""Independent random streams from one seed, so that nothing depends on the order in which work is done."""

from __future__ import annotations

import hashlib


def derive_seed(seed: int, *parts: str | int) -> int:
    """Return a 32-bit seed that depends on ``seed`` and on every part of a name, and on nothing else.

    Args:
        seed: the user's seed.
        *parts: what the stream is for, e.g. ``"xattn", repeat, fold``.

    Example:
        >>> derive_seed(0, "xattn", 0, 3) == derive_seed(0, "xattn", 0, 3)
        True
        >>> derive_seed(0, "xattn", 0, 3) == derive_seed(0, "concat", 0, 3)
        False
    """
    text = "\x1f".join([str(seed), *map(str, parts)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
