"""The chosen configurations, each fitted on the whole training part of its outer fold and scored on that fold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from xattn_bmd.config import CompareConfig
from xattn_bmd.search.request import SearchRequest
from xattn_bmd.training.runs.estimator_file import EstimatorFiles
from xattn_bmd.training.runs.fold_store import fold_folder, is_finished, write_fold
from xattn_bmd.training.study import Job
from xattn_bmd.training.workers.engine import map_on_workers
from xattn_bmd.training.workers.job_keys import study_inputs
from xattn_bmd.training.workers.jobs import SharedStudy, fit_files

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True)
class OuterFit:
    """One fit.

    Attributes:
        part: name of the search that chose the configuration.
        fold: the scored outer fold.
        config: what was chosen.
    """

    part: str
    fold: int
    config: CompareConfig

    @property
    def job(self) -> Job:
        """The fit in the outer plan."""
        return Job(self.config.models[0], 0, self.fold)

    def folder(self, out: Path) -> Path:
        """Return where the fit is stored."""
        return fold_folder(out / self.part, self.job)


def outer_fits(request: SearchRequest, chosen: Mapping[str, CompareConfig]) -> tuple[OuterFit, ...]:
    """Return the fit of every outer fold.

    Args:
        request: the search.
        chosen: configuration that each study chose, by the name of its part.
    """
    folds = range(request.shared.study.plan.folds)
    if not request.nested:
        (part,) = request.parts
        return tuple(OuterFit(part.name, fold, chosen[part.name]) for fold in folds)
    return tuple(OuterFit(part.name, part.outer, chosen[part.name]) for part in request.parts if part.outer is not None)


def fit_all(fits: tuple[OuterFit, ...], request: SearchRequest, *, out: Path, client: Client | None) -> None:
    """Do the fits that are not stored yet.

    Args:
        fits: from :func:`outer_fits`.
        request: the search.
        out: folder of the search.
        client: workers; None fits in this process.
    """
    missing = [fit for fit in fits if not is_finished(fit.folder(out), key=_shared(fit, request).key(fit.job))]
    for fit, files in _finished(missing, request, client):
        write_fold(fit.folder(out), files)


def fitted(fit: OuterFit, request: SearchRequest) -> EstimatorFiles:
    """Return the files of a fit, done in this process."""
    return fit_files(fit.job, _shared(fit, request))


def _finished(
    fits: list[OuterFit], request: SearchRequest, client: Client | None
) -> Iterator[tuple[OuterFit, EstimatorFiles]]:
    if client is None:
        yield from ((fit, fitted(fit, request)) for fit in fits)
    else:
        yield from map_on_workers(client, fitted, fits, shared=request, name=_name)


def _name(fit: OuterFit) -> str:
    return f"{fit.job.model}, outer fold {fit.fold}"


def _shared(fit: OuterFit, request: SearchRequest) -> SharedStudy:
    study = replace(request.shared.study, config=fit.config)
    inputs = study_inputs(study, pictures=request.shared.inputs.pictures)
    return replace(request.shared, study=study, inputs=inputs)
