"""``predict`` and ``evaluate``: a finished model on other radiographs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xattn_bmd.training.prediction.predictor import Predictor

SIMULATED = " (simulated radiographs: no clinical evidence)"


def predict_command(
    predictor: str,
    source: str,
    *,
    out: str,
    images: str | None = None,
    config: str | None = None,
    level: float = 0.9,
    workers: int = 1,
    scheduler: str | None = None,
) -> None:
    """Estimate density, T-score and WHO class, or the learned classes, of every radiograph of a table or folder.

    The same command continues a killed run.  Radiographs that cannot be estimated are listed in NAME.problems.csv
    beside the output, counted, and no error: the others are finished, and the same command would not change them.
    CT volumes, of a table alone, are estimated all together or, with the reason, not at all.

    Args:
        predictor: RUN/MODEL of a finished comparison, or a saved predictor.
        source: the clinical table (CSV; a target column is not needed; inputs may be missing where it was trained
            with inputs withheld), or a folder of radiographs for a model that needs no record.
        out: CSV file to write; an existing one is replaced when the new one is finished.
        images: folder of a table's radiographs.
        config: YAML file of the columns' roles; "cohort.yaml" beside the table by default.
        level: wanted coverage of the intervals; not read for classes.
        workers: processes on this machine; 1 works in threads of this one.
        scheduler: address of a running dask scheduler, tcp://HOST:PORT.
    """
    from rich.console import Console
    from rich.progress import Progress

    from xattn_bmd import Predictor

    loaded = Predictor.load(predictor)
    if loaded.image.is_volume:
        _predict_volumes(loaded, source, out=out, images=images, config=config, level=level)
        return
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("estimating radiographs", total=None)
        done = loaded.predict_archive(
            source,
            out=out,
            images=images,
            config=config,
            level=level,
            workers=workers,
            scheduler=scheduler,
            progress=lambda rows, total: bar.update(task, completed=rows, total=total),
        )
    print(f"{done.estimated} radiographs estimated: {done.table}" + (SIMULATED if loaded.simulated else ""))
    _print_image_encoder(loaded)
    if done.problems:
        print(f"{done.problems} radiographs could not be estimated: {done.problems_table}")


def _predict_volumes(
    predictor: Predictor, source: str, *, out: str, images: str | None, config: str | None, level: float
) -> None:
    """Estimate a table of CT volumes in one go; a fault of one stops all, and is said."""
    from xattn_bmd import Cohort
    from xattn_bmd.atomic import atomic_write

    table = predictor.predict(Cohort.from_csv(source, images=images, config=config), level=level)
    atomic_write(Path(out), table.to_csv(index=False, lineterminator="\n"))
    print(f"{len(table)} CT volumes estimated: {out}" + (SIMULATED if predictor.simulated else ""))
    _print_image_encoder(predictor)


def segment_command(
    predictor: str,
    cohort: str,
    *,
    out: str,
    images: str | None = None,
    masks: str | None = None,
    config: str | None = None,
) -> None:
    """Draw the mask that a model with a mask head finds in every radiograph; measure it where one was drawn by hand.

    Args:
        predictor: RUN/MODEL of a finished comparison, or a saved predictor.
        cohort: the clinical table (CSV), of which only the ids are read.
        out: folder for one RADIOGRAPH_ID.png each and segment.csv.
        images: folder of the radiographs.
        masks: folder of masks to compare with, as for compare.
        config: YAML file of the columns' roles; "cohort.yaml" beside the table by default.
    """
    from xattn_bmd import Cohort, Predictor
    from xattn_bmd.atomic import atomic_write

    loaded = Predictor.load(predictor)
    found = loaded.segment(Cohort.from_csv(cohort, images=images, masks=masks, config=config), out=out)
    table = Path(out) / "segment.csv"
    atomic_write(table, found.to_csv(index=False))
    print(f"{len(found)} radiographs segmented: {table}" + (SIMULATED if loaded.simulated else ""))
    if found["dice"].notna().any():
        print(f"mean Dice {found['dice'].mean():.3f} over {found['dice'].notna().sum()} radiographs with a mask")


def evaluate_command(
    predictor: str, cohort: str, *, out: str, images: str | None = None, config: str | None = None
) -> None:
    """Evaluate a model on a cohort that took no part in its development; nothing is fitted there.

    Args:
        predictor: RUN/MODEL of a finished comparison, or a saved predictor.
        cohort: the clinical table (CSV) with measured densities or classes.
        out: folder to write; it must not exist.
        images: folder of the radiographs.
        config: YAML file of the columns' roles; "cohort.yaml" beside the table by default.
    """
    from xattn_bmd import Cohort, Predictor, evaluate
    from xattn_bmd.bone.reference import get_reference
    from xattn_bmd.bone.scale import scale_of
    from xattn_bmd.report.class_text import class_drop_text
    from xattn_bmd.report.drop import drop_text

    opened = Cohort.from_csv(cohort, images=images, config=config)
    loaded = Predictor.load(predictor)
    evaluation = evaluate(loaded, opened, out=out)
    if evaluation.classes:
        print(class_drop_text(evaluation.drop(), simulated=evaluation.simulated))
    else:
        scale = scale_of(get_reference(loaded.reference))
        print(drop_text(evaluation.drop(), simulated=evaluation.simulated, scale=scale))
    _print_image_encoder(loaded)
    print(f"report: {evaluation.report()}")
    print(f"evaluation folder: {evaluation.folder}")


def _print_image_encoder(predictor: Predictor) -> None:
    from xattn_bmd.models.origin import saw_simulated_hips

    if saw_simulated_hips(predictor.image_encoder):
        print(f"image encoder: {predictor.image_encoder}")
