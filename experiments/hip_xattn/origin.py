"""Where a run comes from: what stands in every row of the results."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from xattn_bmd.atomic import atomic_write

FILE = "origin.json"


@dataclass(frozen=True)
class Origin:
    """Where a finished run or evaluation comes from.

    Attributes:
        part: part of the study.
        arm: arm of that part; for an evaluation with part and hospital.
        draw: which draw, from 1.
        seed: seed of people, folds and networks.
        settings: digest of what study.yaml says of the arm.
        commit: of the repository, with ``-dirty`` where files had changed.
        machine: processor, cores, GPU, Python and torch.
        seconds: wall time of the call that finished it.
    """

    part: str
    arm: str
    draw: int
    seed: int
    settings: str
    commit: str
    machine: str
    seconds: float

    def write(self, folder: Path) -> None:
        """Store it in a run folder."""
        atomic_write(folder / FILE, json.dumps(asdict(self), indent=1) + "\n")


def read_origin(folder: Path) -> Origin | None:
    """Return the origin of a finished run folder; None where it is not finished."""
    path = folder / FILE
    return Origin(**json.loads(path.read_text())) if path.is_file() else None
