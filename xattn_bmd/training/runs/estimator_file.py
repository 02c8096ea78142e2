"""The files of a fitted fold: what it learned in its own folder, what was frozen once beside all folds of the model.

Layout::

    MODEL/frozen-DIGEST.safetensors               frozen tensors, named by the first 16 hex digits of their SHA-256
    MODEL/repeat_00/fold_03/network.safetensors   tensors that this fold learned
    MODEL/repeat_00/fold_03/state.json            the rest, and which frozen file belongs to it

A stack's folder holds the files of its members too, so that it is whole alone; their names begin with the member's.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from xattn_bmd.atomic import atomic_write
from xattn_bmd.config import ModelConfig
from xattn_bmd.data.variables import VariableEncoder
from xattn_bmd.data.views import AS_IT_IS, View
from xattn_bmd.errors import RunError
from xattn_bmd.models.fusions.named import check_source
from xattn_bmd.models.network import frozen_names
from xattn_bmd.training.fits.estimator import Estimator
from xattn_bmd.training.registry import uses_images

FORMAT = "xattn-bmd-estimator-2"
WEIGHTS_FILE, STATE_FILE = "network.safetensors", "state.json"

_WITHOUT_SHARED = "xattn-bmd-estimator-1"
_TENSORS = dict[str, NDArray[Any]]


class EstimatorFiles(NamedTuple):
    """The files of one fitted fold, by name.

    Attributes:
        fold: files of the fold's own folder.
        shared: files of the model's folder, the same for all its folds: one where a trunk was frozen, else none.
    """

    fold: dict[str, bytes]
    shared: dict[str, bytes]


def estimator_files(estimator: Estimator) -> EstimatorFiles:
    """Return the files that hold an estimator; :func:`write_shared` stores the shared ones, before the fold's.

    Args:
        estimator: a fitted model of one fold.
    """
    names = _frozen_names(estimator)
    frozen = {name: value for name, value in estimator.tensors.items() if name in names}
    trained = {name: value for name, value in estimator.tensors.items() if name not in names}
    shared, reference = _shared_file(frozen) if frozen else ({}, None)
    state: dict[str, Any] = {
        "format": FORMAT,
        "model": estimator.model,
        "network": None if estimator.network is None else asdict(estimator.network),
        "encoder": estimator.encoder.to_dict(),
        "record": estimator.record,
        "frozen": reference,
    }
    if estimator.views != (AS_IT_IS,):
        state["views"] = [asdict(view) for view in estimator.views]
    if estimator.classes:
        state["classes"] = list(estimator.classes)
    fold = {WEIGHTS_FILE: _packed(trained)}
    for member in estimator.members:
        files = estimator_files(member)
        fold |= {_prefix(member.model) + name: content for name, content in files.fold.items()}
        shared = shared | files.shared
    if estimator.members:
        state["members"] = [member.model for member in estimator.members]
    fold[STATE_FILE] = (json.dumps(state, indent=1) + "\n").encode()
    return EstimatorFiles(fold, shared)


def write_shared(model_folder: Path, shared: Mapping[str, bytes]) -> None:
    """Store the shared files of a fold in the model's folder; a whole one that is there already is left alone.

    Args:
        model_folder: ``RUN/MODEL``.
        shared: from :func:`estimator_files`.

    Raises:
        RunError: if the disk is full; nothing half-written stays.
    """
    for name, content in shared.items():
        path = model_folder / name
        if not path.is_file() or path.read_bytes() != content:
            atomic_write(path, content)


def copy_estimators(source: Path, target: Path, *, folds: Iterable[str]) -> None:
    """Copy the estimators of some folds, with the frozen file that they share, and nothing else of their folders.

    Args:
        source: the model's folder.
        target: the new model folder; it exists and holds none of the folds.
        folds: fold folders, relative to the model's: ``repeat_00/fold_03``.

    Raises:
        RunError: if a fold is not whole.
    """
    for fold in folds:
        members = _read_state(source / fold).get("members", ())
        (target / fold).mkdir(parents=True)
        for prefix in ("", *map(_prefix, members)):
            reference = _read_state(source / fold, prefix)["frozen"]
            for name in (WEIGHTS_FILE, STATE_FILE):
                shutil.copyfile(source / fold / (prefix + name), target / fold / (prefix + name))
            if reference is not None and not (target / reference["file"]).exists():
                shutil.copyfile(source / reference["file"], target / reference["file"])


def load_estimator(folder: Path, *, prefix: str = "") -> Estimator:
    """Read the estimator of a fold folder; what was frozen is read once per process and shared, read-only.

    Args:
        folder: the fold's folder, two levels below the model's: ``MODEL/repeat_00/fold_03``.
        prefix: what the names of its files begin with, for a member of a stack.

    Raises:
        RunError: if a file is missing, damaged or of another format.
        ModelError: if a fusion of your own cannot be imported, or is not the one that was trained.
    """
    state = _read_state(folder, prefix)
    check_source(state["model"], digest=state["record"].get("source"))
    try:
        trained = load_tensors((folder / (prefix + WEIGHTS_FILE)).read_bytes())
    except FileNotFoundError as cause:
        raise _missing(folder, prefix + WEIGHTS_FILE) from cause
    except SafetensorError as cause:
        raise _damaged(folder) from cause
    network = state["network"]
    return Estimator(
        model=state["model"],
        encoder=VariableEncoder.from_dict(state["encoder"]),
        network=None if network is None else ModelConfig(**network),
        tensors={**_read_shared(folder, state["frozen"]), **trained},
        record=state["record"],
        views=tuple(View(**view) for view in state["views"]) if "views" in state else (AS_IT_IS,),
        members=tuple(load_estimator(folder, prefix=_prefix(name)) for name in state.get("members", ())),
        classes=tuple(state.get("classes", ())),
    )


def _frozen_names(estimator: Estimator) -> frozenset[str]:
    if estimator.network is None or not uses_images(estimator.model):
        return frozenset()
    return frozen_names(estimator.network)


def _shared_file(frozen: _TENSORS) -> tuple[dict[str, bytes], dict[str, str]]:
    content = _packed(frozen)
    digest = hashlib.sha256(content).hexdigest()
    name = f"frozen-{digest[:16]}.safetensors"
    return {name: content}, {"file": name, "sha256": digest}


def _packed(tensors: _TENSORS) -> bytes:
    return save_tensors({name: np.asarray(value, order="C") for name, value in tensors.items()})


def _prefix(member: str) -> str:
    """Return what the names of the files of a stack's member begin with."""
    return f"{member}."


