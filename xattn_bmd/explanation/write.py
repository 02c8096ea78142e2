"""The files of an explanation, whole or absent.

Axes: ``S`` side of a picture.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.atomic import atomic_folder
from xattn_bmd.data.checks.problem import listed
from xattn_bmd.errors import RunError
from xattn_bmd.explanation.blocks import TRAINED, Arrays
from xattn_bmd.explanation.judge.masks import Masks, seen_masks
from xattn_bmd.explanation.opened import OpenedCohort
from xattn_bmd.explanation.request import FORMAT, Request
from xattn_bmd.explanation.result import ATTENTION_MAPS, CONTROL_MAPS, FIGURES, MAPS, SHEETS
from xattn_bmd.explanation.sheet import sheet_html
from xattn_bmd.explanation.tables import (
    Judged,
    attention_table,
    controls_table,
    curves_table,
    heat_table,
    overlaps,
    zones_table,
)
from xattn_bmd.report.explanations import (
    ATTENTION,
    CONTRIBUTIONS,
    CONTROLS,
    CURVES,
    EXAMPLES,
    FACTS,
    HEAT,
    OVERLAP,
    ZONES,
    StoredExplanation,
)
from xattn_bmd.report.figures.save import save_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from xattn_bmd.explanation.record.contributions import Contributions

EXAMPLES_SHOWN = 6


@dataclass(frozen=True)
class Material:
    """All that an explanation is written from.

    Attributes:
        opened: the cohort.
        request: what was asked for.
        arrays: the joined blocks.
        judgement: what masks say of the heat; None without masks.
        masks: the folder of masks.
        box: region whose box is cut in zones.
        contributions: what picture and variables add to the estimates, where that was computed.
    """

    opened: OpenedCohort
    request: Request
    arrays: Arrays
    judgement: Judged | None
    masks: Masks | None
    box: str
    contributions: Contributions | None


def require_same(contributions: Contributions | None, opened: OpenedCohort) -> None:
    """Refuse contributions of another model or of other radiographs.

    Raises:
        RunError: naming the two models, or the radiographs.
    """
    if contributions is None:
        return
    model = opened.explained.predictor.model
    if contributions.model != model:
        raise RunError(
            f"Contributions stand beside heat of the same model, but they are of {contributions.model!r} and heat of "
            f"{model!r}; compute both for one model."
        )
    if missing := sorted(set(opened.cohort.radiograph_ids) - set(contributions.radiograph_ids)):
        raise RunError(
            f"Contributions are those of the explained radiographs, but {listed(missing)} have none; compute them for "
            "the same cohort."
        )


def write_explanation(folder: Path, material: Material, *, sheets: int) -> None:
    """Write tables, maps, figures and pages; the folder appears when all of them are there.

    Args:
        folder: the folder to make.
        material: what it is written from.
        sheets: number of pages of single radiographs.

    Raises:
        RunError: if the disk is full or cannot be written.
    """
    arrays = material.arrays
    with atomic_folder(folder) as fresh:
        for name, table in _tables(material).items():
            if len(table):
                table.assign(simulated=_simulated(material.opened)).to_csv(fresh / name, index=False)
        np.save(fresh / MAPS, arrays[f"heat_{TRAINED}"], allow_pickle=False)
        for control in material.request.controls:
            np.save(fresh / CONTROL_MAPS.format(control), arrays[f"heat_{control}"], allow_pickle=False)
        if "attention" in arrays:
            np.save(fresh / ATTENTION_MAPS, arrays["attention"], allow_pickle=False)
        (fresh / FACTS).write_text(json.dumps(_facts(material), indent=1) + "\n", encoding="utf-8")
        np.savez_compressed(fresh / EXAMPLES, **_examples(material))  # type: ignore[arg-type]
        for name, figure in (StoredExplanation.open(fresh).figures() | _record_figures(material)).items():
            save_figure(figure, fresh / FIGURES / name)
        _write_sheets(fresh, material, sheets=sheets)


def _tables(material: Material) -> dict[str, pd.DataFrame]:
    opened, request, arrays, found = material.opened, material.request, material.arrays, material.judgement
    tables = {
        HEAT: heat_table(opened, arrays, found),
        CURVES: curves_table(opened, arrays, request),
        ATTENTION: attention_table(opened, arrays),
    }
    if found is not None:
        tables |= {
            OVERLAP: overlaps(opened, found, request),
            CONTROLS: controls_table(opened, found),
            ZONES: zones_table(opened, arrays, found, request, box=material.box),
        }
    if material.contributions is not None:
        tables[CONTRIBUTIONS] = material.contributions.table()
    return tables


def _record_figures(material: Material) -> dict[str, Figure]:
    from xattn_bmd.explanation.record.figures.beeswarm import beeswarm

    return {} if material.contributions is None else {"beeswarm": beeswarm(material.contributions)}


def _facts(material: Material) -> dict[str, Any]:
    opened, request, found = material.opened, material.request, material.judgement
    predictor, cohort = opened.explained.predictor, opened.cohort
    return {
        "format": FORMAT,
        "model": predictor.model,
        "method": request.method,
        "target": request.target,
        "controls": list(request.controls),
        "regions": [] if found is None else list(found.regions),
        "seed": request.seed,
        "replicates": request.replicates,
        "radiographs": len(cohort),
        "patients": len(set(cohort.patient_ids)),
        "held_out": not bool(opened.models.all()),
        "image_encoder": predictor.image_encoder,
        "reference": predictor.reference,
        "simulated": _simulated(opened),
    }


def _simulated(opened: OpenedCohort) -> bool:
    return opened.explained.predictor.simulated or opened.cohort.roles.simulated


def _examples(material: Material) -> dict[str, NDArray[Any]]:
    """Return what :meth:`~xattn_bmd.report.explanations.StoredExplanation.examples` reads."""
    opened, arrays, masks = material.opened, material.arrays, material.masks
    rows = spread_rows(arrays["density"].astype(np.float64), count=EXAMPLES_SHOWN)
    cohort, every = opened.cohort, np.arange(len(opened.cohort))
    ids = [cohort.radiograph_ids[row] for row in rows]
    found: dict[str, NDArray[Any]] = {
        "ids": np.array(ids),
        "pictures": _levels(opened.image(rows)[:, 0].cpu().numpy()),
        "heat": arrays[f"heat_{TRAINED}"][rows],
        "density": arrays["density"][rows],
        "mean_picture": _levels(_mean_picture(opened, every)),
        "mean_heat": arrays[f"heat_{TRAINED}"].astype(np.float64).mean(axis=0),
    }
    if masks is not None:
        placed = seen_masks(masks, cohort.subset(ids), image=opened.explained.predictor.image)
        found["outlines"] = _levels(placed[material.box])
    if "attention" in arrays:
        found["attention"] = arrays["attention"].astype(np.float32).mean(axis=(0, 2))
        found["variables"] = np.array(cohort.schema.names)
    return found


def spread_rows(density: NDArray[np.float64], *, count: int) -> NDArray[np.int64]:
    """Return rows spread evenly over the estimated densities, in the order of the rows.

    Example:
        >>> spread_rows(np.array([0.9, 0.5, 0.7, 0.6]), count=2).tolist()
        [0, 1]
    """
    order = np.argsort(density, kind="stable")
    chosen = np.unique(np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(np.int64))
    return np.asarray(np.sort(order[chosen]), dtype=np.int64)


def _mean_picture(opened: OpenedCohort, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    sums = [opened.image(rows[start : start + 32])[:, 0].sum(dim=0).cpu().numpy() for start in range(0, len(rows), 32)]
    return np.asarray(np.sum(sums, axis=0) / len(rows), dtype=np.float32)


def _levels(grey: NDArray[Any]) -> NDArray[np.uint8]:
    return np.asarray(np.rint(np.clip(grey, 0, 1) * 255), dtype=np.uint8)


def _write_sheets(folder: Path, material: Material, *, sheets: int) -> None:
    from xattn_bmd.explanation.record.figures.waterfall import waterfall

    (folder / SHEETS).mkdir()
    opened, known = material.opened, material.contributions
    density = material.arrays["density"].astype(np.float64)
    for row in map(int, spread_rows(density, count=sheets) if sheets > 0 else ()):
        name = opened.cohort.radiograph_ids[row]
        added = None if known is None else waterfall(known, name)
        page = sheet_html(opened, material.arrays, row, contributions=added)
        (folder / SHEETS / f"{name}.html").write_text(page, encoding="utf-8")
