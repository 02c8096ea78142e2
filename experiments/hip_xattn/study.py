"""The study as data: study.yaml, read into arms with all their settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml

from xattn_bmd.config import CompareConfig, from_dict
from xattn_bmd.errors import ConfigError
from xattn_bmd.search.study_file import merged
from xattn_bmd.simulate.presets import PresetName

FILE = Path(__file__).with_name("study.yaml")
EXTERNAL = "external"

Value = TypeVar("Value")


@dataclass(frozen=True)
class CohortPlan:
    """Simulated people, others in every draw.

    Attributes:
        name: name in study.yaml.
        preset: preset of the simulation.
        n: hips.
        first_seed: draw ``d`` has the seed ``first_seed + d``.
    """

    name: str
    preset: PresetName
    n: int
    first_seed: int

    def seed(self, draw: int) -> int:
        """Return the seed of a draw's people, folds and networks."""
        return self.first_seed + draw


@dataclass(frozen=True)
class Arm:
    """One way of comparing models; every draw of it is one comparison.

    Attributes:
        part: part of the study.
        name: name within the part.
        cohort: whom it is run on.
        config: all settings but the seed.
        draws: how often it is run, each time with other people.
        needs_gpu: whether it is left out where there is no GPU.
        digest: of what study.yaml says about cohort and settings; what it leaves to defaults is no part of it.
    """

    part: str
    name: str
    cohort: CohortPlan
    config: CompareConfig
    draws: int
    needs_gpu: bool
    digest: str

    def folder(self, root: Path, draw: int) -> Path:
        """Return the run folder of a draw."""
        return root / "runs" / self.part / self.name / f"draw_{draw:02d}"

    def outside(self, site: CohortPlan) -> str:
        """Return the name under which an external hospital's results of this arm are kept."""
        return f"{self.part}_{self.name}_{site.name}"


@dataclass(frozen=True)
class Study:
    """The whole study.

    Attributes:
        bench: version of the simulated hips.
        picture: pixels of a simulated radiograph.
        arms: every arm, part by part.
        sites: the external hospitals.
        evaluated: arms whose predictors are taken to the external hospitals.
        evaluated_models: models of which they are taken.
        evaluated_draws: draws of them.
        source: what the source reports.
        answer: which arm answers the question, and by which rule.
    """

    bench: str
    picture: int
    arms: tuple[Arm, ...]
    sites: tuple[CohortPlan, ...]
    evaluated: tuple[Arm, ...]
    evaluated_models: tuple[str, ...]
    evaluated_draws: int
    source: Mapping[str, float]
    answer: Mapping[str, Any]

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts, in the order in which they are run."""
        return (*dict.fromkeys(arm.part for arm in self.arms), EXTERNAL)

    def arm(self, part: str, name: str) -> Arm:
        """Return one arm; a ConfigError says that there is none of that name."""
        return named({each.name: each for each in self.arms if each.part == part}, name, f"arm of the part {part}")


def read_study(*, encoder: Path | None = None) -> Study:
    """Read study.yaml.

    Args:
        encoder: weights file of the tiny trunk; where it is given, everything is tiny.

    Raises:
        ConfigError: if study.yaml contradicts itself or asks for a setting that this version does not have.
    """
    raw = yaml.safe_load(FILE.read_text())
    quick = None if encoder is None else raw["quick"] | {"weights": str(encoder)}
    shift = 0 if quick is None else quick["seed_shift"]
    cohorts = {
        name: CohortPlan(name, plan["preset"], (quick or plan)["n"], plan["first_seed"] + shift)
        for name, plan in raw["cohorts"].items()
    }
    arms = tuple(_arms(raw, cohorts, quick))
    outside = raw["external"]
    study = Study(
        bench=raw["bench"],
        picture=(quick or raw)["picture"],
        arms=arms,
        sites=tuple(named(cohorts, site, "cohort") for site in outside["sites"]),
        evaluated=(),
        evaluated_models=tuple(outside["models"]),
        evaluated_draws=(quick or outside)["draws"],
        source=raw["source"],
        answer=raw["answer"],
    )
    evaluated = tuple(study.arm(part, name) for part, names in outside["arms"].items() for name in names)
    return replace(study, evaluated=evaluated)


def _arms(raw: dict[str, Any], cohorts: dict[str, CohortPlan], quick: dict[str, Any] | None) -> Iterator[Arm]:
    for part, plan in raw["parts"].items():
        for name, entry in plan["arms"].items():
            encoder = named(raw["encoders"], entry["encoder"], "encoder")
            settings = merged(raw["settings"], encoder)
            if quick is not None:
                settings = merged(settings, quick["settings"], _tiny_trunk(settings, quick))
            settings = merged(settings, entry.get("change", {}), {"models": entry["models"]})
            cohort = named(cohorts, entry.get("cohort", plan.get("cohort")), "cohort")
            yield Arm(
                part=part,
                name=name,
                cohort=cohort,
                config=from_dict(settings),
                draws=entry.get("draws", plan["draws"]) if quick is None else quick["draws"],
                needs_gpu=bool(entry.get("needs_gpu", False)) and quick is None,
                digest=_digest(cohort, settings),
            )


def _digest(cohort: CohortPlan, settings: dict[str, Any]) -> str:
    text = json.dumps([asdict(cohort), settings], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _tiny_trunk(settings: dict[str, Any], quick: dict[str, Any]) -> dict[str, Any]:
    stored = settings["model"]["weights"] != "none"
    return {"model": {"backbone": quick["backbone"], "weights": quick["weights"] if stored else "none"}}


def named(table: Mapping[str, Value], name: str, what: str) -> Value:
    """Return the entry of a table.

    Raises:
        ConfigError: if there is none of that name.
    """
    if name not in table:
        raise ConfigError(f"The {what} is one of {', '.join(table)}, but study.yaml names {name!r}; mend it.")
    return table[name]
