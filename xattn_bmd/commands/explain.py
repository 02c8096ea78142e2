"""``explain``: heat maps of a cohort, judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal


def explain_command(
    source: str,
    cohort: str,
    *,
    out: str,
    images: str | None = None,
    config: str | None = None,
    model: str | None = None,
    method: Literal[
        "hirescam", "grad_cam", "grad_cam_plus_plus", "integrated_gradients", "occlusion", "attention"
    ] = "hirescam",
    target: Literal["density", "low_density"] = "density",
    masks: str | None = None,
    box: str | None = None,
    controls: Literal["none", "weights", "all"] = "weights",
    steps: int = 8,
    zones: int = 3,
    sheets: int = 3,
    record: bool = False,
    seed: int = 0,
    replicates: int = 2000,
) -> None:
    """Show where a model looks, and judge it against masks, chance and a model that cannot know.

    The same command continues a killed one.  With RUN/explanations/NAME as the output, the run's report shows it.

    Args:
        source: finished run folder, RUN/MODEL, or a saved predictor.
        cohort: the clinical table (CSV).
        out: folder to write; it must not exist.
        images: folder of the radiographs.
        config: YAML file of the columns' roles; "cohort.yaml" beside the table by default.
        model: model of a run; its first one that looks at radiographs by default.
        method: how heat is made.
        target: "density", or "low_density" for a model with a Gaussian head.
        masks: folder of masks: truth/ of a simulated cohort, REGION/ID.png, or ID.png.
        box: region whose box is cut in zones; "femur" or the first by default.
        controls: "none", "weights" (random weights), or "all" (also a kept frozen trunk with all else random, and a
            head fitted to densities of the wrong people).
        steps: steps of the deletion and insertion curves; 0 for none.
        zones: zones a side of the zone profiles.
        sheets: number of radiographs that get a page of their own.
        record: whether to compute what the picture and each variable add to every estimate as well.
        seed: seed of controls, random orders and the bootstrap.
        replicates: number of bootstrap replicates.
    """
    from xattn_bmd import Cohort
    from xattn_bmd.explanation.explain import explain
    from xattn_bmd.explanation.fold_models import Explained
    from xattn_bmd.explanation.opened import require_radiograph_model
    from xattn_bmd.explanation.overlap_text import overlap_text
    from xattn_bmd.explanation.record.shapley import record_contributions

    opened = Cohort.from_csv(cohort, images=images, config=config)
    explained = Explained.open(source, model=model)
    require_radiograph_model(explained)  # before contributions, which take long
    contributions = record_contributions(explained, opened, seed=seed) if record else None
    with _bar() as advanced:
        found = explain(
            explained.predictor,
            opened,
            out=out,
            method=method,
            target=target,
            masks=masks,
            box=box,
            controls=explained.controls_named(controls),
            steps=steps,
            zones=zones,
            sheets=sheets,
            contributions=contributions,
            seed=seed,
            replicates=replicates,
            progress=advanced,
        )
    print(overlap_text(found.overlap, simulated=found.simulated))
    print(f"explanation folder: {found.folder}")


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """Yield what shows progress; nothing is shown before the first block, so that a refusal stands alone."""
    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(console=Console(stderr=True))
    task = bar.add_task("explaining radiographs", total=None)
    with ExitStack() as shown:

        def advanced(done: int, total: int) -> None:
            if not bar.live.is_started:
                shown.enter_context(bar)
            bar.update(task, completed=done, total=total)

        yield advanced
