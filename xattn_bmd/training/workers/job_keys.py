"""Which fits a comparison has, and the content address of each: a digest of all that decides its result."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from xattn_bmd.config import CompareConfig, to_dict
from xattn_bmd.models.assets import BONE_ENCODER
from xattn_bmd.models.fusions.backbone_names import model_config
from xattn_bmd.models.fusions.named import source_digest
from xattn_bmd.training.fits.stacking import members_of
from xattn_bmd.training.registry import uses_images
from xattn_bmd.training.study import Job, Study

_FORMAT = "xattn-bmd-fit-1"

_LATER: dict[str, dict[str, object]] = {
    "image": {"slices": 1, "spacing_mm": [3.0, 1.0, 1.0], "hu_window": [-200.0, 1000.0]},
    "model": {
        "image_dropout": 0.0,
        "record_dropout": 0.0,
        "variable_dropout": 0.0,
        "mask_head": "none",
        "mask_width": 16,
        "class_head": "none",
    },
    "training": {
        "seeds": 1,
        "averaging": "none",
        "averaged_epochs": 5,
        "test_views": 1,
        "mask_weight": 0.1,
        "class_weight": 1.0,
        "task_weights": "fixed",
    },
}
"""Settings that came when fits had been stored, with the value that says what those fits did: no part of a key then."""


def all_jobs(config: CompareConfig) -> list[Job]:
    """Return every fit of a comparison, model by model, in the order of the results.

    Example:
        >>> len(all_jobs(CompareConfig(models=("xattn", "ridge"), folds=10, repeats=2)))
        40
    """
    return [
        Job(model, repeat, fold)
        for model in config.models
        for repeat in range(config.repeats)
        for fold in range(config.folds)
    ]


@dataclass(frozen=True)
class Inputs:
    """Digests of the files that decide a study's fits, as the client read them.

    Attributes:
        pictures: of all decoded pictures: :func:`~xattn_bmd.training.runs.run_record.pictures_digest`.
        weights: SHA-256 of the weights file that the settings name by its path, or of the bone encoder's; None where
            they name neither.
        masks: of all mask files, where models learn from them; else None.
    """

    pictures: str
    weights: str | None = None
    masks: str | None = None

    def decided(self) -> dict[str, str | None]:
        """Return the digests that are a part of a content address; fits were stored before there were masks."""
        return {name: value for name, value in asdict(self).items() if name != "masks" or value is not None}


def weights_digest(config: CompareConfig) -> str | None:
    """Return the SHA-256 of the file of weights that the settings name, or None where there is none.

    That is a file named by its path, or the bone encoder of this package; what an installed package or the hub holds
    is known by its name alone.

    Example:
        >>> weights_digest(CompareConfig()) is None
        True
    """
    named = config.model.weights
    path = BONE_ENCODER if named == "bone" else Path(named)
    if path.suffix != ".safetensors" or not path.is_file():
        return None
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def study_inputs(study: Study, *, pictures: str) -> Inputs:
    """Return the digests of the files that decide a study's fits.

    Args:
        study: its settings say which files are read.
        pictures: digest of its decoded pictures.
    """
    masks = None if study.config.model.mask_head == "none" else study.images.masks
    return Inputs(pictures, weights_digest(study.config), None if masks is None else masks.digest)


def study_key(study: Study, inputs: Inputs) -> str:
    """Return the content address of what all fits of a study share.

    Args:
        study: cohort, plan and settings.
        inputs: digests of its files.
    """
    return _address(*_decided(study), inputs.decided())


def job_key(study: Study, job: Job, *, inputs: Inputs, trial: int | None = None) -> str:
    """Return the content address of a fit: two fits have the same exactly where all that decides them is the same.

    Versions of torch and of this package are no part of it: a run may be continued after an update, and its
    ``environment.json`` says where it began.  A model that sees no image does not depend on the files.  The source of a
    fusion of your own is a part: :func:`~xattn_bmd.models.fusions.named.source_digest`.  A stack depends on the fits of
    its members alone.

    Args:
        study: cohort, plan and settings; where its files lie does not matter.
        job: which fit.
        inputs: digests of the files that the settings do not describe.
        trial: number of the trial in a search for settings.

    Returns:
        64 hexadecimal digits.
    """
    if members := members_of(job.model):
        keys = [job_key(study, replace(job, model=name), inputs=inputs, trial=trial) for name in members]
        return _address(_FORMAT, "stack", keys)
    study = replace(study, config=replace(study.config, model=model_config(job.model, study.config.model)))
    files = inputs.decided() if uses_images(job.model) else None
    source = source_digest(job.model)
    return _address(*_decided(study), asdict(job), trial, files, *([] if source is None else [source]))


def _decided(study: Study) -> tuple[object, ...]:
    settings = {name: value for name, value in to_dict(study.config).items() if name != "models"}
    for group, later in _LATER.items():
        given = settings[group].items()
        settings[group] = {name: value for name, value in given if name not in later or value != later[name]}
    return _FORMAT, settings, study.plan.hash, study.cohort.fingerprint


def _address(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
