"""``demo`` and ``compare``: models compared on one fold plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from xattn_bmd.commands.cohort import simulate_with_bar

if TYPE_CHECKING:
    from xattn_bmd.config import CompareConfig
    from xattn_bmd.data.cohort import Cohort
    from xattn_bmd.data.folds import FoldPlan
    from xattn_bmd.training.runs.run import Run


def demo_command(
    *,
    n: int = 233,
    folds: int = 10,
    seed: int = 0,
    out: str = "xattn-bmd-demo",
    models: list[str] | None = None,
    workers: int | None = None,
) -> None:
    """Simulate hips, compare the models by cross-validation, print the table, write the run folder.

    Args:
        n: number of simulated radiographs.
        folds: number of folds.
        seed: seed of simulation, folds, weights, batches and augmentation.
        out: run folder; the simulated cohort lies in its subfolder "simulated".
        models: names of the models; all six of the demo by default.
        workers: fits at a time; one for each CPU core, at most 4, by default. The results are the same.
    """
    from xattn_bmd import Cohort, compare
    from xattn_bmd.training.workers.cluster import automatic_workers

    root = Path(out)
    table = simulate_with_bar(root / "simulated", n=n, seed=seed, workers=None)
    cohort = Cohort.from_csv(table, images=table.parent / "images")
    workers = automatic_workers() if workers is None else workers
    run = compare(cohort, out=root, models=models, folds=folds, seed=seed, cache=root / "cache", workers=workers)
    _print_run(run)


def compare_command(
    cohort: str,
    *,
    out: str,
    images: str | None = None,
    masks: str | None = None,
    config: str | None = None,
    models: list[str] | None = None,
    folds: int | None = None,
    repeats: int | None = None,
    seed: int | None = None,
    protocol: Literal["nested", "paper"] | None = None,
    preset: Literal["quick", "paper", "ct_quick"] = "quick",
    settings: str | None = None,
    backbone: str | None = None,
    weights: str | None = None,
    freeze: Literal["none", "layer3", "trunk"] | None = None,
    image_size: int | None = None,
    epochs: int | None = None,
    plan: str | None = None,
    localiser: str | None = None,
    cache: str | None = None,
    workers: int = 1,
    scheduler: str | None = None,
) -> None:
    """Compare models on one fold plan; the same command continues a run that was killed.

    Args:
        cohort: the clinical table (CSV).
        out: run folder.
        images: folder of the radiographs or CT volumes.
        masks: folder of masks named by radiograph id, PNG or NIfTI, or truth/REGION of simulated radiographs.
        config: YAML file of the columns' roles; "cohort.yaml" beside the table by default.
        models: names of the models, e.g. xattn concat image_only metadata_only ridge boosted_trees, or with a backbone
            of its own image_only@resnet50.
        folds: number of folds (10).
        repeats: repetitions of the cross-validation with other folds (1).
        seed: seed of folds, weights, batches and augmentation (0).
        protocol: "nested", or "paper": checkpoint chosen on the scored fold, which is optimistic.
        preset: "quick" (frozen ImageNet trunk, small images), "paper" (ResNet-34, 224 pixels) or "ct_quick" (CT).
        settings: YAML file as a run's config.yaml, in place of a preset.
        backbone: name of a timm model; trained from scratch unless weights are named.
        weights: "none", "pretrained" (ImageNet), "bone" (simulated hips), "hub", or the path of a .safetensors file.
        freeze: "trunk" keeps the backbone's weights, "layer3" trains its last stage, "none" trains them all.
        image_size: height and width of the network's input, pixels.
        epochs: largest number of epochs.
        plan: your own fold plan (JSON or CSV).
        localiser: folder of a fitted localiser: every radiograph is cropped to the one box that it finds there.
        cache: folder of decoded images; the user's cache folder by default.
        workers: fits at a time, each in a process of this machine (1); the results are the same.
        scheduler: address tcp://HOST:PORT of a running dask scheduler whose workers do the fits instead.
    """
    from xattn_bmd import Cohort, compare

    opened = Cohort.from_csv(cohort, images=images, config=config, masks=masks)
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
        localiser=localiser,
        cache=cache,
        workers=workers,
        scheduler=scheduler,
    )
    _print_run(run)


def _configured(preset: Literal["quick", "paper", "ct_quick"], settings: str | None) -> CompareConfig:
    from xattn_bmd.config import CompareConfig, load_config

    return CompareConfig.from_preset(preset) if settings is None else load_config(Path(settings))


def _own_plan(path: str | None, cohort: Cohort, *, seed: int, inner: float) -> FoldPlan | None:
    from xattn_bmd.data.folds import FoldPlan

    return None if path is None else FoldPlan.load(path, cohort=cohort, seed=seed, inner_fraction=inner)


def _with_trunk(
    base: CompareConfig, backbone: str | None, weights: str | None, freeze: Literal["none", "layer3", "trunk"] | None
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
    from xattn_bmd.models.fusions.named import is_fusion
    from xattn_bmd.models.network import capacity_table
    from xattn_bmd.models.origin import bone_encoder_note
    from xattn_bmd.report.class_text import class_comparison_text, class_heads_text
    from xattn_bmd.report.tables import comparison_table
    from xattn_bmd.report.write import write_report
    from xattn_bmd.training.registry import uses_images

    said = {"optimistic": run.optimistic, "simulated": run.simulated}
    if run.classes:
        print(class_comparison_text(run.metrics(), run.comparisons(), **said))
    else:
        print(comparison_table(run.metrics(), run.screening(), run.comparisons(), **said))
    if run.class_predictions is not None:
        print(class_heads_text(run.class_heads()))
    sizes = capacity_table(run.config.model, fusions=filter(is_fusion, run.config.models))
    if sizes:
        print("parameters of the fusion part: " + ", ".join(f"{name} {size:,}" for name, size in sizes.items()))
    if run.config.model.weights == "bone" and any(map(uses_images, run.config.models)):
        print(bone_encoder_note())
    print(f"report: {write_report(run.folder, seed=run.config.seed)}")
    print(f"run folder: {run.folder}")
