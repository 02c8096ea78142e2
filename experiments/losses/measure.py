"""Print one table of all training losses: errors overall and where density is osteoporotic, on simulated hips.

Run: python experiments/losses/measure.py --work FOLDER [--model concat] [--n 1000] [--seed 71000] [--workers 2]
     python experiments/losses/measure.py --work FOLDER --small --results trial.csv   (a minute: a trial)
A killed run is continued by the same command.  Figures go to results/losses.csv, rows of the same model, n and seed are
replaced, and the table to the README; --readme writes the README from the stored figures and ends.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from scores import scored
from table import STORED, printed, update, write_readme

from xattn_bmd import Cohort, CompareConfig, FoldPlan, ModelConfig, compare, get_reference, simulate_cohort
from xattn_bmd.config import HeadName, LossName, Weighting
from xattn_bmd.types import HEAD_COLUMNS

FULL = {"n": 1000, "folds": 10, "picture": 512, "pixels": 224, "epochs": 40}
SMALL = {"n": 60, "folds": 2, "picture": 96, "pixels": 64, "epochs": 2}


@dataclass(frozen=True)
class Arm:
    """One way of training; everything else is the same."""

    loss: LossName
    weighting: Weighting = "none"
    head: HeadName = "point"

    @property
    def name(self) -> str:
        """The loss, and what weighs it."""
        return self.loss if self.weighting == "none" else f"{self.loss} by {self.weighting}"


ARMS = (
    Arm("mse"),
    Arm("mae"),
    Arm("smooth_l1"),
    Arm("weighted_smooth_l1", weighting="t_score_bands"),
    Arm("weighted_smooth_l1", weighting="label_density"),
    Arm("balanced_mse"),
    Arm("gaussian_nll", head="gaussian"),
    Arm("pinball", head="quantile"),
)


def main() -> None:
    """Simulate, fit every arm on the same folds, store the figures and print them."""
    asked = parsed()
    if asked.readme:
        write_readme()
        return
    folder = asked.work / f"hcs_{asked.n}_{asked.picture}px_seed{asked.seed}"
    made = {"n": asked.n, "preset": "hcs", "seed": asked.seed, "size": asked.picture, "workers": asked.workers}
    cohort = Cohort.from_csv(simulate_cohort(folder, **made)).in_id_order()
    base = settings(asked)
    plan = FoldPlan.make(cohort, folds=base.folds, seed=base.seed, inner_fraction=base.inner_fraction)
    found = [predictions(arm, cohort, plan, base, asked) for arm in ARMS]
    table = scored(pd.concat(found), get_reference(cohort.roles.reference), base=ARMS[0].name, seed=asked.seed)
    update(table.assign(network=asked.model, n=len(cohort), seed=asked.seed), path=asked.results)
    print(printed(asked.results))
    if asked.results == STORED:
        write_readme()


def predictions(
    arm: Arm, cohort: Cohort, plan: FoldPlan, base: CompareConfig, asked: argparse.Namespace
) -> pd.DataFrame:
    """Return the out-of-fold predictions of one arm, under its name."""
    training = replace(base.training, loss=arm.loss, weighting=arm.weighting)
    config = replace(base, training=training, model=replace(base.model, head=arm.head))
    place = f"{asked.model}_{arm.name.replace(' ', '_')}_{asked.n}_{asked.pixels}px_{asked.epochs}_seed{asked.seed}"
    shared = {"plan": plan, "cache": asked.work / "cache", "workers": asked.workers, "progress": False}
    run = compare(cohort, out=asked.work / "runs" / place, config=config, **shared)
    print(f"{arm.name}: done", flush=True)
    return run.predictions.drop(columns=list(HEAD_COLUMNS), errors="ignore").assign(model=arm.name)


def settings(asked: argparse.Namespace) -> CompareConfig:
    """Return what all arms share: a frozen ImageNet trunk, or, for a trial, a tiny one of random weights."""
    base = CompareConfig.from_preset("quick")
    model = ModelConfig(backbone="test_resnet", width=16, layers=2, heads=2) if asked.small else base.model
    return replace(
        base,
        models=(asked.model,),
        folds=asked.folds,
        seed=asked.seed,
        image=replace(base.image, size=asked.pixels),
        model=model,
        training=replace(base.training, epochs=asked.epochs, patience=15, accelerator=asked.accelerator),
    )


def parsed() -> argparse.Namespace:
    """Return the command line's settings; what is stated goes before the sizes of a full or small run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="folder of the cohort, decoded pictures and runs")
    parser.add_argument("--model", default="concat", help="network that is trained; concat unless stated")
    parser.add_argument("--seed", type=int, default=71000, help="of people, folds, weights and batches")
    parser.add_argument("--workers", type=int, default=2, help="fits at a time")
    parser.add_argument("--accelerator", default="cpu", help="where networks are fitted")
    parser.add_argument("--small", action="store_true", help="few hips, small pictures: to try the script")
    for name in FULL:
        parser.add_argument(f"--{name}", type=int, help=f"{FULL[name]} unless stated")
    parser.add_argument("--results", type=Path, default=STORED)
    parser.add_argument("--readme", action="store_true")
    asked = parser.parse_args()
    if not asked.readme and asked.work is None:
        parser.error("name a folder: --work FOLDER")
    if asked.small and asked.results == STORED:
        parser.error("a trial is not stored: name another file, --results FILE")
    for name, value in (SMALL if asked.small else FULL).items():
        setattr(asked, name, value if getattr(asked, name) is None else getattr(asked, name))
    return asked


if __name__ == "__main__":
    main()
