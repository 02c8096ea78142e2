"""The comparison: every model on the same folds, each fit stored as soon as it is finished."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from xattn_bmd.bone.reference import get_reference
from xattn_bmd.config import CompareConfig, Preset, Protocol
from xattn_bmd.data.cache import cached_images, default_cache_folder
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.folds import FoldPlan
from xattn_bmd.data.variables import VariableEncoder
from xattn_bmd.errors import CohortError, FoldPlanError, ModelError
from xattn_bmd.models.network import build_network
from xattn_bmd.training.device import torch_device
from xattn_bmd.training.fit import fit_job
from xattn_bmd.training.predictor_file import write_predictors
from xattn_bmd.training.progress import FitProgress
from xattn_bmd.training.registry import check_models, uses_images
from xattn_bmd.training.results import has_results, write_results
from xattn_bmd.training.run import (
    Run,
    fold_folder,
    load_run,
    locked,
    open_run,
    write_fold,
)
from xattn_bmd.training.run_record import pictures_digest
from xattn_bmd.training.study import Job, Study, reference_of
from xattn_bmd.training.tabular import TABULAR
from xattn_bmd.types import Variables

DEFAULT_REFERENCE = "lunar_femoral_neck_white_female"
"""Reference population where neither settings nor cohort name one: that of the source study."""

_LIGHTNING_NOTES = (r".*isinstance\(treespec, LeafSpec\)", r".*does not have many workers", r".*log_every_n_steps")


def compare(
    cohort: Cohort,
    *,
    out: str | Path,
    models: Sequence[str] | None = None,
    folds: int | None = None,
    repeats: int | None = None,
    seed: int | None = None,
    protocol: Protocol | None = None,
    preset: Preset = "quick",
    config: CompareConfig | None = None,
    plan: FoldPlan | None = None,
    cache: str | Path | None = None,
    progress: bool = True,
) -> Run:
    """Compare models by stratified, patient-grouped cross-validation, all on one fold plan.

    A killed run is continued by the same call: finished folds are kept, and the result equals that of a run that was
    never interrupted.

    Args:
        cohort: radiographs and clinical record.
        out: run folder; made if absent.
        models: names of fusions and baselines; None takes the preset's.
        folds: number of folds; None takes the preset's (10), or your plan's.
        repeats: repetitions with other folds; None takes the preset's (1), or your plan's.
        seed: seed of folds, weights, batches and augmentation; None takes the preset's (0).
        protocol: ``"nested"`` or ``"paper"`` (optimistic: the checkpoint is chosen on the scored fold).
        preset: ``"quick"`` or ``"paper"``; not read where ``config`` is given.
        config: all settings at once, in place of a preset.
        plan: your own fold plan; None makes one. A plan that does not fit the cohort is refused.
        cache: folder of decoded images; None takes the user's cache folder.
        progress: show a progress bar.

    Returns:
        The finished run.

    Raises:
        CohortError: listing every problem of the cohort.
        FoldPlanError: if folds cannot be made, do not fit, or leak.
        ModelError: if a model or backbone is unknown or needs weights that cannot be had.
        RunError: if the folder holds another run, is in use, or the disk is full.
    """
    cohort = cohort.in_id_order()
    settings = _settings(cohort, preset, config, models, folds, repeats, seed, protocol, plan)
    _check_request(cohort, settings)
    plan = plan or _make_plan(cohort, settings)
    plan.check_fits(cohort)
    _check_networks(cohort, settings)
    study = Study(cohort, plan, settings, Path(cache) if cache else default_cache_folder())
    needs_images = any(uses_images(name) for name in settings.models)
    with _quiet_trainer(), FitProgress(shown=progress) as bar:
        pictures = _decode(study, bar) if needs_images else {}
        plan.check_leakage(dict(zip(cohort.radiograph_ids, cohort.patient_ids, strict=True)), pictures or None)
        with locked(Path(out)):
            open_run(Path(out), config=settings, plan=plan, cohort=cohort, images=pictures_digest(pictures))
            _fit_all(study, Path(out), bar)
    return load_run(out)


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


def _fit_all(study: Study, out: Path, bar: FitProgress) -> None:
    jobs = all_jobs(study.config)
    open_jobs = [job for job in jobs if not fold_folder(out, job).is_dir()]
    bar.start(jobs, open_jobs, study.config)
    for job in open_jobs:
        bar.begin(job)
        result = fit_job(job, study, on_epoch=bar.epoch)
        write_fold(fold_folder(out, job), result)
        bar.end(job)
    if open_jobs or not has_results(out, config=study.config):
        write_results(out, jobs=jobs, config=study.config, plan=study.plan, simulated=study.cohort.roles.simulated)
    write_predictors(out, study)


def _settings(
    cohort: Cohort,
    preset: Preset,
    config: CompareConfig | None,
    models: Sequence[str] | None,
    folds: int | None,
    repeats: int | None,
    seed: int | None,
    protocol: Protocol | None,
    plan: FoldPlan | None,
) -> CompareConfig:
    base = config or CompareConfig.from_preset(preset)
    wanted = replace(
        base,
        models=tuple(models) if models is not None else base.models,
        folds=base.folds if folds is None else folds,
        repeats=base.repeats if repeats is None else repeats,
        seed=base.seed if seed is None else seed,
        protocol=protocol or base.protocol,
        reference=base.reference or cohort.roles.reference or DEFAULT_REFERENCE,
    )
    if plan is None:
        return wanted
    for name, asked, planned in (("folds", folds, plan.folds), ("repeats", repeats, plan.repeats)):
        if asked is not None and asked != planned:
            raise FoldPlanError(
                f"Your own plan sets the number of {name}, but {asked} was asked for and the plan has {planned}; "
                f"leave {name} out, or give another plan."
            )
    return replace(wanted, folds=plan.folds, repeats=plan.repeats)


def _check_request(cohort: Cohort, config: CompareConfig) -> None:
    """Refuse what cannot be run before anything is decoded or written."""
    check_models(config.models)
    get_reference(reference_of(config))
    torch_device(config.training.accelerator)
    if cohort.roles.target is not None and cohort.roles.target.unit != "g/cm2":
        raise CohortError(
            f"A comparison is of areal density in g/cm2 (DXA), but cohort.yaml declares {cohort.roles.target.unit}; "
            "volumetric density has no T-score by these references."
        )
    tabular = [name for name in config.models if name in TABULAR]
    if tabular and not cohort.schema.names:
        raise ModelError(
            f"The model {tabular[0]!r} sees the clinical record alone, but cohort.yaml declares no variable; declare "
            "numeric or categorical ones, or leave the model out."
        )
    cohort.require_valid(require_images=any(uses_images(name) for name in config.models))


def _make_plan(cohort: Cohort, config: CompareConfig) -> FoldPlan:
    return FoldPlan.make(
        cohort,
        folds=config.folds,
        repeats=config.repeats,
        seed=config.seed,
        inner_fraction=config.inner_fraction,
    )


def _check_networks(cohort: Cohort, config: CompareConfig) -> None:
    """Build each network and show it one empty picture, so that a misfit is refused before anything is written."""
    encoder = VariableEncoder.fit(cohort.table.iloc[:1], cohort.schema)
    row = encoder.transform(cohort.table.iloc[:1])
    record = Variables(*(torch.from_numpy(part) for part in (row.numeric, row.codes, row.missing)))
    picture = torch.zeros(1, 1, config.image.size, config.image.size)
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        for name in config.models:
            if name not in TABULAR:
                network = build_network(
                    fusion=name, schema=cohort.schema, config=config.model, target_mean=0.0, target_sd=1.0
                )
                network.eval()(picture, record)


def _decode(study: Study, bar: FitProgress) -> dict[str, str]:
    cache = cached_images(
        study.cohort.image_paths, image=study.config.image, folder=study.cache_folder, progress=bar.decoded
    )
    study.open_features(progress=bar.encoded)
    return dict(zip(cache.ids, cache.content_hashes, strict=True))


@contextmanager
def _quiet_trainer() -> Iterator[None]:
    """Silence Lightning's per-Trainer notes, which would be repeated for every fit of a study."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "pytorch_lightning.utilities.rank_zero")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in _LIGHTNING_NOTES:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
