"""A study as a file: cohort, folds, models, arms, search and outcomes, all in one ``study.yaml``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from xattn_bmd.config import CompareConfig, Preset, from_dict, to_dict
from xattn_bmd.config_values import build
from xattn_bmd.errors import ConfigError
from xattn_bmd.search.tables import TUNED

SEARCH, MAIN = "search", "main"
METRICS = ("mse", "mae", "rmse", "r2", "pearson_r", "spearman_r", "ccc")

_KEYS = ("cohort", "plan", "preset", "settings", "models", "arms", "search", "outcomes")


@dataclass(frozen=True, kw_only=True)
class SimulatedCohort:
    """Simulated hips or chests.

    Attributes:
        n: radiographs.
        preset: people and hospitals of the simulation.
        seed: seed of the people.
        size: pixels of each radiograph.
    """

    n: int = 233
    preset: Literal["hcs", "screening", "external_c", "external_d", "pretraining", "chest", "chest_external"] = "hcs"
    seed: int = 0
    size: int = 512


@dataclass(frozen=True, kw_only=True)
class OwnCohort:
    """A cohort on disk; paths are relative to the study's file.

    Attributes:
        table: clinical table.
        images: folder of the radiographs; empty for ``images`` beside the table.
        roles: roles of the columns; empty for ``cohort.yaml`` beside the table.
    """

    table: str
    images: str = ""
    roles: str = ""


@dataclass(frozen=True, kw_only=True)
class Folds:
    """The outer folds, the same for all arms and the search.

    Attributes:
        folds: number of folds.
        repeats: repetitions of the comparisons with other folds; a search has one.
        seed: seed of folds, weights, batches and trials.
        file: fold plan of your own, relative to the study's file; empty for none.
    """

    folds: int = 10
    repeats: int = 1
    seed: int = 0
    file: str = ""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One comparison.

    Attributes:
        name: its folder.
        config: all its settings.
    """

    name: str
    config: CompareConfig


@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """The search of a study.

    Attributes:
        space: name or path of the space, or what YAML makes of it.
        models: as in :func:`~xattn_bmd.search.tune.tune`, and so for the others; empty for those of the space.
        trials: trials of each study.
        inner_folds: folds on which they are scored.
        nested: False for a flat search.
        objectives: what is made small or large.
    """

    space: Any
    models: tuple[str, ...] = ()
    trials: int = 50
    inner_folds: int = 5
    nested: bool = True
    objectives: tuple[str, ...] = ("mae",)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One figure that the study is about.

    Attributes:
        of: an arm, or ``search``.
        model: whose figure; the chosen configurations of a search are called ``tuned``.
        against: model of the same arm that it is compared with; empty for its own value.
        metric: name of the metric.
    """

    of: str = MAIN
    model: str = TUNED
    against: str = ""
    metric: str = "mae"


@dataclass(frozen=True, kw_only=True)
class StudyFile:
    """A whole study.

    Attributes:
        folder: where its file lies.
        text: the file as it stands.
        cohort: whom it is about.
        plan: outer folds.
        base: settings that arms and search begin with.
        arms: comparisons.
        search: the search, or None.
        outcomes: what is reported at the end.
    """

    folder: Path
    text: str
    cohort: SimulatedCohort | OwnCohort
    plan: Folds
    base: CompareConfig
    arms: tuple[Arm, ...]
    search: SearchPlan | None
    outcomes: tuple[Outcome, ...]


def read_study(path: str | Path) -> StudyFile:
    """Read a study.

    Raises:
        ConfigError: if the file is missing or malformed, or names an arm, model or metric that it does not have.
    """
    import yaml

    path = Path(path)
    try:
        text = path.read_text()
        raw = yaml.safe_load(text)
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as cause:
        raise ConfigError(f"A study is a YAML file, but {path} cannot be read as one; mend it.") from cause
    _check_keys(raw)
    plan: Folds = build(Folds, raw.get("plan") or {}, where="plan")
    base = _base(raw, plan)
    study = StudyFile(
        folder=path.absolute().parent,
        text=text,
        cohort=_cohort(raw.get("cohort")),
        plan=plan,
        base=base,
        arms=_arms(raw, base),
        search=_search(raw.get("search")),
        outcomes=tuple(build(Outcome, entry, where="outcome") for entry in raw.get("outcomes") or []),
    )
    for outcome in study.outcomes:
        _check_outcome(outcome, study)
    return study


def merged(*settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings, the later over the earlier.

    Example:
        >>> merged({"model": {"width": 64, "heads": 4}}, {"model": {"heads": 8}})
        {'model': {'width': 64, 'heads': 8}}
    """
    result: dict[str, Any] = {}
    for each in settings:
        for key, value in each.items():
            before = result.get(key)
            result[key] = merged(before or {}, value) if isinstance(value, Mapping) else value
    return result


