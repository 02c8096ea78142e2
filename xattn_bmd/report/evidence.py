"""Everything that a report shows in numbers, computed once from its source."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

from xattn_bmd.metrics.intervals import REPLICATES
from xattn_bmd.metrics.predictions import PredictionGrid, prediction_grid
from xattn_bmd.report.flow import FlowStep, flow
from xattn_bmd.report.record import variables_of
from xattn_bmd.report.source import ReportSource
from xattn_bmd.report.table1 import table1

if TYPE_CHECKING:
    import pandas as pd

BASE = "concat"
"""Model that the others are compared with, where the table has it."""

ASSUMED_R2 = 0.35
"""R² of density that a clinical record of this kind reaches in new patients, for the sample-size criteria."""

IMAGE = "image_only"
SINGLE = {IMAGE: "image", "metadata_only": "record", "ridge": "record", "boosted_trees": "record"}
"""Models of one input, by what they read."""

FUSED = (
    "xattn",
    "residual_xattn",
    BASE,
    "residual_concat",
    "gated",
    "film",
    "bilinear",
    "mixture",
    "late",
    "image_to_record",
    "record_to_image",
    "attention_pooling",
)
"""Models that join image and record, the first of which is set against the image alone."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """The result tables of a report; each is described where it is made, in :mod:`xattn_bmd.metrics.tables`.

    Attributes:
        grid: the predictions as arrays.
        base: model b of the comparisons.
        metrics: regression metrics, pooled and by fold.
        agreement: Bland-Altman and calibration statistics.
        calibration_curve: measured against predicted density in bins.
        screening: screening metrics at both thresholds.
        transferred: predictive values at stated prevalences; empty where none is known.
        classes: metrics of the three classes of density.
        confusion: measured against predicted class.
        reclassification: class by model a against class by model b.
        reclassification_summary: how many move, for the better or the worse.
        triage: who is decided at 95 % predictive value.
        curves: ROC and precision-recall curves.
        decision_curve: net benefit.
        comparisons: every model against ``base``, all tests.
        detectable: which differences these comparisons could have shown.
        image_comparisons: the fused model against the image alone; empty where one of them is missing.
        image_detectable: which differences that comparison could have shown.
        conformal: coverage and width of prediction intervals.
        subgroups: error, bias, sensitivity and specificity by group; empty without a record.
        sample_size: criteria for the number of patients; empty where the variables are not known.
        table1: the cohort by group; empty without a record.
        flow: how many radiographs and patients are left after each step.
        flow_steps: the same as the flow diagram takes it.
        drop: internal beside external values; empty where the source is no external validation.
        inputs: errors by the inputs that a model saw; empty where no model was trained with inputs withheld.
        masks: Dice and intersection over union of the mask heads; empty where there is none.
    """

    grid: PredictionGrid
    base: str
    flow_steps: tuple[FlowStep, ...]
    metrics: pd.DataFrame
    agreement: pd.DataFrame
    calibration_curve: pd.DataFrame
    screening: pd.DataFrame
    transferred: pd.DataFrame
    classes: pd.DataFrame
    confusion: pd.DataFrame
    reclassification: pd.DataFrame
    reclassification_summary: pd.DataFrame
    triage: pd.DataFrame
    curves: pd.DataFrame
    decision_curve: pd.DataFrame
    comparisons: pd.DataFrame
    detectable: pd.DataFrame
    image_comparisons: pd.DataFrame
    image_detectable: pd.DataFrame
    conformal: pd.DataFrame
    subgroups: pd.DataFrame
    sample_size: pd.DataFrame
    table1: pd.DataFrame
    flow: pd.DataFrame
    drop: pd.DataFrame
    inputs: pd.DataFrame
    masks: pd.DataFrame

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return every table by name."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: table for name, table in named.items() if name not in ("grid", "base", "flow_steps")}


def gather(source: ReportSource, *, seed: int = 0, replicates: int = REPLICATES) -> Evidence:
    """Compute every result table of a report.

    Args:
        source: what the report is made from.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Raises:
        MetricError: if the predictions cannot be scored.
    """
    import pandas as pd

    grid = prediction_grid(source.predictions)
    base = BASE if BASE in source.models else source.models[0]
    steps = tuple(flow(source.cohort or {}, source.predictions))
    draws = _Draws(seed, replicates)
    tables = {
        "flow": pd.DataFrame(list(steps)),
        "drop": pd.DataFrame(),
        **_errors(source, draws),
        **_screened(source, base, draws),
        **_compared(source, base, draws),
        **_people(source, grid, draws),
        "inputs": _inputs(source, draws),
        "masks": _masks(source, draws),
    }
    # What was carried over from a development cohort cannot be fitted again here.
    return Evidence(grid=grid, base=base, flow_steps=steps, **(tables | dict(source.carried)))


class _Draws(NamedTuple):
    seed: int
    replicates: int


def _errors(source: ReportSource, draws: _Draws) -> dict[str, pd.DataFrame]:
    from xattn_bmd.metrics.tables.agreement import agreement_table
    from xattn_bmd.metrics.tables.calibration_curve import calibration_curve_table
    from xattn_bmd.metrics.tables.regression import metrics_table

    given, kept, (seed, replicates) = source.predictions, source.calibration, draws
    return {
        "metrics": metrics_table(given, seed=seed, replicates=replicates),
        "agreement": agreement_table(given, calibration=kept, seed=seed, replicates=replicates),
        "calibration_curve": calibration_curve_table(given, seed=seed, replicates=replicates),
    }


def _screened(source: ReportSource, base: str, draws: _Draws) -> dict[str, pd.DataFrame]:
    from xattn_bmd.metrics.tables.classes import classes_table, confusion_table
    from xattn_bmd.metrics.tables.curves import curves_table
    from xattn_bmd.metrics.tables.decision_curve import decision_curve_table
    from xattn_bmd.metrics.tables.reclassification import reclassification_summary_table, reclassification_table
    from xattn_bmd.metrics.tables.screening import screening_table
    from xattn_bmd.metrics.tables.transferred import known_prevalences, transferred_table
    from xattn_bmd.metrics.tables.triage import triage_table

    given, population, kept, (seed, replicates) = source.predictions, source.reference, source.calibration, draws
    return {
        "screening": screening_table(given, population, calibration=kept, seed=seed, replicates=replicates),
        "transferred": transferred_table(
            given, population, prevalences=known_prevalences(population), seed=seed, replicates=replicates
        ),
        "classes": classes_table(given, population, seed=seed, replicates=replicates),
        "confusion": confusion_table(given, population),
        "reclassification": reclassification_table(given, population, against=base),
        "reclassification_summary": reclassification_summary_table(
            given, population, against=base, seed=seed, replicates=replicates
        ),
        "triage": triage_table(given, population, calibration=kept, seed=seed, replicates=replicates),
        "curves": curves_table(given, population, seed=seed, replicates=replicates),
        "decision_curve": decision_curve_table(given, population, calibration=kept, seed=seed, replicates=replicates),
    }


def _compared(source: ReportSource, base: str, draws: _Draws) -> dict[str, pd.DataFrame]:
    from xattn_bmd.metrics.tables.comparisons import comparisons_table
    from xattn_bmd.metrics.tables.detectable import detectable_table

    given, population, (seed, replicates) = source.predictions, source.reference, draws
    fused = next((name for name in FUSED if name in source.models), "")
    pair = given[given["model"].isin([fused, IMAGE])]
    # Where the fused model or the image alone is missing, a comparison against "" is an empty table.
    alone = IMAGE if fused and IMAGE in source.models else ""
    pair = pair if alone else given
    return {
        "comparisons": comparisons_table(given, reference=population, against=base, seed=seed, replicates=replicates),
        "detectable": detectable_table(given, against=base, seed=seed, replicates=replicates),
        "image_comparisons": comparisons_table(
            pair, reference=population, against=alone, seed=seed, replicates=replicates
        ),
        "image_detectable": detectable_table(pair, against=alone, seed=seed, replicates=replicates),
    }


def _masks(source: ReportSource, draws: _Draws) -> pd.DataFrame:
    import pandas as pd

    from xattn_bmd.metrics.tables.masks import DICE_COLUMNS, dice_table

    if source.masks is None:
        return pd.DataFrame(columns=list(DICE_COLUMNS))
    seed, replicates = draws
    return dice_table(source.masks, seed=seed, replicates=replicates)


def _inputs(source: ReportSource, draws: _Draws) -> pd.DataFrame:
    import pandas as pd

    from xattn_bmd.metrics.tables.inputs import INPUTS_COLUMNS, inputs_table

    if source.inputs is None:
        return pd.DataFrame(columns=list(INPUTS_COLUMNS))
    single = {name: read for name, read in SINGLE.items() if name in source.models}
    seed, replicates = draws
    return inputs_table(source.predictions, source.inputs, single=single, seed=seed, replicates=replicates)


def _people(source: ReportSource, grid: PredictionGrid, draws: _Draws) -> dict[str, pd.DataFrame]:
    from xattn_bmd.metrics.groups import groups_from_record
    from xattn_bmd.metrics.tables.conformal import conformal_table
    from xattn_bmd.metrics.tables.subgroups import subgroups_table

    given, kept, (seed, replicates) = source.predictions, source.calibration, draws
    groups = {} if source.record is None else groups_from_record(source.record, grid.radiographs)
    return {
        "conformal": conformal_table(given, groups=groups, calibration=kept, seed=seed, replicates=replicates),
        "subgroups": subgroups_table(given, source.reference, groups=groups, seed=seed, replicates=replicates),
        "sample_size": _sample_size(source, grid),
        "table1": _characteristics(source),
    }


def _sample_size(source: ReportSource, grid: PredictionGrid) -> pd.DataFrame:
    import pandas as pd

    from xattn_bmd.metrics.tables.detectable import SAMPLE_SIZE_COLUMNS, sample_size_table

    categories = source.roles.get("categorical") or {}
    parameters = len(source.roles.get("numeric") or ()) + sum(max(len(names) - 1, 0) for names in categories.values())
    if parameters == 0 or len(grid.target) < 2 or source.is_external:
        return pd.DataFrame(columns=list(SAMPLE_SIZE_COLUMNS))
    mean, sd = float(grid.target.mean()), float(grid.target.std(ddof=1))
    return sample_size_table(grid.n_patients, parameters, ASSUMED_R2, mean=mean, sd=sd)


def _characteristics(source: ReportSource) -> pd.DataFrame:
    import pandas as pd

    if source.record is None:
        return pd.DataFrame()
    numeric, categorical = variables_of(source.record, source.roles)
    declared = source.roles.get("numeric") or {}
    return table1(
        source.record,
        numeric=numeric,
        categorical=categorical,
        target=source.predictions.drop_duplicates("radiograph_id").set_index("radiograph_id")["target"],
        groupby="sex" if "sex" in source.record.columns else None,
        units={name: str(role["unit"]) for name, role in declared.items() if role and role.get("unit")},
        words=source.words,
    )
