"""What is asked of an explanation, checked before anything is computed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

import numpy as np

from xattn_bmd.bone.reference import get_reference
from xattn_bmd.bone.tscore import NORMAL_EDGE
from xattn_bmd.errors import ConfigError
from xattn_bmd.explanation.heat.attention import attention_maps
from xattn_bmd.explanation.heat.methods import MethodName, method_named
from xattn_bmd.explanation.heat.seen import Target, check_target
from xattn_bmd.explanation.judge.controls import CONTROLS, Control
from xattn_bmd.explanation.opened import OpenedCohort
from xattn_bmd.training.prediction.digest import predictor_digest

FORMAT = "xattn-bmd-explanation-1"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for.

    Attributes:
        method: name of the heat method.
        target: what is explained.
        controls: models that cannot know anything, whose heat is judged beside the trained one's.
        steps: steps of the deletion and insertion curves; 0 for none.
        zones: zones a side of the zone profiles.
        seed: seed of controls, random orders and the bootstrap.
        replicates: number of bootstrap replicates.
    """

    method: MethodName
    target: Target
    controls: tuple[Control, ...]
    steps: int
    zones: int
    seed: int
    replicates: int

    def check(self, opened: OpenedCohort) -> None:
        """Refuse what the model cannot give.

        Raises:
            ModelError: if the method or target is unknown, or the network does not give it.
            ConfigError: if a control is unknown or a number is out of range.
        """
        network = opened.trained(0)[0]
        method_named(self.method)
        check_target(network, self.target)
        if self.method == "attention":
            first = np.arange(1)
            attention_maps(network, opened.seen(first, 0, image=opened.image(first), features=None))
        if unknown := [name for name in self.controls if name not in CONTROLS]:
            raise ConfigError(
                f"A control is one of {', '.join(CONTROLS)}, but {unknown[0]!r} was given; mend the name."
            )
        if self.steps < 0 or self.zones < 1:
            raise ConfigError(
                f"Perturbation has 0 steps or more and a profile 1 zone or more, but steps={self.steps} and "
                f"zones={self.zones} were given; raise them."
            )

    def threshold(self, opened: OpenedCohort) -> float:
        """Return the density at T = -1 of the predictor's reference, g/cm²."""
        reference = get_reference(opened.explained.predictor.reference)
        return reference.mean + NORMAL_EDGE * reference.sd

    def key(self, opened: OpenedCohort) -> str:
        """Return a digest of all that the computed blocks follow from: settings, model, cohort and pictures."""
        content = [
            FORMAT,
            asdict(self) | {"replicates": None, "zones": None},
            predictor_digest(opened.explained.predictor),
            opened.cohort.fingerprint,
            sorted(opened.pictures.content.items()),
            opened.models.astype(int).tolist(),
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
