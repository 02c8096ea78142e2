"""Explaining the estimates of a model for a whole cohort, into one folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xattn_bmd.errors import ConfigError, RunError
from xattn_bmd.explanation.blocks import computed_blocks
from xattn_bmd.explanation.fold_models import Explained
from xattn_bmd.explanation.heat.methods import MethodName
from xattn_bmd.explanation.heat.seen import Target
from xattn_bmd.explanation.judge.controls import Control
from xattn_bmd.explanation.judge.masks import Masks
from xattn_bmd.explanation.opened import OpenedCohort
from xattn_bmd.explanation.request import Request
from xattn_bmd.explanation.result import Explanation
from xattn_bmd.explanation.tables import joined, judged
from xattn_bmd.explanation.write import Material, require_same, write_explanation

if TYPE_CHECKING:
    from xattn_bmd.data.cohort import Cohort
    from xattn_bmd.explanation.record.contributions import Contributions
    from xattn_bmd.training.prediction.predictor import Predictor
    from xattn_bmd.training.runs.run import Run


def explain(
    source: Run | Predictor | str | Path,
    cohort: Cohort,
    *,
    out: str | Path,
    model: str | None = None,
    method: MethodName = "hirescam",
    target: Target = "density",
    masks: str | Path | None = None,
    box: str | None = None,
    controls: Sequence[Control] = ("random_weights",),
    steps: int = 8,
    zones: int = 3,
    sheets: int = 3,
    contributions: Contributions | None = None,
    seed: int = 0,
    replicates: int = 2000,
    cache: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Explanation:
    """Make heat maps of a cohort, judge them against masks, chance and controls, and write all of it into one folder.

    A radiograph of the cohort that the model was cross-validated on is explained by the fold model that did not train
    on its patient; any other by the mean of all fold models.  Whole blocks are kept in ``OUT.partial``: the same call
    continues a killed one (or one whose masks had to be mended), and ``OUT`` appears in one step at the end.  A folder
    in ``RUN/explanations/`` is shown by the run's report.

    Args:
        source: a run or its folder, or a predictor or its folder.
        cohort: the radiographs; measured densities are not needed, but the control ``random_labels`` takes them.
        out: folder to make.
        model: model of a run; None takes its first one that looks at radiographs.
        method: name of the heat method.
        target: ``density`` (positive heat raises it), or ``low_density`` for a model with a Gaussian head.
        masks: folder of masks, ``truth/`` of a simulated cohort or your own: see
            :class:`~xattn_bmd.explanation.judge.masks.Masks`; None judges nothing by region.
        box: region whose box is cut in zones; None takes ``femur`` where there is one, else the first.
        controls: ``random_weights`` (all of the network new), ``random_fit`` (all but a frozen trunk new),
            ``random_labels`` (the head fitted to densities dealt out to the wrong people).
        steps: steps of the deletion and insertion curves; 0 for none.
        zones: zones a side of the zone profiles.
        sheets: radiographs, spread over the estimated densities, that get a page of their own.
        contributions: what picture and variables add to the estimates of the same model, from
            :func:`~xattn_bmd.explanation.record.shapley.record_contributions`: joins the folder and the pages.
        seed: seed of controls, random orders and the bootstrap.
        replicates: number of bootstrap replicates.
        cache: folder of decoded images; None takes the user's cache folder.
        progress: called with (radiographs done, radiographs).

    Returns:
        The explanation; with a single patient its tables have values, and no intervals.

    Raises:
        ModelError: if the model looks at no picture, or does not give what the method or target needs.
        CohortError: if the cohort has problems, or masks are missing or of another size.
        RunError: if the folder exists or another explanation was begun there, a patient was in training and it is not
            known in which folds, or the disk is full.
        ConfigError: if a control is unknown or a number is out of range, or masks are given for a model that crops.

    Example:
        ``explain("RUN", Cohort.from_csv("cohort.csv", images="images"), out="RUN/explanations/xattn", masks="truth")``
    """
    folder = Path(out)
    if folder.exists():
        raise RunError(f"An explanation is written to a new folder, but {folder} exists; choose another name.")
    request = Request(
        method=method,
        target=target,
        controls=tuple(controls),
        steps=steps,
        zones=zones,
        seed=seed,
        replicates=replicates,
    )
    explained = Explained.open(source, model=model)
    if masks is not None and explained.predictor.crop_digest:
        raise ConfigError(
            f"Masks are drawn on whole radiographs, but {explained.predictor.model!r} looks at crops of them; leave "
            "masks out, and judge the heat with heat_by_zone."
        )
    opened = OpenedCohort.open(explained, cohort, cache=cache)
    request.check(opened)
    require_same(contributions, opened)
    found = None if masks is None else Masks.open(masks, radiograph_ids=cohort.radiograph_ids)
    box = _box(found, box)
    partial = folder.with_name(folder.name + ".partial")
    blocks = computed_blocks(opened, request, folder=partial, progress=progress)
    judgement = None if found is None else judged(opened, blocks, found, zones=zones, box=box)
    material = Material(opened, request, joined(blocks), judgement, masks=found, box=box, contributions=contributions)
    write_explanation(folder, material, sheets=sheets)
    shutil.rmtree(partial, ignore_errors=True)
    return Explanation.load(folder)


def _box(masks: Masks | None, box: str | None) -> str:
    regions = () if masks is None else masks.regions
    if box is not None and box not in regions:
        raise RunError(
            f"Zones are cut from the box of a region that has masks ({', '.join(regions) or 'none was given'}), but "
            f"{box!r} was asked for; mend the name."
        )
    return box or ("femur" if "femur" in regions else next(iter(regions), ""))
