"""The tables of a finished run: the folds' predictions joined, and what they score."""

from __future__ import annotations

from pathlib import Path

from xattn_bmd.atomic import atomic_write
from xattn_bmd.config import CompareConfig
from xattn_bmd.data.folds import FoldPlan
from xattn_bmd.data.roles import ClassRole, CohortRoles
from xattn_bmd.training.registry import uses_both
from xattn_bmd.training.runs.fold_store import fold_folder
from xattn_bmd.training.runs.result_tables import (
    class_tables,
    density_tables,
    has_class_heads,
    of_classes,
    table_names,
)
from xattn_bmd.training.runs.run import ATTENTION, CALIBRATION, CLASS_PREDICTIONS, INPUTS, MASKS, PREDICTIONS
from xattn_bmd.training.study import Job

_JOINED = (ATTENTION, CALIBRATION, INPUTS, MASKS, CLASS_PREDICTIONS)
"""Tables of the fits that are joined beside the predictions, where fits have them."""

PROTOCOL_LABELS = {"nested": "nested", "paper": "paper (optimistic)"}
"""How each protocol is named in every table."""


def has_results(folder: Path, *, config: CompareConfig) -> bool:
    """Tell whether every table of the finished run is there."""
    kept = [] if config.protocol == "paper" or of_classes(config) else [CALIBRATION]
    if (config.model.image_dropout or config.model.record_dropout) and any(map(uses_both, config.models)):
        kept.append(INPUTS)
    if config.model.mask_head != "none":
        kept.append(MASKS)
    if has_class_heads(config):
        kept.append(CLASS_PREDICTIONS)
    return all((folder / name).is_file() for name in (PREDICTIONS, *kept, *table_names(config)))


def write_results(folder: Path, *, jobs: list[Job], config: CompareConfig, plan: FoldPlan, roles: CohortRoles) -> None:
    """Join the folds' predictions in one table and score it; every scored row says under which conditions it arose.

    What is fitted to predictions is fitted on the inner validation parts, where the protocol has any.
    """
    joined = {name: _joined(folder, jobs, name) for name in (*_JOINED, PREDICTIONS)}
    if isinstance(roles.target, ClassRole):
        scored = class_tables(joined[PREDICTIONS], target=roles.target, config=config)
    else:
        scored = density_tables(
            joined[PREDICTIONS],
            calibration=joined[CALIBRATION],
            class_predictions=joined[CLASS_PREDICTIONS],
            config=config,
        )
    protocol = PROTOCOL_LABELS[config.protocol]
    for name, table in scored.items():
        labelled = table.assign(protocol=protocol, simulated=roles.simulated, plan_hash=plan.hash)
        atomic_write(folder / name, labelled.to_csv(index=False))
    for name in (*_JOINED, PREDICTIONS):
        if joined[name]:
            atomic_write(folder / name, joined[name])


def _joined(folder: Path, jobs: list[Job], name: str) -> str:
    """Return the rows of all fits that have such a table under one header; empty where none has it."""
    parts = [path for job in jobs if (path := fold_folder(folder, job) / name).is_file()]
    texts = [part.read_text().splitlines(keepends=True) for part in parts]
    return "".join([*texts[0][:1], *(line for text in texts for line in text[1:])]) if texts else ""
