"""The search for settings: nested by default, on one machine or many, continued after any kill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import count, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xattn_bmd.bone.reference import Unit
from xattn_bmd.config import CompareConfig, Preset
from xattn_bmd.config_checks import at_least
from xattn_bmd.data.cache import default_cache_folder
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.folds import FoldPlan
from xattn_bmd.errors import ConfigError
from xattn_bmd.models.fusion import Fusion
from xattn_bmd.models.fusions.backbone_names import fusion_part, own_backbone
from xattn_bmd.models.fusions.named import fusion_name
from xattn_bmd.search.constraints import Constraints, opened_constraints
from xattn_bmd.search.files import (
    alone,
    describe,
)
from xattn_bmd.search.finish import finish
from xattn_bmd.search.named_spaces import opened_space
from xattn_bmd.search.objective import ObjectiveName, check_objectives
from xattn_bmd.search.request import SearchRequest
from xattn_bmd.search.result import SearchResult, load_search
from xattn_bmd.search.setting_path import with_settings
from xattn_bmd.search.space import SearchSpace
from xattn_bmd.search.work import Search, storage_errors, take_part
from xattn_bmd.training.fits.stacking import members_of
from xattn_bmd.training.kept_memory import freed_memory_kept
from xattn_bmd.training.registry import check_models, uses_images
from xattn_bmd.training.request import check_backbone, check_networks, check_request, settled_config
from xattn_bmd.training.runs.progress import FitProgress
from xattn_bmd.training.runs.run_record import pictures_digest
from xattn_bmd.training.study import Study
from xattn_bmd.training.workers.cluster import check_worker_request, open_workers
from xattn_bmd.training.workers.engine import map_on_workers
from xattn_bmd.training.workers.job_keys import study_inputs
from xattn_bmd.training.workers.jobs import SharedStudy

if TYPE_CHECKING:
    from distributed import Client

JOURNAL, BACKBONE = "study.journal", "model.backbone"
DEFAULT_MODEL = "xattn"


def tune(
    cohort: Cohort,
    *,
    space: SearchSpace | str | Path | Mapping[str, Any],
    out: str | Path,
    models: Sequence[str | type[Fusion]] | None = None,
    trials: int = 50,
    folds: int | None = None,
    inner_folds: int = 5,
    nested: bool = True,
    objectives: Sequence[ObjectiveName] = ("mae",),
    constraints: Constraints | Mapping[str, Any] | None = None,
    prune: bool = True,
    storage: str | Path | None = None,
    name: str = "tune",
    preset: Preset = "quick",
    config: CompareConfig | None = None,
    plan: FoldPlan | None = None,
    seed: int | None = None,
    cache: str | Path | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    progress: bool = True,
) -> SearchResult:
    """Search for settings, and score what is chosen on folds that the search never saw.

    Each outer fold has a study of its own, whose trials are scored on inner folds of that fold's training part alone;
    the best configuration is then fitted on the whole training part and scored on the outer fold.  One more study of
    the same kind sees all radiographs: it chooses the configuration to use, ``best.yaml``.  A flat search
    (``nested=False``) scores the trials on the outer folds themselves; all that it writes is labelled optimistic.

    Any number of processes and machines may run the same call on one storage; each takes part until all trials are
    done.  After a kill the same call continues: trials of dead processes are queued again, folds that they fitted are
    kept.

    Args:
        cohort: radiographs and clinical record.
        space: what is chosen: ``"fusion"``, ``"training"``, ``"all"``, a mapping of dotted settings to their values,
            the path of a YAML file with one, or a :class:`~xattn_bmd.search.space.SearchSpace`.
        out: folder of the search; made if absent.
        models: names of the models that are tried, or classes of your own; None takes those of the space, or else
            ``xattn``.
        trials: trials of each study, the first with the configuration from which the search begins.
        folds: outer folds; None takes the preset's (10), or your plan's.
        inner_folds: folds on which the trials of a nested search are scored.
        nested: False searches on the outer folds themselves, which is optimistic.
        objectives: of ``"mae"``, ``"mse"`` and ``"f1"`` (low density: T < -1, or 120 mg/cm³ and
            below); of several, the first one chooses.
        constraints: largest number of fusion ``parameters`` and ``latency_ms`` of one estimate.
        prune: stop a trial between folds that a paired test calls worse than the best one (one objective alone).
        storage: journal file, URL of a database, or ``grpc://HOST:PORT``; None takes ``study.journal`` in ``out``.
        name: name of the search in its storage.
        preset: ``"quick"``, ``"paper"`` or ``"ct_quick"`` for CT volumes; not read where ``config`` is given.
        config: the configuration from which the search begins, in place of a preset.
        plan: your own outer fold plan; None makes one.
        seed: seed of folds, trials and fits; None takes the preset's (0).
        cache: folder of decoded images; None takes the user's cache folder.
        workers: trials at a time, each in a process of this machine.
        scheduler: address of a running dask scheduler whose workers take the trials, in place of ``workers``.
        progress: say on standard error how each trial ended.

    Returns:
        The finished search.

    Raises:
        CohortError: listing every problem of the cohort.
        ConfigError: if space, settings or storage contradict themselves, or the storage holds another search.
        FoldPlanError: if folds cannot be made, do not fit, or leak.
        ModelError: if a model is unknown.
        RunError: if the storage is lost, no trial could be fitted, or the folder holds another search.

    Example:
        >>> import inspect
        >>> inspect.signature(tune).parameters["nested"].default
        True
    """
    cohort, out = cohort.in_id_order(), Path(out)
    chosen = _chosen_space(space, models, unit=cohort.roles.unit)
    settings = settled_config(
        cohort,
        config or CompareConfig.from_preset(preset),
        models=chosen.models,
        folds=folds,
        repeats=None,
        seed=seed,
        protocol=None,
        plan=plan,
    )
    if cohort.roles.classes:
        raise ConfigError(
            "A search is judged by errors of density, but the cohort's target is a class; compare its models with "
            "`compare`."
        )
    check_worker_request(workers=workers, scheduler=scheduler)
    _check_settings(settings, trials=trials, inner_folds=inner_folds)
    chosen.check(settings)
    check_request(cohort, settings, workers=workers if scheduler is None else 2)
    _check_first(cohort, settings, chosen)
    request = SearchRequest(
        shared=_shared_study(cohort, settings, plan, cache=cache, progress=progress),
        space=chosen,
        trials=trials,
        inner_folds=inner_folds,
        nested=nested,
        objectives=check_objectives(objectives),
        constraints=opened_constraints(constraints),
        prune=prune,
        name=name,
        storage=str(storage if storage is not None else out / JOURNAL),
        shown=progress,
    )
    _run(request, out, workers=workers, scheduler=scheduler)
    return load_search(out)


def _chosen_space(
    space: SearchSpace | str | Path | Mapping[str, Any],
    models: Sequence[str | type[Fusion]] | None,
    *,
    unit: Unit | None,
) -> SearchSpace:
    opened = opened_space(space, unit=unit or "g/cm2")
    if models is not None:
        names = tuple(name if isinstance(name, str) else fusion_name(name) for name in models)
        check_models(names)
        opened = opened.with_models(names)
    elif not opened.models:
        opened = opened.with_models((DEFAULT_MODEL,))
    stacks = [name for name in opened.models if members_of(name)]
    named = [name for name in opened.models if own_backbone(name) is not None]
    if named:
        raise ConfigError(
            f"The backbone of a trial is the setting model.backbone, but {named[0]!r} names one; give "
            f"{fusion_part(named[0])!r}, and the backbone in the settings or the space."
        )
    if stacks:
        raise ConfigError(f"A trial fits one model, but the stack {stacks[0]!r} was given; name its members alone.")
    return opened


def _check_first(cohort: Cohort, settings: CompareConfig, space: SearchSpace) -> None:
    """Refuse a first trial, or with its other settings any backbone of the space, that cannot see the cohort."""
    first = space.defaults(settings)
    backbones = [name for each in space.parameters if each.name == BACKBONE for name in each.named]
    for chosen in [first, *(first | {BACKBONE: name} for name in backbones if first.get(BACKBONE) != name)]:
        config = with_settings(settings, chosen)
        check_backbone(config)
        check_networks(cohort, config)


def _check_settings(config: CompareConfig, *, trials: int, inner_folds: int) -> None:
    at_least("trials", trials, 1)
    at_least("inner_folds", inner_folds, 2)
    for name, found, wanted in (
        ("protocol", config.protocol, "nested"),
        ("repeats", config.repeats, 1),
        ("training.devices", config.training.devices, 1),
    ):
        if found != wanted:
            raise ConfigError(f"A search needs {name} to be {wanted!r}, but {found!r} was given; change it.")


def _shared_study(
    cohort: Cohort, config: CompareConfig, plan: FoldPlan | None, *, cache: str | Path | None, progress: bool
) -> SharedStudy:
    """Return cohort, outer folds and settings, with the radiographs decoded and checked for leaks."""
    plan = plan or FoldPlan.make(cohort, folds=config.folds, seed=config.seed, inner_fraction=config.inner_fraction)
    plan.check_fits(cohort)
    study = Study(cohort, plan, config, Path(cache) if cache else default_cache_folder())
    pictures: dict[str, str] = {}
    if any(map(uses_images, config.models)):
        with FitProgress(shown=progress) as bar:
            pictures = study.open(decoded=bar.decoded, encoded=bar.encoded).content_hashes
    plan.check_leakage(dict(zip(cohort.radiograph_ids, cohort.patient_ids, strict=True)), pictures or None)
    return SharedStudy(study, study_inputs(study, pictures=pictures_digest(pictures)))


def _run(request: SearchRequest, out: Path, *, workers: int, scheduler: str | None) -> None:
    with storage_errors(request.storage):
        Search(request)  # refuses a storage that holds another search before anything is written
    with alone(out):
        describe(out, request)
    with freed_memory_kept(), ExitStack() as stack:
        client = None
        if workers > 1 or scheduler is not None:
            client = stack.enter_context(open_workers(workers=workers, scheduler=scheduler))
        sent = request if scheduler is None else request.sent_elsewhere()
        _take_part(sent, client)
        with alone(out), storage_errors(request.storage):
            finish(sent, out, client)


def _take_part(request: SearchRequest, client: Client | None) -> None:
    if client is None:
        take_part(0, request)
        return
    ended: list[int] = []
    slots = takewhile(lambda _: not ended, count())  # a worker that joins later takes part too
    for slot, _ in map_on_workers(client, take_part, slots, shared=request, name=lambda slot: f"slot {slot}"):
        ended.append(slot)
