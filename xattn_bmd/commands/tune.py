"""``tune`` and ``study``: a search for settings, and a whole study from one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from xattn_bmd.search.result import SearchResult


def tune_command(
    cohort: str,
    *,
    space: str,
    out: str,
    images: str | None = None,
    config: str | None = None,
    models: list[str] | None = None,
    trials: int = 50,
    folds: int | None = None,
    inner_folds: int = 5,
    flat: bool = False,
    objectives: list[Literal["mae", "mse", "f1"]] | None = None,
    max_parameters: float | None = None,
    max_latency_ms: float | None = None,
    prune: bool = True,
    storage: str | None = None,
    name: str = "tune",
    preset: Literal["quick", "paper", "ct_quick"] = "quick",
    settings: str | None = None,
    plan: str | None = None,
    seed: int | None = None,
    cache: str | None = None,
    workers: int = 1,
    scheduler: str | None = None,
) -> None:
    """Search for settings, nested by default; the same command joins a search, and continues one that was killed.

    Args:
        cohort: the clinical table (CSV).
        space: "fusion", "training", "all", or a YAML file of settings and their values.
        out: folder of the search.
        images: folder of the radiographs.
        config: YAML file of the columns' roles; "cohort.yaml" beside the table by default.
        models: names of the models that are tried; those of the space, or xattn, by default.
        trials: trials of each study; the first is the configuration from which the search begins.
        folds: outer folds (10).
        inner_folds: folds on which the trials of a nested search are scored.
        flat: search on the scored folds themselves, which is optimistic.
        objectives: of mae, mse and f1 (low density); the first one chooses.
        max_parameters: largest number of parameters of the fusion part.
        max_latency_ms: longest time of one estimate, milliseconds.
        prune: stop trials between folds that are clearly worse than the best one.
        storage: journal file, database URL or grpc://HOST:PORT; study.journal in the folder by default.
        name: name of the search in its storage.
        preset: "quick", "paper" or "ct_quick" (CT volumes); the configuration from which the search begins.
        settings: YAML file as a run's config.yaml, in place of a preset.
        plan: your own outer fold plan (JSON or CSV).
        seed: seed of folds, trials and fits (0).
        cache: folder of decoded images; the user's cache folder by default.
        workers: trials at a time, each in a process of this machine.
        scheduler: address tcp://HOST:PORT of a running dask scheduler whose workers take the trials instead.
    """
    from xattn_bmd import Cohort, FoldPlan, tune
    from xattn_bmd.config import CompareConfig, load_config

    opened = Cohort.from_csv(cohort, images=images, config=config)
    base = CompareConfig.from_preset(preset) if settings is None else load_config(Path(settings))
    own = None if plan is None else FoldPlan.load(plan, cohort=opened, seed=base.seed if seed is None else seed)
    found = tune(
        opened,
        space=space,
        out=out,
        models=models,
        trials=trials,
        folds=folds,
        inner_folds=inner_folds,
        nested=not flat,
        objectives=objectives or ("mae",),
        constraints={"parameters": max_parameters, "latency_ms": max_latency_ms},
        prune=prune,
        storage=storage,
        name=name,
        config=base,
        plan=own,
        seed=seed,
        cache=cache,
        workers=workers,
        scheduler=scheduler,
    )
    _print_search(found, cohort)


def study_command(file: str, *, out: str, cache: str | None = None, workers: int = 1) -> None:
    """Run a whole study from one file: cohort, comparisons, search, outcomes; the same command continues it.

    Args:
        file: study.yaml.
        out: folder of everything that the study makes.
        cache: folder of decoded images; the user's cache folder by default.
        workers: fits at a time, each in a process of this machine.
    """
    from xattn_bmd.search.study_run import run_study

    done = run_study(file, out=out, cache=cache, workers=workers)
    print(done.outcomes.to_string(index=False) if len(done.outcomes) else "the study names no outcome")
    print(f"study folder: {done.folder}")


def _print_search(found: SearchResult, cohort: str) -> None:
    print(found.scores.to_string(index=False, float_format="{:.4f}".format))
    for line in found.summary():
        print(line)
    print(f"report: {found.report()}")
    print(f"to compare with it: xattn-bmd compare {cohort} --settings {found.folder / 'best.yaml'} --out RUN")
