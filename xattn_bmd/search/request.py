"""All that a search is: what every process that takes part in it needs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from xattn_bmd.bone.reference import get_reference
from xattn_bmd.config import CompareConfig, to_dict
from xattn_bmd.report.words import Words, words_of
from xattn_bmd.search.constraints import Constraints
from xattn_bmd.search.objective import OBJECTIVES, ObjectiveName
from xattn_bmd.search.part import Part, flat_part, nested_parts
from xattn_bmd.search.space import SearchSpace
from xattn_bmd.training.study import reference_of
from xattn_bmd.training.workers.jobs import SharedStudy


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """A search, as it travels to the processes that work on it.

    Attributes:
        shared: cohort, outer folds, the configuration from which the search begins, digests of the files.
        space: what is chosen.
        trials: trials of each study.
        inner_folds: folds on which the trials of a nested search are scored.
        nested: whether each outer fold has a search of its own, which never sees it.
        objectives: what is made small or large; the first one chooses.
        constraints: what a configuration may cost.
        prune: whether trials are stopped between folds.
        name: name of the search in its storage.
        storage: where trials are kept.
        shown: whether each process says on standard error what it has done.
    """

    shared: SharedStudy
    space: SearchSpace
    trials: int
    inner_folds: int
    nested: bool
    objectives: tuple[ObjectiveName, ...]
    constraints: Constraints
    prune: bool
    name: str
    storage: str
    shown: bool = True

    def __getstate__(self) -> dict[str, Any]:
        """What travels to another process: the fields alone."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def sent_elsewhere(self) -> SearchRequest:
        """Return the request for machines with a working folder of their own."""
        storage = self.storage if "://" in self.storage else str(Path(self.storage).absolute())
        return replace(self, shared=self.shared.sent_elsewhere(), storage=storage)

    @property
    def config(self) -> CompareConfig:
        """The configuration from which the search begins."""
        return self.shared.study.config

    @property
    def words(self) -> Words:
        """What its images are called, and how its densities are written."""
        return words_of(get_reference(reference_of(self.config)), asdict(self.config.image))

    @property
    def stops_between_folds(self) -> bool:
        """Whether trials are stopped: only where a single objective is a mean over folds."""
        return self.prune and len(self.objectives) == 1 and OBJECTIVES[self.objectives[0]].foldwise

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Whom each study of the search looks at."""
        study, config = self.shared.study, self.config
        if not self.nested:
            return (flat_part(study.cohort, study.plan),)
        return nested_parts(
            study.cohort,
            study.plan,
            inner_folds=self.inner_folds,
            inner_fraction=config.inner_fraction,
            seed=config.seed,
        )

    @cached_property
    def fingerprint(self) -> dict[str, str]:
        """What decides the result of every trial, by its name in words; the number of trials is no part of it."""
        config = {name: value for name, value in to_dict(self.config).items() if name not in ("models", "seed")}
        return {
            "cohort": self.shared.study.cohort.fingerprint,
            "set of pictures": self.shared.inputs.pictures,
            "space": self.space.digest,
            "fold plan": self.shared.study.plan.hash,
            "seed": str(self.config.seed),
            "configuration": hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest(),
            "kind of search": f"nested, {self.inner_folds} inner folds" if self.nested else "flat",
            "list of objectives": ", ".join(self.objectives),
            "set of constraints": json.dumps(asdict(self.constraints)),
            "pruning": str(self.stops_between_folds),
        }

    def study_name(self, part: Part) -> str:
        """Return the name of a part's study in the storage."""
        return f"{self.name}/{part.name}"
