"""Normal, low, osteoporosis by networks that were trained to tell them apart: beside the density, and instead of it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd
from studies import ELSEWHERE, HOME, NETWORK, Study

from xattn_bmd import Cohort, CompareConfig, Evaluation, FoldPlan, Predictor, Run, compare, evaluate
from xattn_bmd.bone.qct import qct_class
from xattn_bmd.data.roles import ClassRole

CLASSES = ("normal", "low", "osteoporosis")
SEPARATE = "class network"
COLUMN = "qct_class"
METRICS = ("accuracy", "sensitivity", "specificity", "precision", "f1", "kappa", "auroc")


def class_networks(
    study: Study, cohorts: Mapping[str, Cohort], plan: FoldPlan, asked: argparse.Namespace
) -> pd.DataFrame:
    """Return the class metrics at home and elsewhere, of two networks that see the volume alone.

    The first says the density and, by a second head, its class; both ways to a class are scored, and their difference.
    The second says the class only, on the same folds.

    Args:
        study: settings.
        cohorts: of both places, with densities.
        plan: folds at home.
        asked: command line.
    """
    plain = study.config((NETWORK,))
    joint = replace(plain, model=replace(plain.model, class_head="classes"))
    run, away = trained(joint, cohorts, plan, asked, name="joint")
    parts = [run.class_heads().assign(where=HOME), away.class_heads().assign(where=ELSEWHERE)]
    run, away = trained(plain, {where: in_classes(one) for where, one in cohorts.items()}, plan, asked, name="classes")
    for where, metrics in ((HOME, run.metrics()), (ELSEWHERE, away.metrics())):
        parts.append(metrics.assign(where=where, classes_from=SEPARATE))
    rows = pd.concat(parts, ignore_index=True)
    rows = rows[rows["class"].isin(("macro", "all")) & rows["metric"].isin(METRICS)]
    return rows.assign(table="class networks", model=rows["classes_from"])


def in_classes(cohort: Cohort) -> Cohort:
    """Return the cohort whose target is the class of its density."""
    table = cohort.table.assign(**{COLUMN: qct_class(cohort.targets)})
    roles = replace(cohort.roles, target=ClassRole(column=COLUMN, classes=CLASSES), reference=None)
    return replace(cohort, table=table, roles=roles)


def trained(
    config: CompareConfig, cohorts: Mapping[str, Cohort], plan: FoldPlan, asked: argparse.Namespace, *, name: str
) -> tuple[Run, Evaluation]:
    """Return the run at home, and its predictor's evaluation elsewhere."""
    cache = asked.work / "cache"
    run = compare(
        cohorts[HOME], out=asked.work / "runs" / name, config=config, plan=plan, cache=cache, workers=asked.workers,
        progress=False,
    )  # fmt: skip
    out: Path = asked.work / "external" / name
    if out.exists():
        away = Evaluation(out, simulated=True, classes=run.classes)
    else:
        away = evaluate(Predictor.from_run(run, NETWORK), cohorts[ELSEWHERE], out=out, cache=cache, seed=config.seed)
    print(f"{name}: fitted and evaluated", flush=True)
    return run, away