def _read_state(folder: Path, prefix: str = "") -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads((folder / (prefix + STATE_FILE)).read_text())
    except FileNotFoundError as cause:
        raise _missing(folder, prefix + STATE_FILE) from cause
    except (json.JSONDecodeError, UnicodeDecodeError) as cause:
        raise _damaged(folder) from cause
    found = state.get("format")
    if found == _WITHOUT_SHARED:
        raise RunError(
            f"A fitted fold has the format {FORMAT!r}, but {folder} holds the older {found!r}; run `compare` again "
            "into a new folder."
        )
    if found != FORMAT:
        raise RunError(
            f"A fitted fold has the format {FORMAT!r}, but {folder} holds {found!r}; "
            "use the version of xattn_bmd that wrote it."
        )
    return state


def _read_shared(folder: Path, reference: dict[str, str] | None) -> _TENSORS:
    if reference is None:
        return {}
    path = _model_folder(folder) / reference["file"]
    try:
        found = path.stat()
    except FileNotFoundError as cause:
        raise RunError(
            f"The folds of a model with a frozen trunk share {path.name}, but it is missing in {path.parent}; copy "
            "whole model folders, or run `compare` again into a new folder."
        ) from cause
    return _shared_tensors(path, reference["sha256"], found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=4)
def _shared_tensors(path: Path, digest: str, size: int, changed_ns: int) -> _TENSORS:
    """Read a shared file; size and time are arguments so that a file which changed is read and checked again."""
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise RunError(
            f"The frozen weights of a model are those that its folds were trained on, but {path} was changed or "
            "damaged; copy the file again from the run that wrote it, or run `compare` again into a new folder."
        )
    tensors = load_tensors(content)
    for value in tensors.values():
        value.flags.writeable = False
    return tensors


def _model_folder(folder: Path) -> Path:
    return folder.absolute().parents[1]


def _missing(folder: Path, name: str) -> RunError:
    return RunError(
        f"A fitted fold holds {STATE_FILE} and {WEIGHTS_FILE}, but {name} is missing in {folder}; run the comparison "
        "again to complete it."
    )


def _damaged(folder: Path) -> RunError:
    return RunError(
        f"The files of a fitted fold must be whole, but {folder} holds a truncated or foreign one; "
        "delete that fold folder and run the comparison again."
    )