def _check_keys(raw: Any) -> None:  # noqa: ANN401
    if not isinstance(raw, dict) or "cohort" not in raw:
        raise ConfigError(
            f"A study is a mapping with a cohort, but {type(raw).__name__} without one was given; name it."
        )
    unknown = sorted(set(raw) - set(_KEYS))
    if unknown:
        near = difflib.get_close_matches(unknown[0], _KEYS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "remove it."
        raise ConfigError(f"A study has the keys {', '.join(_KEYS)}, but {unknown[0]!r} was found; {hint}")


def _cohort(entry: Any) -> SimulatedCohort | OwnCohort:  # noqa: ANN401
    if isinstance(entry, dict) and set(entry) == {"simulate"}:
        simulated: SimulatedCohort = build(SimulatedCohort, entry["simulate"] or {}, where="cohort.simulate")
        return simulated
    if isinstance(entry, dict) and "table" in entry:
        own: OwnCohort = build(OwnCohort, entry, where="cohort")
        return own
    raise ConfigError(
        f"A cohort is simulate: {{...}}, or table with images and roles, but {entry!r} was given; mend it."
    )


def _base(raw: Mapping[str, Any], plan: Folds) -> CompareConfig:
    preset: Preset = raw.get("preset", "quick")
    fixed = {"folds": plan.folds, "repeats": plan.repeats, "seed": plan.seed}
    given = raw.get("settings") or {}
    twice = sorted(set(given) & {*fixed, "models"})
    if twice:
        raise ConfigError(
            f"Folds, repeats, seed and models stand outside of settings, but {twice} stands in them; move it."
        )
    models = {"models": raw["models"]} if raw.get("models") else {}
    return from_dict(merged(to_dict(CompareConfig.from_preset(preset)), given, models, fixed))


def _arms(raw: Mapping[str, Any], base: CompareConfig) -> tuple[Arm, ...]:
    if raw.get("arms") is None:
        return (Arm(name=MAIN, config=base),) if raw.get("models") else ()
    return tuple(_arm(str(name), entry or {}, base) for name, entry in raw["arms"].items())


def _arm(name: str, entry: Mapping[str, Any], base: CompareConfig) -> Arm:
    unknown = sorted(set(entry) - {"models", "change"})
    if unknown or name == SEARCH or "/" in name:
        raise ConfigError(
            f"An arm has a name of its own with models and change, but {name!r} with {unknown or 'that name'} was "
            "given; mend it."
        )
    models = {"models": entry["models"]} if entry.get("models") else {}
    return Arm(name=name, config=from_dict(merged(to_dict(base), entry.get("change") or {}, models)))


def _search(entry: Any) -> SearchPlan | None:  # noqa: ANN401
    if entry is None:
        return None
    if not isinstance(entry, dict) or "space" not in entry:
        raise ConfigError(f"The search of a study has a space, but {entry!r} was given; name one.")
    rest = {name: value for name, value in entry.items() if name != "space"}
    plan: SearchPlan = build(SearchPlan, {"space": "", **rest}, where="search")
    return replace(plan, space=entry["space"])


def _check_outcome(outcome: Outcome, study: StudyFile) -> None:
    known: dict[str, Sequence[str]] = {arm.name: arm.config.models for arm in study.arms}
    if study.search is not None:
        known[SEARCH] = (TUNED,)
    wrong = [
        (what, value, allowed)
        for what, value, allowed in (
            ("arm", outcome.of, tuple(known)),
            ("model", outcome.model, known.get(outcome.of, ())),
            ("model", outcome.against or outcome.model, known.get(outcome.of, ())),
            ("metric", outcome.metric, METRICS),
        )
        if value not in allowed
    ]
    if wrong:
        what, value, allowed = wrong[0]
        raise ConfigError(f"The {what} of an outcome is one of {', '.join(allowed)}, but {value!r} was given; mend it.")
