"""The comparison: every model on the same folds, each fit stored as soon as it is finished."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from xattn_bmd.config import CompareConfig, Preset, Protocol
from xattn_bmd.data.cache import default_cache_folder
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.folds import FoldPlan
from xattn_bmd.models.fusion import Fusion
from xattn_bmd.training.cropping import asked_crop, cropped
from xattn_bmd.training.fits.stacking import members_of
from xattn_bmd.training.kept_memory import freed_memory_kept
from xattn_bmd.training.registry import uses_images
from xattn_bmd.training.request import check_classes, check_networks, check_request, settled_config
from xattn_bmd.training.runs.begin import locked, open_run
from xattn_bmd.training.runs.fold_store import fold_folder, is_finished, write_fold
from xattn_bmd.training.runs.predictor_file import write_predictors
from xattn_bmd.training.runs.progress import FitProgress
from xattn_bmd.training.runs.results import has_results, write_results
from xattn_bmd.training.runs.run import Run, load_run
from xattn_bmd.training.runs.run_record import pictures_digest
from xattn_bmd.training.runs.stacked import stack_fold
from xattn_bmd.training.study import Study
from xattn_bmd.training.workers.cluster import check_worker_request
from xattn_bmd.training.workers.job_keys import all_jobs, study_inputs
from xattn_bmd.training.workers.jobs import SharedStudy, fit_in_turn, fit_on_workers

if TYPE_CHECKING:
    from xattn_bmd.localise.crops.stage import CropStage
    from xattn_bmd.localise.localiser import Localiser


def compare(
    cohort: Cohort,
    *,
    out: str | Path,
    models: Sequence[str | type[Fusion]] | None = None,
    folds: int | None = None,
    repeats: int | None = None,
    seed: int | None = None,
    protocol: Protocol | None = None,
    preset: Preset = "quick",
    config: CompareConfig | None = None,
    plan: FoldPlan | None = None,
    localiser: Localiser | CropStage | str | Path | None = None,
    cache: str | Path | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    progress: bool = True,
) -> Run:
    """Compare models by stratified, patient-grouped cross-validation, all on one fold plan.

    A killed run is continued by the same call: finished folds are kept, and the result equals that of a run that was
    never interrupted.

    Args:
        cohort: radiographs and clinical record.
        out: run folder; made if absent.
        models: names of fusions and baselines, or classes of your own (:mod:`xattn_bmd.models.fusions.named`), or
            stacks of others named here, as ``xattn+ridge``; None takes the preset's.
        folds: number of folds; None takes the preset's (10), or your plan's.
        repeats: repetitions with other folds; None takes the preset's (1), or your plan's.
        seed: seed of folds, weights, batches and augmentation; None takes the preset's (0).
        protocol: ``"nested"`` or ``"paper"`` (optimistic: the checkpoint is chosen on the scored fold).
        preset: ``"quick"`` or ``"paper"``; not read where ``config`` is given.
        config: all settings at once, in place of a preset.
        plan: your own fold plan; None makes one. A plan that does not fit the cohort is refused.
        localiser: crops every radiograph to the one box that it finds there, or the folder of such a localiser or
            :class:`~xattn_bmd.localise.crops.stage.CropStage`; it was fitted on other people.  Every model that sees
            pictures keeps it, so that predictions and evaluations crop alike.  Crops lie in the cache folder: workers
            of a scheduler must see it.
        cache: folder of decoded images; None takes the user's cache folder.
        workers: fits at a time, each in a process of this machine; 1 fits in this process.  The results are the same,
            byte for byte.  A script asks for more under ``if __name__ == "__main__":``.
        scheduler: address ``tcp://HOST:PORT`` of a running dask scheduler whose workers do the fits, in place of
            ``workers``.  Its messages are pickled, so it belongs in a private network.
        progress: show a progress bar.

    Returns:
        The finished run.

    Raises:
        CohortError: listing every problem of the cohort.
        LocaliseError: listing every radiograph in which no box, or several, were found; if the localiser was fitted on
            people of the cohort, or cannot be read.
        ConfigError: if a setting is out of range, or workers and a scheduler are both asked for.
        FoldPlanError: if folds cannot be made, do not fit, or leak.
        ModelError: if a model or backbone is unknown or needs weights that cannot be had.
        RunError: if the folder holds another run, is in use, or the disk is full; if the scheduler cannot be reached,
            or its workers cannot do the work.
    """
    cohort = cohort.in_id_order()
    settings = settled_config(
        cohort,
        config or CompareConfig.from_preset(preset),
        models=models,
        folds=folds,
        repeats=repeats,
        seed=seed,
        protocol=protocol,
        plan=plan,
    )
    check_worker_request(workers=workers, scheduler=scheduler)
    check_request(cohort, settings, workers=workers if scheduler is None else 2)
    plan = plan or _make_plan(cohort, settings)
    plan.check_fits(cohort)
    check_classes(cohort, plan, settings)
    check_networks(cohort, settings)
    folder = Path(cache) if cache else default_cache_folder()
    needs_images = any(uses_images(name) for name in settings.models)
    crop = asked_crop(localiser, settings)
    with freed_memory_kept(), FitProgress(shown=progress) as bar:
        study = Study(cropped(cohort, crop, cache=folder, searched=bar.searched), plan, settings, folder)
        pictures = _decode(study, bar) if needs_images else {}
        plan.check_leakage(dict(zip(cohort.radiograph_ids, cohort.patient_ids, strict=True)), pictures or None)
        digest = pictures_digest(pictures)
        shared = SharedStudy(study, study_inputs(study, pictures=digest))
        with locked(Path(out)):
            open_run(Path(out), config=settings, plan=plan, cohort=cohort, images=digest, crop=crop)
            _fit_all(shared, Path(out), bar, workers=workers, scheduler=scheduler)
            write_predictors(Path(out), study, crop=crop)
    return load_run(out)


def _fit_all(shared: SharedStudy, out: Path, bar: FitProgress, *, workers: int, scheduler: str | None) -> None:
    study = shared.study
    config, jobs = study.config, all_jobs(study.config)
    open_jobs = [job for job in jobs if not is_finished(fold_folder(out, job), key=shared.key(job))]
    fits = [job for job in open_jobs if not members_of(job.model)]
    bar.start(jobs, open_jobs, config)
    if not fits or (scheduler is None and min(workers, len(fits)) == 1):
        finished = fit_in_turn(fits, shared, bar)
    else:
        finished = fit_on_workers(fits, shared, workers=min(workers, len(fits)), scheduler=scheduler)
    with closing(finished):
        for job, files in finished:
            write_fold(fold_folder(out, job), files)
            bar.end(job)
    for job in open_jobs:
        if members_of(job.model):
            write_fold(fold_folder(out, job), stack_fold(out, job, key=shared.key(job)))
            bar.end(job)
    if open_jobs or not has_results(out, config=config):
        write_results(out, jobs=jobs, config=config, plan=study.plan, roles=study.cohort.roles)


def _make_plan(cohort: Cohort, config: CompareConfig) -> FoldPlan:
    return FoldPlan.make(
        cohort,
        folds=config.folds,
        repeats=config.repeats,
        seed=config.seed,
        inner_fraction=config.inner_fraction,
    )


def _decode(study: Study, bar: FitProgress) -> dict[str, str]:
    images = study.open(decoded=bar.decoded, encoded=bar.encoded)
    if study.config.model.mask_head != "none" and images.masks is not None:
        _ = images.masks.placed  # faults of a mask are told of before the first fit
    return images.content_hashes
