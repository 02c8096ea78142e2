"""The tables of an explanation, made from its blocks and its masks.

Axes: ``N`` radiographs in the cohort's order, ``S`` side of the picture, ``k`` zones a side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.bone.reference import get_reference
from xattn_bmd.bone.scale import density_class, scale_of
from xattn_bmd.bone.tscore import t_score
from xattn_bmd.explanation.blocks import TRAINED, Arrays
from xattn_bmd.explanation.judge.enlarge import enlarged
from xattn_bmd.explanation.judge.masks import FIELD, Masks, seen_masks
from xattn_bmd.explanation.judge.perturbation import area
from xattn_bmd.explanation.judge.scores import SCORES, region_scores
from xattn_bmd.explanation.judge.summary import overlap_table
from xattn_bmd.explanation.judge.zones import zone_shares
from xattn_bmd.explanation.opened import OpenedCohort
from xattn_bmd.explanation.request import Request
from xattn_bmd.metrics.tables.means import mean_rows

if TYPE_CHECKING:
    import pandas as pd

CURVES = ("deletion", "insertion", "deletion_random", "insertion_random")


@dataclass(frozen=True)
class Judged:
    """What masks say of the heat.

    Attributes:
        regions: names of the regions.
        scores: by ``trained`` or control, one row per radiograph.
        zones: ``(N, k, k)`` share of the first region's box in each zone.
    """

    regions: tuple[str, ...]
    scores: Mapping[str, pd.DataFrame]
    zones: NDArray[np.float64]


def joined(blocks: Sequence[Arrays]) -> Arrays:
    """Return the arrays of all blocks in the cohort's order, without ``rows``."""
    order = np.argsort(np.concatenate([block["rows"] for block in blocks]))
    names = [name for name in blocks[0] if name != "rows"]
    return {name: np.concatenate([block[name] for block in blocks])[order] for name in names}


def judged(opened: OpenedCohort, blocks: Sequence[Arrays], masks: Masks, *, zones: int, box: str) -> Judged:
    """Judge the heat of every block against its masks.

    Args:
        opened: the cohort.
        blocks: from :func:`~xattn_bmd.explanation.blocks.computed_blocks`.
        masks: the folder of masks.
        zones: zones a side.
        box: region whose box is cut in zones.

    Raises:
        CohortError: if a mask has another size than its radiograph.
    """
    import pandas as pd

    image, scores, profiles = opened.explained.predictor.image, dict[str, list[pd.DataFrame]](), []
    for block in blocks:
        names = [opened.cohort.radiograph_ids[row] for row in block["rows"]]
        placed = seen_masks(masks, opened.cohort.subset(names), image=image)
        for name, heat in block.items():
            if name.startswith("heat_"):
                large = enlarged(heat.astype(np.float32), size=opened.size)
                scores.setdefault(name.removeprefix("heat_"), []).append(region_scores(large, placed))
        profiles.append(
            zone_shares(
                enlarged(block[f"heat_{TRAINED}"].astype(np.float32), size=opened.size), placed[box], zones=zones
            )
        )
    order = np.argsort(np.concatenate([block["rows"] for block in blocks]))
    tables = {
        name: pd.concat(parts, ignore_index=True).iloc[order].reset_index(drop=True) for name, parts in scores.items()
    }
    regions = tuple(name for name in placed if name != FIELD)
    return Judged(regions, tables, np.concatenate(profiles)[order])


def heat_table(opened: OpenedCohort, arrays: Arrays, found: Judged | None) -> pd.DataFrame:
    """Return ``heat.csv``: one row per radiograph, in the cohort's order.

    ``radiograph_id, patient_id, folds`` (of the fold models that explain it), ``density`` (their estimate for the
    picture as it is) and ``measured``, ``t_score`` of areal density, ``heat_sum`` and ``heat_absolute`` (sums over its
    own grid), the areas under its curves where there are any, and every score of every region where masks were given.
    """
    import pandas as pd

    cohort, heat = opened.cohort, arrays[f"heat_{TRAINED}"].astype(np.float64)
    estimators, reference = opened.ensemble.estimators, get_reference(opened.explained.predictor.reference)
    density = arrays["density"].astype(np.float64)
    folds = [
        " ".join(f"{estimators[k].record['repeat']}/{estimators[k].record['fold']}" for k in np.flatnonzero(column))
        for column in opened.models.T
    ]
    table = pd.DataFrame(
        {
            "radiograph_id": cohort.radiograph_ids,
            "patient_id": cohort.patient_ids,
            "folds": folds,
            "density": density,
            "measured": cohort.targets,
            **({"t_score": t_score(density, reference=reference)} if scale_of(reference).has_t_scores else {}),
            "heat_sum": heat.sum(axis=(1, 2)),
            "heat_absolute": np.abs(heat).sum(axis=(1, 2)),
            **{f"{name}_area": area(arrays[name].astype(np.float64)) for name in CURVES if name in arrays},
        }
    )
    return table if found is None else pd.concat([table, found.scores[TRAINED]], axis=1)


