"""Everything that a report of classes shows in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xattn_bmd.report.classes.source import ClassSource
from xattn_bmd.report.flow import FlowStep, flow
from xattn_bmd.report.record import variables_of
from xattn_bmd.report.table1 import table1

if TYPE_CHECKING:
    import pandas as pd

BASE = "concat"
"""Model that the others are compared with, where the table has it; else the first."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassEvidence:
    """The result tables of a report of classes.

    Attributes:
        metrics: metrics of each class, their macro average, and of all classes together.
        confusion: true against predicted class.
        comparisons: every model against one, paired over patients.
        table1: the cohort by class; empty without a record.
        flow: how many radiographs and patients are left after each step.
        drop: internal beside external values; empty for a comparison.
    """

    metrics: pd.DataFrame
    confusion: pd.DataFrame
    comparisons: pd.DataFrame
    table1: pd.DataFrame
    flow: tuple[FlowStep, ...]
    drop: pd.DataFrame

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return every table by name."""
        import pandas as pd

        return {
            "metrics": self.metrics,
            "confusion": self.confusion,
            "comparisons": self.comparisons,
            "table1": self.table1,
            "flow": pd.DataFrame(list(self.flow)),
            "drop": self.drop,
        }


def gather_classes(source: ClassSource, *, seed: int, replicates: int) -> ClassEvidence:
    """Compute every result table of a report of classes.

    Args:
        source: what the report is made from.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Raises:
        MetricError: if the predictions cannot be scored.
    """
    import pandas as pd

    from xattn_bmd.metrics.tables.class_comparisons import class_comparisons_table
    from xattn_bmd.metrics.tables.class_confusion import class_confusion_table
    from xattn_bmd.metrics.tables.class_metrics import class_metrics_table

    given, names = source.predictions, source.classes
    against = BASE if BASE in source.models else source.models[0]
    return ClassEvidence(
        metrics=class_metrics_table(
            given, classes=names, ordered=bool(source.target.get("ordered")), seed=seed, replicates=replicates
        ),
        confusion=class_confusion_table(given, classes=names),
        comparisons=class_comparisons_table(given, against=against, classes=names, seed=seed, replicates=replicates),
        table1=_characteristics(source),
        flow=tuple(flow(source.cohort, given, target="class")),
        drop=pd.DataFrame() if source.drop is None else source.drop,
    )


def _characteristics(source: ClassSource) -> pd.DataFrame:
    import pandas as pd

    record, column = source.record.table, str(source.target["column"])
    if record is None:
        return pd.DataFrame()
    numeric, categorical = variables_of(record, source.cohort["roles"])
    declared = source.cohort["roles"].get("numeric") or {}
    once = source.predictions.drop_duplicates("radiograph_id").set_index("radiograph_id")["target"]
    grouped = record.assign(**{column: record["radiograph_id"].map(once)})
    return table1(
        grouped,
        numeric=numeric,
        categorical=categorical,
        groupby=column,
        units={name: str(role["unit"]) for name, role in declared.items() if role and role.get("unit")},
        words=source.words,
    )
