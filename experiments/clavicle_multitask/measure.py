"""Does a network that segments the clavicle too estimate density better than its twin that does not?

Run: python experiments/clavicle_multitask/measure.py chest --work FOLDER    (simulated chests, lumbar density)
     python experiments/clavicle_multitask/measure.py hip --work FOLDER      (simulated hips, n = 233)
     python experiments/clavicle_multitask/measure.py chest --work FOLDER --small --results trial   (a trial)
     python experiments/clavicle_multitask/measure.py readme                 (the README from stored figures)
A killed run is continued by the same command.  Figures go to results/STUDY.csv and the tables to the README.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pandas as pd
from figures import ARMS, overlap_rows, performance_rows, where_rows
from studies import MODELS, STUDIES, Study
from table import stored, update, write_readme

from xattn_bmd import (
    Cohort,
    CompareConfig,
    Explanation,
    FoldPlan,
    Predictor,
    Run,
    compare,
    evaluate,
    explain,
    simulate_cohort,
)
from xattn_bmd.metrics.tables.means import mean_rows

HERE = Path(__file__).parent
ARM_HEADS = dict(zip(ARMS, ("none", "unet"), strict=True))


def main() -> None:
    """Simulate, fit both twins on the same folds, judge them at home and elsewhere, store and print."""
    asked = parsed()
    if asked.study == "readme":
        write_readme()
        return
    study = STUDIES[asked.study].small() if asked.small else STUDIES[asked.study]
    study = study if asked.n is None else replace(study, n=asked.n)
    path = (HERE / "results" / asked.study if asked.results is None else asked.results).with_suffix(".csv")
    for seed in range(study.seed, study.seed + asked.draws):
        for model in asked.models:
            rows = figures(study, model, seed, asked)
            update(rows, path=path, study=study, model=model, seed=seed, workers=asked.workers)
    print(stored(path))
    if asked.results is None:
        write_readme()


def figures(study: Study, model: str, seed: int, asked: argparse.Namespace) -> pd.DataFrame:
    """Return every figure of a model's twins on one draw of the bench."""
    cohort, runs = fitted(study, model, seed, asked)
    rows = [performance_rows({arm: run.predictions for arm, run in runs.items()}, study, seed=seed), where_rows(runs)]
    if study.external:
        rows.append(external_rows(runs, study, seed, asked))
    if model == MODELS[0]:
        rows.append(explained(runs, study, cohort, seed, asked))
    return pd.concat(rows, ignore_index=True)


def fitted(study: Study, model: str, seed: int, asked: argparse.Namespace) -> tuple[Cohort, dict[str, Run]]:
    """Return the simulated cohort and the finished run of each arm, both on one plan."""
    cohort = simulated(study, study.preset, study.n, seed, asked)
    base = study.config(model, seed)
    plan = FoldPlan.make(cohort, folds=base.folds, seed=base.seed, inner_fraction=base.inner_fraction)
    runs = {}
    for arm, head in ARM_HEADS.items():
        config: CompareConfig = replace(base, model=replace(base.model, mask_head=head))
        place = asked.work / "runs" / f"{study.name}_{study.n}_{seed}_{model}_{arm}"
        shared = {"plan": plan, "cache": asked.work / "cache", "workers": asked.workers, "progress": False}
        runs[arm] = compare(cohort, out=place, config=config, **shared)
        print(f"{place.name}: fitted", flush=True)
    return cohort, runs


def simulated(study: Study, preset: str, n: int, seed: int, asked: argparse.Namespace) -> Cohort:
    """Return simulated radiographs with the masks that the heads learn from."""
    folder = asked.work / "simulated" / f"{preset}_{n}_{study.picture}px_{seed}"
    made = {"n": n, "preset": preset, "seed": seed, "size": study.picture, "workers": asked.workers}
    table = simulate_cohort(folder, **made)
    return Cohort.from_csv(table, masks=folder / study.masks).in_id_order()


def external_rows(runs: dict[str, Run], study: Study, seed: int, asked: argparse.Namespace) -> pd.DataFrame:
    """Return the figures of both twins at an institution that no fit has seen."""
    cohort = simulated(study, study.external, study.external_n, seed + 5000, asked)
    found, rows = {}, []
    for arm, run in runs.items():
        predictor = Predictor.from_run(run, run.config.models[0])
        out = asked.work / "external" / run.folder.name
        if not out.exists():
            evaluate(predictor, cohort, out=out, cache=asked.work / "cache", seed=seed)
        found[arm] = pd.read_csv(out / "predictions.csv", dtype={"radiograph_id": str, "patient_id": str})
        if run.masks is not None:
            dice = predictor.segment(cohort, cache=asked.work / "cache")["dice"].to_numpy()[:, None]
            rows += mean_rows(dice, patients=cohort.patient_ids, seed=seed)
    scored = performance_rows(found, study, seed=seed)
    dice = pd.DataFrame(rows).assign(metric="dice", arm=ARMS[1])
    return pd.concat([scored, dice], ignore_index=True).assign(where="external")


def explained(runs: dict[str, Run], study: Study, cohort: Cohort, seed: int, asked: argparse.Namespace) -> pd.DataFrame:
    """Return how far the heat of both twins lies on the region, beside networks of random weights."""
    some, rows = cohort.subset(cohort.radiograph_ids[: study.explained]), []
    for method in study.methods:
        maps = {}
        for arm, run in runs.items():
            out = asked.work / "explanations" / f"{run.folder.name}_{method}_{len(some)}"
            if not out.exists():
                masks = asked.work / "simulated" / f"{study.preset}_{study.n}_{study.picture}px_{seed}" / study.regions
                explain(
                    run, some, out=out, method=method, masks=masks, steps=0, sheets=0,
                    cache=asked.work / "cache", seed=seed,
                )  # fmt: skip
            maps[arm] = Explanation.load(out)
        rows.append(overlap_rows(maps, study, method=method, seed=seed))
    return pd.concat(rows, ignore_index=True)


def parsed() -> argparse.Namespace:
    """Return the command line's wishes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=(*STUDIES, "readme"))
    parser.add_argument("--work", type=Path, help="folder of cohorts, runs and pictures")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--n", type=int, help="radiographs at home; the study's own number unless given")
    parser.add_argument("--draws", type=int, default=1, help="simulated cohorts, each of its own seed")
    parser.add_argument("--small", action="store_true", help="a trial of minutes whose figures mean nothing")
    parser.add_argument("--results", type=Path, help="file of figures; the stored one unless named")
    asked = parser.parse_args()
    if asked.study != "readme" and asked.work is None:
        parser.error("--work names the folder of cohorts, runs and pictures")
    if asked.small and asked.results is None:
        parser.error("--small is a trial: name a --results file of its own")
    return asked


if __name__ == "__main__":
    main()
