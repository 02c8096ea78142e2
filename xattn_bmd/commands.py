"""The commands: typed functions whose signatures and docstrings are the command line's options and help.

Nothing heavy is imported before a command runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from xattn_bmd.config import CompareConfig
    from xattn_bmd.data.cohort import Cohort
    from xattn_bmd.data.folds import FoldPlan
    from xattn_bmd.training.run import Run

SIMULATED = " (simulated radiographs: no clinical evidence)"


def demo_command(
    *, n: int = 233, folds: int = 10, seed: int = 0, out: str = "xattn-bmd-demo", models: list[str] | None = None
) -> None:
    """Simulate hips, compare the models by cross-validation, print the table, write the run folder.

    Args:
        n: number of simulated radiographs.
        folds: number of folds.
        seed: seed of simulation, folds, weights, batches and augmentation.
        out: run folder; the simulated cohort lies in its subfolder "simulated".
        models: names of the models; all six of the demo by default.
    """
    from xattn_bmd.data.cohort import Cohort
    from xattn_bmd.training.crossval import compare

    root = Path(out)
    table = _simulate(root / "simulated", n=n, preset="hcs", seed=seed, workers=None)
    cohort = Cohort.from_csv(table, images=table.parent / "images")
    run = compare(cohort, out=root, models=models, folds=folds, seed=seed, cache=root / "cache")
    _print_run(run)


def simulate_command(
    out: str, *, n: int = 233, preset: Literal["hcs", "screening"] = "hcs", seed: int = 0, workers: int | None = None
) -> None:
    """Simulate hip radiographs as DICOM files with a clinical table and the truth behind them.

    Args:
        out: folder to write: images/, cohort.csv, cohort.yaml, truth/.
        n: number of radiographs.
        preset: kind of people: "hcs" (the original study's shape) or "screening" (age 50 to 85).
        seed: seed; the same seed gives the same files.
        workers: processes; all cores by default.
    """
    table = _simulate(Path(out), n=n, preset=preset, seed=seed, workers=workers)
    print(f"{n} simulated radiographs: {table}")


def check_command(cohort: str, *, images: str | None = None, config: str | None = None) -> None:
    """Read a clinical table and its radiographs and list everything that is wrong with them.

    Args:
        cohort: the clinical table (CSV).
        images: folder of the radiographs; without it only the table is checked.
        config: YAML file of the columns' roles; "cohort.yaml" beside the table by default.
    """
    from xattn_bmd.bone.reference import get_reference
    from xattn_bmd.data.cohort import Cohort

    opened = Cohort.from_csv(cohort, images=images, config=config)
    if opened.roles.reference is not None:
        get_reference(opened.roles.reference)
    opened.require_valid(require_images=images is not None, read_images=images is not None)
    for problem in opened.check(require_images=images is not None):
        print(f"note: {problem.message}")
    print(f"no errors: {len(opened)} radiographs of {len(set(opened.patient_ids))} patients")


def compare_command(
    cohort: str,
    *,
    out: str,
    images: str | None = None,
    config: str | None = None,
    models: list[str] | None = None,
    folds: int | None = None,
    repeats: int | None = None,
    seed: int | None = None,
    protocol: Literal["nested", "paper"] | None = None,
    preset: Literal["quick", "paper"] = "quick",
    settings: str | None = None,
    backbone: str | None = None,
    weights: str | None = None,
    freeze: Literal["none", "trunk"] | None = None,
    image_size: int | None = None,
    epochs: int | None = None,
    plan: str | None = None,
    cache: str | None = None,
) -> None:
    """Compare models on one fold plan; the same command continues a run that was killed.

    Args:
        cohort: the clinical table (CSV).
        out: run folder.
        images: folder of the radiographs.
        config: YAML file of the columns' roles; "cohort.yaml" beside the table by default.
        models: names of the models, e.g. xattn concat image_only metadata_only ridge boosted_trees.
        folds: number of folds (10).
        repeats: repetitions of the cross-validation with other folds (1).
        seed: seed of folds, weights, batches and augmentation (0).
        protocol: "nested", or "paper": checkpoint chosen on the scored fold, which is optimistic.
        preset: "quick" (frozen ImageNet trunk, small images) or "paper" (ResNet-34, 224 pixels).
        settings: YAML file as a run's config.yaml, in place of a preset.
        backbone: name of a timm model; trained from scratch unless weights are named.
        weights: "none", "pretrained", "hub", or the path of a .safetensors file.
        freeze: "trunk" keeps the backbone's weights, "none" trains them.
        image_size: height and width of the network's input, pixels.
        epochs: largest number of epochs.
        plan: your own fold plan (JSON or CSV).
        cache: folder of decoded images; the user's cache folder by default.
    """
    from xattn_bmd.data.cohort import Cohort
    from xattn_bmd.training.crossval import compare

    opened = Cohort.from_csv(cohort, images=images, config=config)
    base = _configured(preset, settings)
    run = compare(
        opened,
        out=out,
        models=models,
        folds=folds,
        repeats=repeats,
        seed=seed,
        protocol=protocol,
        config=_overridden(_with_trunk(base, backbone, weights, freeze), image_size=image_size, epochs=epochs),
        plan=_own_plan(plan, opened, seed=base.seed if seed is None else seed, inner=base.inner_fraction),
        cache=cache,
    )
    _print_run(run)


def predict_command(
    predictor: str, cohort: str, *, out: str, images: str | None = None, config: str | None = None
) -> None:
    """Estimate density, T-score and WHO class of every radiograph of a table.

    Args:
        predictor: RUN/MODEL of a finished comparison, or a saved predictor.
        cohort: the clinical table (CSV); a target column is not needed.
        out: CSV file to write.
        images: folder of the radiographs.
        config: YAML file of the columns' roles; "cohort.yaml" beside the table by default.
    """
    from xattn_bmd.atomic import atomic_write
    from xattn_bmd.data.cohort import Cohort
    from xattn_bmd.training.predictor import Predictor

    loaded = Predictor.load(predictor)
    table = loaded.predict(Cohort.from_csv(cohort, images=images, config=config))
    atomic_write(Path(out), table.to_csv(index=False))
    print(f"{len(table)} radiographs estimated: {out}" + (SIMULATED if loaded.simulated else ""))


def evaluate_command(
    predictor: str, cohort: str, *, out: str, images: str | None = None, config: str | None = None
) -> None:
    """Evaluate a model on a cohort that took no part in its development; nothing is fitted there.

    Args:
        predictor: RUN/MODEL of a finished comparison, or a saved predictor.
        cohort: the clinical table (CSV) with measured densities.
        out: folder to write; it must not exist.
        images: folder of the radiographs.
        config: YAML file of the columns' roles; "cohort.yaml" beside the table by default.
    """
    from xattn_bmd.data.cohort import Cohort
    from xattn_bmd.report.drop import drop_text
    from xattn_bmd.training.external import evaluate
    from xattn_bmd.training.predictor import Predictor

    opened = Cohort.from_csv(cohort, images=images, config=config)
    evaluation = evaluate(Predictor.load(predictor), opened, out=out)
    print(drop_text(evaluation.drop(), simulated=evaluation.simulated))
    print(f"report: {evaluation.report()}")
    print(f"evaluation folder: {evaluation.folder}")


def report_command(
    source: str,
    *,
    out: str | None = None,
    reference: str | None = None,
    record: str | None = None,
    seed: int = 0,
    replicates: int = 2000,
) -> None:
    """Write the report of a run, or of a table that another tool made: one HTML file, its figures and tables.

    Args:
        source: finished run folder, or predictions table (CSV).
        out: folder to write in; the run folder itself, or NAME-report beside a table, by default.
        reference: reference population of the T-scores; a run knows its own.
        record: table of clinical variables (CSV) with radiograph_id, for the cohort table and subgroups.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.
    """
    from xattn_bmd.report.write import write_report

    page = write_report(source, out=out, reference=reference, record=record, seed=seed, replicates=replicates)
    print(f"report: {page}")


def _simulate(out: Path, *, n: int, preset: Literal["hcs", "screening"], seed: int, workers: int | None) -> Path:
    from rich.console import Console
    from rich.progress import Progress

    from xattn_bmd.simulate.cohort import simulate_cohort

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("simulating radiographs", total=n)
        return simulate_cohort(
            out,
            n=n,
            preset=preset,
            seed=seed,
            workers=workers,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )


def _configured(preset: Literal["quick", "paper"], settings: str | None) -> CompareConfig:
    from xattn_bmd.config import CompareConfig, load_config

    return CompareConfig.from_preset(preset) if settings is None else load_config(Path(settings))


def _own_plan(path: str | None, cohort: Cohort, *, seed: int, inner: float) -> FoldPlan | None:
    from xattn_bmd.data.folds import FoldPlan

    return None if path is None else FoldPlan.load(path, cohort=cohort, seed=seed, inner_fraction=inner)


def _with_trunk(
    base: CompareConfig, backbone: str | None, weights: str | None, freeze: Literal["none", "trunk"] | None
) -> CompareConfig:
    """Return the settings with another trunk; another backbone comes without the preset's weights and freezing."""
    from dataclasses import replace

    model = base.model
    if backbone is not None:
        model = replace(model, backbone=backbone, weights="none", freeze="none")
    return replace(base, model=replace(model, weights=weights or model.weights, freeze=freeze or model.freeze))


def _overridden(base: CompareConfig, *, image_size: int | None, epochs: int | None) -> CompareConfig:
    from dataclasses import replace

    return replace(
        base,
        image=replace(base.image, size=base.image.size if image_size is None else image_size),
        training=replace(base.training, epochs=base.training.epochs if epochs is None else epochs),
    )


def _print_run(run: Run) -> None:
    from xattn_bmd.models.network import capacity_table
    from xattn_bmd.report.tables import comparison_table
    from xattn_bmd.report.write import write_report

    tables = run.metrics(), run.screening(), run.comparisons()
    print(comparison_table(*tables, optimistic=run.optimistic, simulated=run.simulated))
    sizes = {name: size for name, size in capacity_table(run.config.model).items() if name in run.config.models}
    if sizes:
        print("parameters of the fusion part: " + ", ".join(f"{name} {size:,}" for name, size in sizes.items()))
    print(f"report: {write_report(run.folder, seed=run.config.seed)}")
    print(f"run folder: {run.folder}")


COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo_command,
    "simulate": simulate_command,
    "check": check_command,
    "compare": compare_command,
    "predict": predict_command,
    "report": report_command,
    "evaluate": evaluate_command,
}
