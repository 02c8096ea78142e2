"""The part of an explanation that takes time, block by block: a killed run loses one block at most."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.atomic import atomic_write, remove_partials
from xattn_bmd.errors import ModelError, RunError
from xattn_bmd.explanation.block_heat import Block
from xattn_bmd.explanation.control_networks import control_networks
from xattn_bmd.explanation.fold_models import model_blocks
from xattn_bmd.explanation.judge.controls import Control
from xattn_bmd.explanation.judge.enlarge import enlarged
from xattn_bmd.explanation.judge.perturbation import perturbation_curves
from xattn_bmd.explanation.opened import Networks, OpenedCohort
from xattn_bmd.explanation.request import Request
from xattn_bmd.seeds import derive_seed

Arrays = dict[str, NDArray[np.generic]]
TRAINED = "trained"
_KEY = "key.json"


def computed_blocks(
    opened: OpenedCohort, request: Request, *, folder: Path, progress: Callable[[int, int], None] | None = None
) -> list[Arrays]:
    """Return the arrays of every block, computing those that a folder does not hold yet.

    Args:
        opened: the cohort.
        request: what is asked for.
        folder: where finished blocks are kept.
        progress: called with (radiographs done, ``N``).

    Returns:
        for each block ``rows``, ``density`` (g/cm²), ``heat_trained`` and ``heat_CONTROL`` (B, h, w), and where asked
        for ``attention`` (B, V, H, h, w) and ``deletion``, ``insertion``, ``deletion_random``, ``insertion_random``.

    Raises:
        RunError: if the folder was begun with something else, or the disk is full.
    """
    work = Work.of(opened, request)  # what cannot be done is refused before anything is written
    _claim(folder, request.key(opened))
    made, done = [], 0
    for number, (rows, folds) in enumerate(model_blocks(opened.models)):
        path = folder / f"block_{number:05d}.npz"
        arrays = _load(path)
        if arrays is None:
            arrays = work.arrays(Block.of(opened, rows, folds))
            stream = io.BytesIO()
            np.savez(stream, **arrays)  # type: ignore[arg-type]
            atomic_write(path, stream.getvalue())
        made.append(arrays)
        done += len(rows)
        if progress is not None:
            progress(done, len(opened.cohort))
    return made


class Work:
    """What is computed of every block.

    Args:
        request: what is asked for.
        threshold: density at T = -1, g/cm².
        controls: networks of each control.
    """

    def __init__(self, request: Request, *, threshold: float, controls: Mapping[Control, Networks]) -> None:
        self.request, self.threshold, self.controls = request, threshold, controls

    @classmethod
    def of(cls, opened: OpenedCohort, request: Request) -> Work:
        """Make the controls of a cohort ready."""
        controls = {name: control_networks(opened, name, seed=request.seed) for name in request.controls}
        return cls(request, threshold=request.threshold(opened), controls=controls)

    def arrays(self, block: Block) -> Arrays:
        """Return the arrays of a block."""
        asked, opened = self.request, block.opened
        named = {"method": asked.method, "target": asked.target, "threshold": self.threshold}
        arrays: Arrays = {"rows": block.rows, "density": block.density()}
        arrays[f"heat_{TRAINED}"] = block.heat(networks=opened.trained, **named)  # type: ignore[arg-type]
        for name, networks in self.controls.items():
            own_trunk = name == "random_weights"
            arrays[f"heat_{name}"] = block.heat(networks=networks, own_trunk=own_trunk, **named)  # type: ignore[arg-type]
        try:
            arrays["attention"] = block.attention()
        except ModelError:
            if asked.method == "attention":
                raise
        return arrays | (self._curves(block, arrays[f"heat_{TRAINED}"]) if asked.steps else {})

    def _curves(self, block: Block, heat: NDArray[np.generic]) -> Arrays:
        size, ids = block.opened.size, block.opened.cohort.radiograph_ids
        seeds = [derive_seed(self.request.seed, "random order", ids[row]) for row in block.rows]
        random = np.stack([np.random.default_rng(seed).random((size, size)) for seed in seeds]).astype(np.float32)
        found: Arrays = {}
        for end, order in (("", enlarged(heat.astype(np.float32), size=size)), ("_random", random)):
            curves = perturbation_curves(block.estimate(), block.image, order, steps=self.request.steps)
            found |= {f"deletion{end}": curves.deletion, f"insertion{end}": curves.insertion}
        return found


def _claim(folder: Path, key: str) -> None:
    path = folder / _KEY
    if path.is_file() and json.loads(path.read_text())["key"] != key:
        raise RunError(
            f"A killed explanation is continued only with the same model, cohort and settings, but {folder} was begun "
            "with others; give the same again, choose another output folder, or delete this one."
        )
    if folder.is_dir():
        remove_partials(folder)
    atomic_write(path, json.dumps({"key": key}) + "\n")


def _load(path: Path) -> Arrays | None:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None
