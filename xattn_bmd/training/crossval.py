"""The comparison: every model on the same folds, each fit stored as soon as it is finished."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from xattn_bmd.config import CompareConfig, Preset, Protocol
from xattn_bmd.data.cache import cached_images, default_cache_folder
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.folds import FoldPlan
from xattn_bmd.models.network import build_network
from xattn_bmd.training.fit import Job, Study, fit_job
from xattn_bmd.training.predictor import write_predictor
from xattn_bmd.training.progress import FitProgress
from xattn_bmd.training.registry import check_models, uses_images
from xattn_bmd.training.run import PREDICTIONS, Run, fold_folder, load_run, locked, open_run, write_fold, write_results
from xattn_bmd.training.tabular import TABULAR

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
        folds: number of folds; None takes the preset's (10).
        repeats: repetitions with other folds; None takes the preset's (1).
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
    settings = _settings(cohort, preset, config, models, folds, repeats, seed, protocol, plan)
    check_models(settings.models)
    needs_images = any(uses_images(name) for name in settings.models)
    cohort.require_valid(require_images=needs_images)
    plan = plan or _make_plan(cohort, settings)
    plan.check_fits(cohort)
    _check_networks(cohort, settings)
    study = Study(cohort, plan, settings, Path(cache) if cache else default_cache_folder())
    with _quiet_trainer(), FitProgress(shown=progress) as bar:
        pictures = _decode(study, bar) if needs_images else {}
        plan.check_leakage(dict(zip(cohort.radiograph_ids, cohort.patient_ids, strict=True)), pictures or None)
        with locked(Path(out)):
            open_run(Path(out), config=settings, plan=plan, cohort=cohort, images=_digest(pictures))
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
    for model in study.config.models:
        write_predictor(out / model, study, images=uses_images(model))
    if open_jobs or not (out / PREDICTIONS).is_file():
        write_results(out, jobs=jobs, config=study.config)


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
    if config is None and cohort.roles.reference is not None:
        base = replace(base, reference=cohort.roles.reference)
    return replace(
        base,
        models=tuple(models) if models is not None else base.models,
        folds=plan.folds if plan else base.folds if folds is None else folds,
        repeats=plan.repeats if plan else base.repeats if repeats is None else repeats,
        seed=base.seed if seed is None else seed,
        protocol=protocol or base.protocol,
    )


def _make_plan(cohort: Cohort, config: CompareConfig) -> FoldPlan:
    return FoldPlan.make(
        cohort,
        folds=config.folds,
        repeats=config.repeats,
        seed=config.seed,
        inner_fraction=config.inner_fraction,
    )


def _check_networks(cohort: Cohort, config: CompareConfig) -> None:
    """Build each network once, so that a wrong backbone is refused before anything is decoded or written."""
    for name in config.models:
        if name not in TABULAR:
            build_network(fusion=name, schema=cohort.schema, config=config.model, target_mean=0.0, target_sd=1.0)


def _decode(study: Study, bar: FitProgress) -> dict[str, str]:
    cache = cached_images(
        study.cohort.image_paths, image=study.config.image, folder=study.cache_folder, progress=bar.decoded
    )
    study.open_features(progress=bar.encoded)
    return dict(zip(cache.ids, cache.content_hashes, strict=True))


def _digest(pictures: dict[str, str]) -> str:
    lines = [f"{name} {content}" for name, content in sorted(pictures.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


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
