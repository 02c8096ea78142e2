"""Which NHANES files lie in a folder, cycle by cycle."""

from __future__ import annotations

import re
from pathlib import Path

from xattn_bmd.data.nhanes.answers import ACTIVITIES
from xattn_bmd.errors import CohortError

CYCLES = {"D": "2005-2006", "E": "2007-2008", "F": "2009-2010", "H": "2013-2014"}
"""Years of each cycle with a hip scan, by the letter at the end of its file names."""

REQUIRED = ("DEMO", "BMX", "DXXFEM")
"""Files without which a cycle has no density, person or body size."""

VARIABLES = {
    "DEMO": ("RIAGENDR", "RIDAGEYR"),
    "BMX": ("BMXHT", "BMXWT", "BMXBMI"),
    "DXXFEM": ("DXAFMRST", "DXXFMBCC", "DXXNKBMD"),
    "SMQ": ("SMQ020", "SMQ040"),
    "ALQ": ("ALQ110", "ALQ120Q", "ALQ120U", "ALQ130"),
    "PAQ": tuple(name for kind in ACTIVITIES for name in kind[:3]),
    "DBQ": ("DBQ700",),
}
"""What is read from each file."""

UNREAD = frozenset({("PAQ", "D")})
"""The 2005-2006 questionnaire asked for 30 days in other words: no minutes per week follow from it."""

_NAMED = re.compile(rf"({'|'.join(VARIABLES)})_([{''.join(CYCLES)}])\.XPT")
_OTHER_SCAN = re.compile(r"(P_)?DXXFEM(_[A-Z])?\.XPT")


def cycle_files(folder: Path) -> dict[str, dict[str, Path]]:
    """Return the files of every cycle in a folder, ``{"D": {"DEMO": path, ...}, ...}``, oldest cycle first.

    Names match in upper and lower case; other files are left alone.

    Args:
        folder: where the XPT files lie, not in folders below.

    Raises:
        CohortError: if the folder is absent or has no such file, a cycle lacks a required file, a file is there
            twice, or a hip scan is of a cycle whose questions are not known here.
    """
    found: dict[str, dict[str, Path]] = {}
    for path in _listed(folder):
        name = path.name.upper()
        if match := _NAMED.fullmatch(name):
            files = found.setdefault(match[2], {})
            if match[1] in files:
                raise CohortError(
                    f"A file of NHANES is read once, but {files[match[1]].name} and {path.name} are both in {folder}; "
                    "remove one."
                )
            files[match[1]] = path
        elif _OTHER_SCAN.fullmatch(name):
            raise CohortError(
                f"Hip scans of NHANES are read from the cycles {', '.join(CYCLES.values())}, but {path.name} is of "
                "another; move it out of the folder."
            )
    _check_complete(found, folder=folder)
    return dict(sorted(found.items()))


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as cause:
        raise CohortError(
            f"NHANES is read from a folder of XPT files, but {folder} is not a readable folder ({cause.strerror}); "
            "give the folder that they were downloaded into."
        ) from cause


def _check_complete(found: dict[str, dict[str, Path]], *, folder: Path) -> None:
    if not found:
        raise CohortError(
            f"NHANES is read from files such as DEMO_D.XPT, BMX_D.XPT and DXXFEM_D.XPT, but {folder} has none of them; "
            "download them from the CDC into this folder."
        )
    for letter, files in sorted(found.items()):
        if missing := [f"{name}_{letter}.XPT" for name in REQUIRED if name not in files]:
            raise CohortError(
                f"A cycle of NHANES needs the files {', '.join(REQUIRED)}, but {CYCLES[letter]} lacks "
                f"{', '.join(missing)}; download it too, or remove the files of that cycle."
            )