def overlaps(opened: OpenedCohort, found: Judged, request: Request) -> pd.DataFrame:
    """Return ``overlap.csv``: every score of the trained model and of its controls, with 95 % intervals."""
    import pandas as pd

    each = [
        overlap_table(
            scores,
            patients=opened.cohort.patient_ids,
            method=request.method,
            heat_of=name,
            regions=found.regions,
            measures=SCORES,
            seed=request.seed,
            replicates=request.replicates,
        )
        for name, scores in found.scores.items()
    ]
    return pd.concat(each, ignore_index=True)


def controls_table(opened: OpenedCohort, found: Judged) -> pd.DataFrame:
    """Return ``controls.csv``: the scores of the controls, one row per radiograph and control."""
    import pandas as pd

    ids = pd.DataFrame({"radiograph_id": opened.cohort.radiograph_ids, "patient_id": opened.cohort.patient_ids})
    parts = [
        pd.concat([ids.assign(heat_of=name), scores], axis=1)
        for name, scores in found.scores.items()
        if name != TRAINED
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def curves_table(opened: OpenedCohort, arrays: Arrays, request: Request) -> pd.DataFrame:
    """Return ``curves.csv``: mean deletion and insertion curves with 95 % intervals; empty where none were asked for.

    ``curve`` is ``deletion`` or ``insertion``, ``order`` is ``heat``, ``random`` or, for the area alone,
    ``heat - random``; ``covered`` is the share of cells covered or shown, NaN for the area.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for curve in ("deletion", "insertion"):
        if curve not in arrays:
            continue
        values = {
            order: arrays[f"{curve}{end}"].astype(np.float64) for order, end in (("heat", ""), ("random", "_random"))
        }
        for order, each in values.items():
            shares = np.linspace(0, 1, each.shape[1])
            found = _means(opened, each, request)
            rows += [
                {"curve": curve, "order": order, "covered": s, **row} for s, row in zip(shares, found, strict=True)
            ]
        areas = {order: area(each) for order, each in values.items()}
        areas["heat - random"] = areas["heat"] - areas["random"]
        means = _means(opened, np.stack(list(areas.values()), axis=1), request)
        rows += [
            {"curve": f"{curve}_area", "order": o, "covered": np.nan, **row}
            for o, row in zip(areas, means, strict=True)
        ]
    return pd.DataFrame(rows)


def zones_table(opened: OpenedCohort, arrays: Arrays, found: Judged, request: Request, *, box: str) -> pd.DataFrame:
    """Return ``zones.csv``: mean share of the box's heat in each zone, for all and by estimated class.

    ``group`` is ``all`` or a class; ``row`` counts from above, ``column`` from the medial side; ``chance`` is
    ``1 / k²``.
    """
    import pandas as pd

    reference = get_reference(opened.explained.predictor.reference)
    classes = np.asarray(density_class(arrays["density"].astype(np.float64), reference=reference), dtype=str)
    groups = {"all": np.ones(len(classes), dtype=np.bool_)} | {name: classes == name for name in sorted(set(classes))}
    zones, rows = found.zones.shape[1], []
    patients = np.array(opened.cohort.patient_ids)
    for group, inside in groups.items():
        means = mean_rows(
            found.zones[inside].reshape(inside.sum(), -1),
            patients=patients[inside].tolist(),
            seed=request.seed,
            replicates=request.replicates,
        )
        for number, row in enumerate(means):
            place = {"row": number // zones, "column": number % zones, "chance": 1 / zones**2}
            rows.append({"box": box, "group": group, **place, **row})
    return pd.DataFrame(rows)


def attention_table(opened: OpenedCohort, arrays: Arrays) -> pd.DataFrame:
    """Return ``attention.csv``: how gathered each variable's attention is, by head; empty without attention.

    ``gathered`` is 0 for attention spread evenly over the picture and 1 for a single patch: one minus the entropy by
    the largest entropy, mean over radiographs; ``peak`` is the mean of the largest patch's share, ``even`` that of even
    attention.
    """
    import pandas as pd

    if "attention" not in arrays:
        return pd.DataFrame()
    read = arrays["attention"].astype(np.float64)
    flat = read.reshape(*read.shape[:3], -1)
    entropy = -(flat * np.log(np.clip(flat, 1e-12, None))).sum(axis=-1) / np.log(flat.shape[-1])
    return pd.DataFrame(
        [
            {
                "variable": name,
                "head": head,
                "gathered": 1 - entropy[:, v, head].mean(),
                "peak": flat[:, v, head].max(axis=-1).mean(),
                "even": 1 / flat.shape[-1],
                "n": len(flat),
            }
            for v, name in enumerate(opened.cohort.schema.names)
            for head in range(read.shape[2])
        ]
    )


def _means(opened: OpenedCohort, values: NDArray[np.float64], request: Request) -> list[dict[str, Any]]:
    return mean_rows(values, patients=opened.cohort.patient_ids, seed=request.seed, replicates=request.replicates)
