"""A run folder is taken, described and locked before anything is fitted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from xattn_bmd.atomic import atomic_write, disk_errors, remove_partials
from xattn_bmd.config import CompareConfig, from_dict, to_dict
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.folds import FoldPlan
from xattn_bmd.errors import ConfigError, RunError
from xattn_bmd.training.environment import environment
from xattn_bmd.training.registry import image_encoder_origin
from xattn_bmd.training.runs.crop_file import claim_crop_stage
from xattn_bmd.training.runs.run import COHORT, CONFIG, ENVIRONMENT, PLAN, RECORD
from xattn_bmd.training.runs.run_record import cohort_facts, record_table, same_facts

if TYPE_CHECKING:
    from xattn_bmd.localise.crops.stage import CropStage

_LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run folder for one process; the lock falls with the process, however it ends.

    Raises:
        RunError: if another process holds it.
    """
    import fcntl

    with disk_errors(folder / _LOCK):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / _LOCK).open("w")
    with lock as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as cause:
            raise RunError(
                f"A run folder is written by one process, but another one is working in {folder}; "
                "wait for it or choose another folder."
            ) from cause
        yield


def open_run(
    folder: Path,
    *,
    config: CompareConfig,
    plan: FoldPlan,
    cohort: Cohort,
    images: str,
    crop: CropStage | None = None,
) -> None:
    """Write the description of a new run, or check that an existing one has the same.

    Args:
        folder: the run folder.
        config: settings of the comparison.
        plan: fold plan.
        cohort: the cohort.
        images: digest of all decoded pictures.
        crop: the stage that cropped the radiographs.

    Raises:
        RunError: if the folder holds a run of other settings, folds or data; it is left as it is.
    """
    claim_crop_stage(folder, crop, begun=(folder / CONFIG).is_file())
    described = {
        CONFIG: yaml.safe_dump(to_dict(config), sort_keys=False),
        COHORT: _json(cohort_facts(cohort, images=images)),
        PLAN: plan.to_json(),
        RECORD: record_table(cohort).to_csv(index=False),
    }
    for name, content in described.items():
        present = folder / name
        same = _SAME.get(name, _same_text)
        if present.is_file() and not same(present.read_text(), content):
            raise RunError(
                f"A run folder is continued only with the same settings, but {folder} holds another {name}"
                f"{_first_difference(present.read_text(), content)}; choose another output folder, or delete this one."
            )
    for place in (folder, *folder.glob("*/repeat_*")):
        remove_partials(place)
    for name, content in described.items():
        if not (folder / name).is_file():
            atomic_write(folder / name, content)
    if not (folder / ENVIRONMENT).is_file():
        origin = image_encoder_origin(config, config.models)
        atomic_write(folder / ENVIRONMENT, _json(environment(image_encoder=origin)))


def _same_text(present: str, wanted: str) -> bool:
    return present == wanted


def _same_settings(present: str, wanted: str) -> bool:
    """Tell whether two texts of ``config.yaml`` say the same; an older one lacks the settings that came later."""
    try:
        return from_dict(yaml.safe_load(present)) == from_dict(yaml.safe_load(wanted))
    except (ConfigError, yaml.YAMLError):
        return False


_SAME: dict[str, Callable[[str, str], bool]] = {COHORT: same_facts, CONFIG: _same_settings}
"""How the files of a run are compared with those of the same command; any other letter by letter."""


def _first_difference(present: str, wanted: str) -> str:
    pairs = zip(present.splitlines(), wanted.splitlines(), strict=False)
    for here, there in pairs:
        if here != there:
            return f" ({here.strip()[:60]} there, {there.strip()[:60]} now)"
    return ""


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
