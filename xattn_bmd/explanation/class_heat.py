"""Heat of a model of classes: where a picture speaks for a class, by the fold models that did not train on its patient.

Axes: ``N`` radiographs, ``K`` classes, ``B`` of a block, ``h, w`` of a heat map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xattn_bmd.data.cohort import Cohort
from xattn_bmd.errors import ConfigError
from xattn_bmd.explanation.block_heat import Block
from xattn_bmd.explanation.control_networks import control_networks
from xattn_bmd.explanation.fold_models import Explained, model_blocks
from xattn_bmd.explanation.heat.methods import MethodName
from xattn_bmd.explanation.heat.seen import OfClass, Seen
from xattn_bmd.explanation.judge.controls import Control
from xattn_bmd.explanation.opened import Networks, OpenedCohort
from xattn_bmd.models.network import FusionNetwork
from xattn_bmd.training.prediction.predictor import Predictor
from xattn_bmd.training.runs.run import Run

PREDICTED = "predicted"

CLASS_CONTROLS: tuple[Control, ...] = ("random_weights", "random_fit")
"""Controls that heat of a class can have."""


@dataclass(frozen=True, eq=False)
class ClassHeat:
    """Heat of a class for every radiograph.

    Attributes:
        radiograph_ids: ids of the ``N`` radiographs.
        maps: ``(N, h, w)`` float32: positive where the picture speaks for the class, in logits.
        control_maps: the same of networks that cannot know, by name of the control.
        classes: the class that each map is of, ``N`` names.
        probabilities: ``(N, K)`` mean over the fold models that explain a radiograph.
        names: the ``K`` classes in their order.
    """

    radiograph_ids: tuple[str, ...]
    maps: NDArray[np.float32]
    control_maps: dict[str, NDArray[np.float32]]
    classes: tuple[str, ...]
    probabilities: NDArray[np.float64]
    names: tuple[str, ...]


def class_heat(
    source: Run | Predictor | str | Path,
    cohort: Cohort,
    *,
    model: str | None = None,
    method: MethodName = "grad_cam",
    of: str = PREDICTED,
    controls: Sequence[Control] = ("random_weights",),
    seed: int = 0,
    cache: str | Path | None = None,
) -> ClassHeat:
    """Make heat maps of a model of classes, beside those of networks that cannot know.

    A radiograph of the cohort that the model was cross-validated on is explained by the fold model that did not train
    on its patient; any other by the mean of all fold models.  A control explains the same class as the trained model.
    :func:`~xattn_bmd.explanation.body.heat_by_zone.heat_by_zone` measures such maps in a vertebral body.

    Args:
        source: a run or its folder, or a predictor or its folder.
        cohort: ``N`` radiographs; their classes are not read.
        model: model of a run; None takes its first one that looks at radiographs.
        method: name of the heat method.
        of: a class, or ``"predicted"`` for the likeliest one of each radiograph.
        controls: ``random_weights`` (all of the network new), ``random_fit`` (all but a frozen trunk new).
        seed: seed of the controls.
        cache: folder of decoded images; None takes the user's cache folder.

    Raises:
        ConfigError: if there is no such class or control.
        RunError: if the model predicts no classes, or a patient was in training and it is not known in which folds.
        ModelError: if the model looks at no picture, or the method is unknown.
        CohortError: if the cohort has problems, or lacks an input that the model needs.
    """
    explained = Explained.open(source, model=model, of="classes")
    names = explained.predictor.classes
    _check(names, of=of, controls=controls)
    opened = OpenedCohort.open(explained, cohort, cache=cache)
    networks = {name: control_networks(opened, name, seed=seed) for name in controls}
    blocks = [(rows, folds) for rows, folds in model_blocks(opened.models)]
    made = [
        _block(Block.of(opened, rows, folds), networks, method=method, of=of, names=names) for rows, folds in blocks
    ]
    order = np.argsort(np.concatenate([rows for rows, _ in blocks]))

    def joined(name: str) -> NDArray[np.float32]:
        return np.concatenate([one[name] for one in made])[order]

    probabilities = joined("probabilities").astype(np.float64)
    return ClassHeat(
        radiograph_ids=tuple(cohort.radiograph_ids),
        maps=joined("trained"),
        control_maps={name: joined(name) for name in controls},
        classes=tuple(names[number] for number in _explained(probabilities, of=of, names=names)),
        probabilities=probabilities,
        names=names,
    )


def _block(
    block: Block, controls: dict[Control, Networks], *, method: MethodName, of: str, names: Sequence[str]
) -> dict[str, NDArray[np.float32]]:
    """Return the probabilities and heat of a block, class by class."""
    opened = block.opened
    probabilities = block.answer(_probabilities)
    wanted = _explained(probabilities, of=of, names=names)
    found: dict[str, NDArray[np.float32]] = {"probabilities": probabilities}
    places = {int(number): np.flatnonzero(wanted == number) for number in np.unique(wanted)}
    parts = {number: Block.of(opened, block.rows[own], block.folds) for number, own in places.items()}
    for name, networks in [("trained", opened.trained), *controls.items()]:
        maps: dict[int, NDArray[np.float32]] = {}
        for number, own in places.items():
            heat = parts[number].heat(
                method,
                networks=networks,
                target=OfClass(number),
                threshold=0.0,
                own_trunk=name == "random_weights",
            )
            maps |= dict(zip(own.tolist(), heat, strict=True))
        found[name] = np.stack([maps[place] for place in range(len(wanted))])
    return found


def _probabilities(network: FusionNetwork, seen: Seen) -> Tensor:
    with torch.no_grad():
        shares: Tensor = network(seen.image, seen.variables, seen.features).log_probabilities.exp()
    return shares


def _explained(probabilities: NDArray[np.floating], *, of: str, names: Sequence[str]) -> NDArray[np.int64]:
    if of == PREDICTED:
        return np.asarray(probabilities.argmax(axis=1), dtype=np.int64)
    return np.full(len(probabilities), list(names).index(of), dtype=np.int64)


def _check(names: Sequence[str], *, of: str, controls: Sequence[Control]) -> None:
    if of not in (PREDICTED, *names):
        raise ConfigError(
            f"Heat is of {PREDICTED!r} or of a class, {', '.join(names)}, but {of!r} was given; name one of them."
        )
    unknown = [name for name in controls if name not in CLASS_CONTROLS]
    if unknown:
        raise ConfigError(
            f"A control of class heat is {' or '.join(CLASS_CONTROLS)}, but {unknown[0]!r} was given; mend the name."
        )
