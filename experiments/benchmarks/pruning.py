"""Target 10: a search that stops trials by a paired test over folds, against the same search without stopping.

What a search may look at is the loss on the inner validation part of each fold, never the scored fold.  A fit gives
the same bits each time, so each (settings, fold) is fitted once, and both searches read the same losses.
Run alone: python experiments/benchmarks/pruning.py [--n 233] [--trials 20] [--repeats 3] [--quick]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import warnings
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import optuna
from measured import Measured

from xattn_bmd import (
    Cohort,
    CompareConfig,
    FoldPlan,
    ImageConfig,
    ModelConfig,
    TrainingConfig,
    simulate_cohort,
)
from xattn_bmd.training.fits.fit import fit_job
from xattn_bmd.training.fits.quiet import quiet_trainer
from xattn_bmd.training.study import Job, Study

MODEL = "concat"
ORDERS = 25
"""Searches with other fold orders that are replayed on the same losses."""


@dataclass(frozen=True)
class Settings:
    """What the search chooses."""

    learning_rate: float
    weight_decay: float
    dropout: float
    width: int


@dataclass(frozen=True)
class Size:
    """Size of the search."""

    n: int = 233
    folds: int = 10
    trials: int = 20
    epochs: int = 12


QUICK = Size(n=40, folds=4, trials=6, epochs=3)


class Losses:
    """Inner-validation loss of each setting on each fold; fitted when first asked for.

    Args:
        base: cohort, plan and the settings that the search does not choose.
    """

    def __init__(self, base: Study) -> None:
        self._base = base
        self._study = cache(self._study_of)
        self.loss = cache(self._fitted)

    def _fitted(self, settings: Settings, fold: int) -> float:
        with quiet_trainer():
            return float(fit_job(Job(MODEL, 0, fold), self._study(settings)).estimator.record["validation_loss"])

    def _study_of(self, settings: Settings) -> Study:
        config = self._base.config
        model = replace(config.model, width=settings.width, dropout=settings.dropout)
        training = replace(config.training, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay)
        return replace(self._base, config=replace(config, model=model, training=training))

    def mean(self, settings: Settings, folds: int) -> float:
        """Return the mean over all folds."""
        return statistics.fmean(self.loss(settings, fold) for fold in range(folds))


def search(losses: Losses, size: Size, *, prune: bool, order: int = 0) -> tuple[Settings, int]:
    """Search, and return the chosen settings and the number of fold fits that were used.

    Args:
        losses: where fold losses come from.
        size: number of trials and folds.
        prune: stop a trial that a Wilcoxon test over the folds seen so far calls worse than the best one.
        order: seed of the order in which each trial goes through the folds.
    """
    used: list[tuple[int, int]] = []

    def objective(trial: optuna.Trial) -> float:
        settings, seen = _suggested(trial), []
        for fold in np.random.default_rng([order, trial.number]).permutation(size.folds).tolist():
            seen.append(losses.loss(settings, fold))
            used.append((trial.number, fold))
            trial.report(seen[-1], step=fold)
            if trial.should_prune():
                break  # the running mean is the trial's value: WilcoxonPruner keeps it from being the best
        return statistics.fmean(seen)

    pruner = optuna.pruners.WilcoxonPruner(p_threshold=0.2) if prune else optuna.pruners.NopPruner()
    found = optuna.create_study(direction="minimize", sampler=optuna.samplers.RandomSampler(seed=0), pruner=pruner)
    found.optimize(objective, n_trials=size.trials)
    return Settings(**found.best_params), len(used)


def _suggested(trial: optuna.Trial) -> Settings:
    return Settings(
        learning_rate=trial.suggest_float("learning_rate", 1e-4, 3e-2, log=True),
        weight_decay=trial.suggest_float("weight_decay", 1e-4, 0.3, log=True),
        dropout=trial.suggest_float("dropout", 0.0, 0.5),
        width=trial.suggest_categorical("width", [16, 32, 64, 128]),
    )


def measure(*, quick: bool, repeats: int, size: Size | None = None) -> list[Measured]:
    """Return the share of fold fits used and the loss of the chosen settings, over several fold orders.

    ``repeats`` is not used: fold orders are what varies here, and all of them are replayed on one set of fits.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    size = size or (QUICK if quick else Size())
    with tempfile.TemporaryDirectory() as scratch:
        losses = Losses(_base(Path(scratch), size))
        chosen, every = search(losses, size, prune=False)
        found = [search(losses, size, prune=True, order=order) for order in range(ORDERS)]
        whole = partial(losses.mean, folds=size.folds)
        relative = [whole(settings) / whole(chosen) for settings, _ in found]
    used = [100 * fits / every for _, fits in found]
    note = (
        f"{MODEL}, frozen trunk with stored maps, simulated hips, n = {size.n}, {size.trials} random trials x "
        f"{size.folds} folds; no pruning: {every} fits, loss {whole(chosen):.5f}; {ORDERS} fold orders: "
        f"{min(used):.0f} to {max(used):.0f} % of the fits, loss ratio at most {max(relative):.4f}"
    )
    same = 100 * statistics.fmean(settings == chosen for settings, _ in found)
    return [
        Measured("10 fold fits of a pruned search", "<= 65", statistics.median(used), "%", ORDERS, note),
        Measured("10 chosen loss against no pruning", "1", statistics.median(relative), "x", ORDERS, note),
        Measured("10 searches that chose the same trial", "", same, "%", ORDERS, note),
    ]


def _base(scratch: Path, size: Size) -> Study:
    """Simulate a cohort, and store its pictures and feature maps."""
    cohort = Cohort.from_csv(simulate_cohort(scratch / "cohort", n=size.n, size=256, seed=0)).in_id_order()
    base = Study(
        cohort=cohort,
        plan=FoldPlan.make(cohort, folds=size.folds, seed=0),
        config=CompareConfig(
            models=(MODEL,),
            folds=size.folds,
            reference=cohort.roles.reference,
            image=ImageConfig(size=128),
            model=ModelConfig(backbone="tf_efficientnet_lite0", weights="pretrained", freeze="trunk"),
            training=TrainingConfig(
                epochs=size.epochs, patience=size.epochs, precision="32-true", accelerator="cpu", threads=2
            ),
        ),
        cache_folder=scratch / "cache",
    )
    base.open()  # decodes the pictures and computes the maps; every trial then opens what is stored
    return base


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int)
    parser.add_argument("--trials", type=int)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="few small fits, to try the script")
    asked = parser.parse_args()
    size = QUICK if asked.quick else Size()
    size = replace(size, n=asked.n or size.n, trials=asked.trials or size.trials)
    for row in measure(quick=asked.quick, repeats=asked.repeats, size=size):
        print(f"{row.target}: {row.measured:.4g} {row.unit} (wanted: {row.wanted or '-'}; n = {row.n}) {row.note}")


if __name__ == "__main__":
    main()
