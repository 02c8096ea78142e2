"""The folder of a search: what was asked, what was tried, what was chosen, and how it did."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from xattn_bmd.atomic import atomic_write, disk_errors
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.config import CompareConfig, to_dict
from xattn_bmd.errors import RunError
from xattn_bmd.metrics.tables.regression import metrics_table
from xattn_bmd.metrics.tables.screening import screening_table
from xattn_bmd.search.objective import OBJECTIVES
from xattn_bmd.search.request import SearchRequest
from xattn_bmd.search.storage import shown
from xattn_bmd.search.tables import LABELS
from xattn_bmd.training.study import reference_of

SEARCH, PLAN, BEST = "search.json", "fold_plan.json", "best.yaml"
TRIALS, SCORES, IMPORTANCE, PREDICTIONS = "trials.csv", "scores.csv", "importance.csv", "predictions.csv"
FORMAT = "xattn-bmd-search-1"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder for one process after the other; the lock falls with the process, however it ends."""
    with disk_errors(folder / ".lock"):
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / ".lock").open("w")
    with stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def describe(folder: Path, request: SearchRequest) -> None:
    """Write what was asked into a new folder, or check that an existing one has the same.

    Raises:
        RunError: if the folder holds another search; it is left as it is.
    """
    record = {
        "format": FORMAT,
        "nested": request.nested,
        "protocol": LABELS[request.nested],
        "objectives": list(request.objectives),
        "directions": [OBJECTIVES[name].direction for name in request.objectives],
        "name": request.name,
        "simulated": request.shared.study.cohort.roles.simulated,
        "fingerprint": request.fingerprint,
        "space": request.space.to_dict(),
        "begins_with": to_dict(request.config),
    }
    found = _read(folder / SEARCH)
    if found is not None and {name: found.get(name) for name in record} != record:
        differing = next(name for name in record if found.get(name) != record[name])
        raise RunError(
            f"The folder of a search is continued only with the same search, but {folder} holds one with another "
            f"{differing}; choose another output folder, or delete this one."
        )
    if found is None:
        made_with = {"storage": shown(request.storage), "optuna": version("optuna")}
        atomic_write(folder / PLAN, request.shared.study.plan.to_json())
        atomic_write(folder / SEARCH, json.dumps(record | made_with, indent=1, ensure_ascii=False) + "\n")


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write tables by the names of their files."""
    for name, table in tables.items():
        atomic_write(folder / name, table.to_csv(index=False))


def write_scores(folder: Path, predictions: pd.DataFrame, request: SearchRequest) -> None:
    """Write the predictions of the chosen configurations, and what they score."""
    config, plan = request.config, request.shared.study.plan
    reference = get_reference(reference_of(config))
    labels: dict[str, Any] = {
        "protocol": LABELS[request.nested],
        "simulated": request.shared.study.cohort.roles.simulated,
        "plan_hash": plan.hash,
    }
    scored = {
        "metrics.csv": metrics_table(predictions, seed=config.seed),
        "screening.csv": screening_table(predictions, reference, seed=config.seed),
    }
    write_tables(folder, {name: table.assign(**labels) for name, table in scored.items()})
    write_tables(folder, {PREDICTIONS: predictions})


def write_configuration(path: Path, config: CompareConfig, *, said: str) -> None:
    """Write a configuration that ``compare`` reads, with a note on where it comes from."""
    note = "".join(f"# {line}\n" for line in said.splitlines())
    atomic_write(path, note + yaml.safe_dump(to_dict(config), sort_keys=False))


def _read(path: Path) -> dict[str, object] | None:
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        found = {}
    return found if isinstance(found, dict) else {}
