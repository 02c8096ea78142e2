"""The frozen bench: what the simulated hips of a version are, and whether this code still makes them.

``assets/bench.json`` holds the version, the presets, the hospitals, every number that the simulation's code states, and
six reference hips with their people, facts and pictures.  A change of any of them needs a new version.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.assets import asset_fingerprint, read_asset
from xattn_bmd.simulate.cohort import VERSION
from xattn_bmd.simulate.hip import simulate_hip
from xattn_bmd.simulate.person import Hip
from xattn_bmd.simulate.presets import PRESETS, PresetName, Sex
from xattn_bmd.simulate.site import SITE_PROFILES
from xattn_bmd.simulate.subjects import draw_hips

FILE = "bench.json"
TOLERANCE = 1.5
"""Grey levels of 4096 by which a block mean may differ: processors round alike to far less."""

_SAME = 1e-4
"""Share by which a fact of a reference hip may differ."""

_SEED, _SIZE, _BLOCKS, _DRAWN = 1, 128, 16, 20
_REFERENCES: tuple[tuple[PresetName, str, Sex], ...] = (
    ("hcs", "site_a", "female"),
    ("hcs", "site_b", "male"),
    ("screening", "site_a", "male"),
    ("screening", "site_b", "female"),
    ("external_c", "site_c", "female"),
    ("external_d", "site_d", "male"),
)
_CODE = (
    "anatomy", "develop", "dxa", "femur", "given_people", "hip", "mesh", "pelvis", "person", "presets", "projection",
    "site", "subjects", "trabeculae", "visit", "xray",
)  # fmt: skip
_STRUCTURAL = (0, 1, 2, 3)
_DATA = ("version", "assets", "presets", "sites")


def frozen() -> dict[str, Any]:
    """Return the stored bench.

    Raises:
        SimulationError: where the stored file is missing or damaged.

    Example:
        >>> frozen()["version"] == VERSION
        True
    """
    try:
        content: dict[str, Any] = json.loads(read_asset(FILE))
    except ValueError as cause:
        raise SimulationError(
            f"The frozen bench is an intact {FILE}, but the installed file is damaged; reinstall xattn-bmd."
        ) from cause
    return content


def fingerprint() -> str:
    """Return the SHA-256 of the stored bench.

    Example:
        >>> len(fingerprint())
        64
    """
    return hashlib.sha256(read_asset(FILE)).hexdigest()


def made_bench() -> dict[str, Any]:
    """Return the bench that this code makes, in the form of the stored one; simulates the reference hips."""
    content = {
        "version": VERSION,
        "assets": asset_fingerprint(),
        "presets": {name: asdict(PRESETS[name]) for name in dict.fromkeys(preset for preset, _, _ in _REFERENCES)},
        "sites": {name: asdict(site) for name, site in SITE_PROFILES.items()},
        "numbers": sorted(_numbers()),
        "hips": [_reference(hip) for hip in _reference_hips()],
    }
    plain: dict[str, Any] = json.loads(json.dumps(content))
    return plain


def bench_text(content: dict[str, Any]) -> str:
    """Return the bench as JSON text, a reference hip a line."""
    parts = [f'"{name}": {json.dumps(value)}' for name, value in content.items() if name != "hips"]
    hips = ",\n".join(json.dumps(hip) for hip in content["hips"])
    return "{\n" + ",\n".join([*parts, f'"hips": [\n{hips}\n]']) + "\n}\n"


def differences(stored: dict[str, Any], made: dict[str, Any]) -> list[str]:
    """Return in words where one bench departs from another; nothing where they are the same bench.

    Args:
        stored: from :func:`frozen`.
        made: from :func:`made_bench`.

    Example:
        >>> differences({**frozen(), "version": "hip-bench-0"}, {**frozen(), "version": "hip-bench-9"})
        ['version: hip-bench-0 is frozen, hip-bench-9 is made']
    """
    found = [
        f"{name}: {_short(stored[name])} is frozen, {_short(made[name])} is made"
        for name in _DATA
        if stored[name] != made[name]
    ]
    before, now = Counter(stored["numbers"]), Counter(made["numbers"])
    if before != now:
        gone, new = sorted((before - now).elements()), sorted((now - before).elements())
        found.append(f"numbers in the code: {gone} are gone, {new} are new")
    if len(stored["hips"]) != len(made["hips"]):
        found.append(f"reference hips: {len(stored['hips'])} are frozen, {len(made['hips'])} are made")
    for number, (one, other) in enumerate(zip(stored["hips"], made["hips"], strict=False)):
        found += [f"reference hip {number}: {text}" for text in _hip_differences(one, other)]
    return found


def _numbers() -> Iterator[float]:
    """Yield the numbers stated in the code of the simulation, but for 0 to 3, which mostly count and index."""
    folder = resources.files("xattn_bmd.simulate")
    for name in _CODE:
        for node in ast.walk(ast.parse(folder.joinpath(f"{name}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value not in _STRUCTURAL:
                yield float(node.value)  # type: ignore[arg-type]


def _reference_hips() -> Iterator[Hip]:
    for preset, *wanted in _REFERENCES:
        yield next(hip for hip in draw_hips(n=_DRAWN, preset=preset, seed=_SEED) if [hip.site, hip.sex] == wanted)


def _reference(hip: Hip) -> dict[str, Any]:
    picture = simulate_hip(hip, seed=_SEED, size=_SIZE)
    return {
        "size": _SIZE,
        "person": asdict(hip),
        "facts": {name: round(value, 6) for name, value in picture.facts},
        "grey": _block_means(picture.pixels).round(2).tolist(),
    }


def _block_means(pixels: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Return the means of 16 x 16 blocks of stored pixel values, ``(16, 16)``."""
    side = len(pixels) // _BLOCKS
    means: NDArray[np.float64] = pixels.reshape(_BLOCKS, side, _BLOCKS, side).mean(axis=(1, 3))
    return means


def _hip_differences(stored: dict[str, Any], made: dict[str, Any]) -> list[str]:
    found = [
        f"{name} is {made['person'].get(name)} instead of {value}"
        for name, value in stored["person"].items()
        if made["person"].get(name) != value
    ]
    found += [
        f"{name} is {made['facts'].get(name)} instead of {value}"
        for name, value in stored["facts"].items()
        if not np.isclose(made["facts"].get(name, np.nan), value, rtol=_SAME, atol=1e-6)
    ]
    apart = float(np.abs(np.array(made["grey"]) - np.array(stored["grey"])).max())
    return found + ([f"its picture is {apart:.1f} grey levels off"] if apart > TOLERANCE else [])


def _short(value: object) -> str:
    return value if isinstance(value, str) else hashlib.sha256(json.dumps(value).encode()).hexdigest()[:12]
