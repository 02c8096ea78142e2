"""The fits of a study, done in this process or on workers: the same bytes either way."""

from __future__ import annotations

import platform
from collections.abc import Callable, Generator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

from xattn_bmd.data.cache import default_cache_folder
from xattn_bmd.errors import CacheError, RadiographError, RunError
from xattn_bmd.training.fits.fit import fit_job
from xattn_bmd.training.fits.quiet import quiet_trainer
from xattn_bmd.training.registry import uses_images
from xattn_bmd.training.runs.estimator_file import EstimatorFiles
from xattn_bmd.training.runs.fold_store import fold_files
from xattn_bmd.training.runs.progress import FitProgress
from xattn_bmd.training.runs.run_record import pictures_digest
from xattn_bmd.training.study import Job, Study
from xattn_bmd.training.workers.cluster import open_workers
from xattn_bmd.training.workers.engine import map_on_workers
from xattn_bmd.training.workers.job_keys import Inputs, job_key, study_inputs, study_key, weights_digest


@dataclass(frozen=True)
class SharedStudy:
    """A study and the digests of its files; each process opens it once and keeps it open for all its fits.

    Attributes:
        study: what is fitted.
        inputs: digests of the files that the client saw.
        remote: whether it is opened on another machine, with that machine's own cache folder.
    """

    study: Study
    inputs: Inputs
    remote: bool = False

    def __getstate__(self) -> dict[str, Any]:
        """What travels to another process: the fields alone."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def key(self, job: Job) -> str:
        """Return the content address of a fit."""
        return job_key(self.study, job, inputs=self.inputs)

    def sent_elsewhere(self) -> SharedStudy:
        """Return the study for workers that have a folder of their own to work in."""
        cohort = self.study.cohort
        images, masks = (
            {name: path.absolute() for name, path in match.paths.items()} for match in (cohort.images, cohort.masks)
        )
        cohort = replace(cohort, images=replace(cohort.images, paths=images), masks=replace(cohort.masks, paths=masks))
        return replace(self, study=replace(self.study, cohort=cohort), remote=True)

    @cached_property
    def here(self) -> Study:
        """The study with this machine's cache folder."""
        return replace(self.study, cache_folder=default_cache_folder()) if self.remote else self.study

    @cached_property
    def here_with_files(self) -> Study:
        """The same, with files that were found to be the client's.

        Raises:
            RunError: if this machine does not see the client's files.
        """
        if self.remote:
            _check_same_files(self.here, self.inputs)
        return self.here


def fit_files(job: Job, shared: SharedStudy, *, on_epoch: Callable[[int], None] | None = None) -> EstimatorFiles:
    """Fit one job in this process and return its files, for the owner of the run folder to write.

    Args:
        job: which fit.
        shared: what is fitted.
        on_epoch: called with the number of each finished epoch.

    Raises:
        RunError: if training diverges, or this machine does not see the client's files.
    """
    study = shared.here_with_files if uses_images(job.model) else shared.here
    with quiet_trainer():
        return fold_files(fit_job(job, study, on_epoch=on_epoch), key=shared.key(job))


def fit_in_turn(
    jobs: list[Job], shared: SharedStudy, bar: FitProgress
) -> Generator[tuple[Job, EstimatorFiles], None, None]:
    """Yield each fit with its files, done in this process.

    Args:
        jobs: what to fit.
        shared: what is fitted.
        bar: told of each fit and epoch.
    """
    bar.hint_at_workers(jobs)
    for job in jobs:
        bar.begin(job)
        yield job, fit_files(job, shared, on_epoch=bar.epoch)


def fit_on_workers(
    jobs: list[Job], shared: SharedStudy, *, workers: int, scheduler: str | None
) -> Generator[tuple[Job, EstimatorFiles], None, None]:
    """Yield each fit with its files as it is finished.

    Args:
        jobs: what to fit.
        shared: what is fitted, as the client has it.
        workers: processes to start on this machine.
        scheduler: address of a running scheduler, in place of that.

    Raises:
        XattnBmdError: the same error that a fit raised on a worker.
        RunError: if workers cannot be had or do not live.
    """
    place = "here" if scheduler is None else "elsewhere"
    shared = shared if scheduler is None else shared.sent_elsewhere()
    with open_workers(workers=workers, scheduler=scheduler) as client:
        yield from map_on_workers(
            client,
            fit_files,
            jobs,
            shared=shared,
            shared_key=f"study-{place}-{study_key(shared.study, shared.inputs)}",
            key=lambda job: f"fit-{shared.key(job)}",
            name=lambda job: f"{job.model}, repeat {job.repeat}, fold {job.fold}",
        )


def _check_same_files(study: Study, inputs: Inputs) -> None:
    machine = platform.node()
    if weights_digest(study.config) != inputs.weights:
        raise RunError(
            f"Every worker needs the client's weights file, but {machine} sees none or another one for weights "
            f"{study.config.model.weights!r}; put the same file there, or for 'bone' install the same xattn-bmd."
        )
    try:
        pictures = pictures_digest(study.images.content_hashes)
    except (RadiographError, CacheError) as cause:
        raise RunError(
            f"Every worker reads the radiographs at the client's paths, but {machine} cannot; mount the same folder "
            f"there. {cause}"
        ) from cause
    if pictures != inputs.pictures:
        raise RunError(
            f"Every worker needs the client's radiographs, but {machine} sees other pictures at the same paths; mount "
            "the same folder there."
        )
    if study_inputs(study, pictures=pictures).masks != inputs.masks:
        raise RunError(
            f"Every worker needs the client's masks, but {machine} sees other files at the same paths; mount the same "
            "folder there."
        )
