"""The crop stage of a run: ``RUN/crop.json`` says which, ``RUN/MODEL/crop/`` holds it: a model is whole alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from xattn_bmd.atomic import atomic_write
from xattn_bmd.errors import RunError

if TYPE_CHECKING:
    from xattn_bmd.localise.crops.stage import CropStage

CROP, FILE = "crop", "crop.json"


def claim_crop_stage(run: Path, stage: CropStage | None, *, begun: bool) -> None:
    """Write which stage cropped the radiographs of a new run, or check that it is that of a run begun before.

    Args:
        run: the run folder.
        stage: the stage; None where whole radiographs are looked at.
        begun: whether the folder holds a run.

    Raises:
        RunError: if the run was begun with another localiser, or with or without one.
    """
    path = run / FILE
    present = json.loads(path.read_text()) if path.is_file() else None
    wanted = None if stage is None else stage.facts
    if begun and present != wanted:
        raise RunError(
            f"A run is continued only with the localiser that it was begun with, but {run} has {_words(present)} and "
            f"{_words(wanted)} was given; give the same, or choose another output folder."
        )
    if wanted is not None and present is None:
        atomic_write(path, json.dumps(wanted, indent=1) + "\n")


def save_crop_stage(model: Path, stage: CropStage | None) -> None:
    """Copy a stage into a model's folder, unless it is there.

    Args:
        model: ``RUN/MODEL``.
        stage: the stage, if any.

    Raises:
        LocaliseError: if the disk is full; nothing half-written stays.
    """
    if stage is not None and not (model / CROP).exists():
        stage.save(model / CROP)


def load_crop_stage(model: Path, *, digest: str) -> CropStage:
    """Return the stage of a model's folder.

    Args:
        model: ``RUN/MODEL``, or a saved predictor.
        digest: digest of the stage that cropped the training's radiographs.

    Raises:
        LocaliseError: if its files are missing or damaged.
        RunError: if it is another one.
    """
    from xattn_bmd.localise.crops.stage import CropStage

    stage = CropStage.load(model / CROP)
    if stage.digest != digest:
        raise RunError(
            f"A model's radiographs are cropped as those of its training were, but {model / CROP} holds another "
            "localiser or margin; copy the whole model folder again."
        )
    return stage


def _words(facts: dict[str, object] | None) -> str:
    if facts is None:
        return "none"
    return f"{str(facts['localiser'])[:12]} (label {facts['label']}, margin {facts['margin']})"
