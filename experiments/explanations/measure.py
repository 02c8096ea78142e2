"""Measure where models trained on simulated hips look, by every heat method, beside networks that cannot know.

Run: python experiments/explanations/measure.py --work FOLDER [--weights pretrained bone] [--methods hirescam ...]
     python experiments/explanations/measure.py --work FOLDER --time     (233 hips, nothing else running)
     python experiments/explanations/measure.py --work FOLDER --small --results trial.csv   (a minute: a trial)
Hips are simulated and one model is cross-validated for each kind of weights, unless FOLDER holds them from before.
Figures go to results/explanations.csv, rows of the same weights and method are replaced, and the table to the README.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from table import MEASURES, REGIONS, STORED, printed, update, write_readme

from xattn_bmd import (
    Cohort,
    CompareConfig,
    Explanation,
    compare,
    explain,
    load_run,
    record_contributions,
    simulate_cohort,
)
from xattn_bmd.config import ImageConfig
from xattn_bmd.explanation.judge.controls import CONTROLS
from xattn_bmd.explanation.judge.enlarge import enlarged
from xattn_bmd.explanation.judge.masks import Masks, seen_masks
from xattn_bmd.explanation.judge.share import region_share

MODEL, SEED = "xattn", 0
PIXELS = {"pretrained": 128, "bone": 224}
"""Side of the pictures: the quick preset's for the ImageNet trunk, that of its own training for the bone encoder."""

SLOW = ("integrated_gradients", "occlusion")
METHODS = ("hirescam", "grad_cam", "grad_cam_plus_plus", "attention", *SLOW)
FULL = {"n": 233, "slow_n": 60, "folds": 10, "picture": 512, "epochs": 40}
SMALL = {"n": 24, "slow_n": 4, "folds": 2, "picture": 128, "epochs": 1}


def main() -> None:
    """Train where needed, explain by every method, store and print."""
    asked = parsed()
    for weights in asked.weights:
        run, cohort = trained(weights, asked)
        if asked.time:
            rows = timed(run, cohort, weights, asked)
        else:
            rows = pd.concat([judged(run, cohort, method, asked) for method in asked.methods], ignore_index=True)
        update(rows.assign(weights=weights, pixels=PIXELS[weights], seed=SEED), path=asked.results)
        print(printed(asked.results), flush=True)
    if asked.results == STORED:
        write_readme()


def trained(weights: str, asked: argparse.Namespace) -> tuple[Path, Cohort]:
    """Return a finished run of the quick preset with one kind of weights, and its hips."""
    table = simulate_cohort(asked.work / "simulated", n=asked.n, seed=SEED, size=asked.picture)
    cohort = Cohort.from_csv(table, images=table.parent / "images")
    quick = CompareConfig.from_preset("quick")
    config = replace(
        quick,
        folds=asked.folds,
        image=replace(quick.image, size=PIXELS[weights]),
        model=replace(quick.model, weights=weights),
        training=replace(quick.training, epochs=asked.epochs),
    )
    run = compare(
        cohort,
        out=asked.work / weights,
        config=config,
        models=(MODEL,),
        cache=asked.work / "cache",
        workers=1,
        progress=False,
    )
    return run.folder, cohort


def judged(run: Path, cohort: Cohort, method: str, asked: argparse.Namespace) -> pd.DataFrame:
    """Explain hips by one method, with every control that so many hips allow; return the scores."""
    some = cohort if method not in SLOW else cohort.subset(cohort.radiograph_ids[: asked.slow_n])
    out = asked.work / "explanations" / f"{run.name}_{method}_{len(some)}"
    found = (
        Explanation.load(out)
        if out.exists()
        else explain(
            run,
            some,
            model=MODEL,
            out=out,
            method=method,  # type: ignore[arg-type]
            masks=asked.work / "simulated" / "truth",
            controls=CONTROLS[:2] if method in SLOW else CONTROLS,
            steps=0 if method in SLOW else 8,
            cache=asked.work / "cache",
            seed=SEED,
        )
    )
    scores = found.overlap[found.overlap["measure"].isin(MEASURES) & found.overlap["region"].isin(REGIONS)]
    rows = [scores[["heat_of", "region", "measure", "value", "low", "high", "n"]]]
    if len(found.curves):
        areas = found.curves[found.curves["order"] == "heat - random"].assign(heat_of="trained", region="picture")
        rows.append(areas.rename(columns={"curve": "measure"})[rows[0].columns])
    grid = found.maps.shape[1:]
    if max(grid) <= 16:
        image, truth = load_run(run).config.image, asked.work / "simulated" / "truth"
        best = best_on_grid(some, truth, grid=(grid[0], grid[1]), image=image)
        rows.append(
            pd.DataFrame(
                [
                    {"heat_of": "one cell", "region": r, "measure": MEASURES[0], "value": v, "n": len(some)}
                    for r, v in best.items()
                ]
            )
        )
    return pd.concat(rows, ignore_index=True).assign(method=method, grid=f"{grid[0]} x {grid[1]}")


def best_on_grid(cohort: Cohort, truth: Path, *, grid: tuple[int, int], image: ImageConfig) -> dict[str, float]:
    """Return the largest share over chance that one hot cell of a grid can have, mean over radiographs.

    A map of few cells cannot lie in a thin bone however well the model looks: this is what "all of it" would give.
    """
    masks = seen_masks(Masks.open(truth, radiograph_ids=cohort.radiograph_ids), cohort, image=image)
    cells = enlarged(np.eye(grid[0] * grid[1], dtype=np.float32).reshape(-1, *grid), size=image.size)
    best = {}
    for region in REGIONS[:2]:
        each = [
            region_share(cells, np.stack([inside] * len(cells)), np.stack([field] * len(cells)))
            for inside, field in zip(masks[region], masks["field"], strict=True)
        ]
        best[region] = float(np.mean([one.share.max() for one in each]) / np.mean([one.chance[0] for one in each]))
    return best


def timed(run: Path, cohort: Cohort, weights: str, asked: argparse.Namespace) -> pd.DataFrame:
    """Return the seconds of the everyday job: heat without controls, and the contributions of the record."""
    seconds: dict[str, float] = {}
    for method in ("hirescam", "grad_cam"):
        out = asked.work / "explanations" / f"{weights}_{method}_timed_{time.time_ns()}"
        start = time.perf_counter()
        explain(run, cohort, model=MODEL, out=out, method=method, controls=(), steps=0, cache=asked.work / "cache")  # type: ignore[arg-type]
        seconds[method] = time.perf_counter() - start
    start = time.perf_counter()
    record_contributions(run, cohort, model=MODEL, cache=asked.work / "cache")
    seconds["contributions"] = time.perf_counter() - start
    rows = [{"method": f"time of {name}", "measure": "seconds", "value": value} for name, value in seconds.items()]
    return pd.DataFrame(rows).assign(heat_of="trained", region="picture", n=len(cohort), grid="")


def parsed() -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of the hips, runs and explanations")
    parser.add_argument("--weights", nargs="+", choices=list(PIXELS), default=list(PIXELS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--time", action="store_true", help="time the everyday job, and judge nothing")
    parser.add_argument("--small", action="store_true", help="few hips, small pictures: to try the script")
    parser.add_argument("--results", type=Path, default=STORED)
    asked = parser.parse_args()
    if asked.small and asked.results == STORED:
        parser.error("a trial is not stored: name another file, --results FILE")
    for name, value in (SMALL if asked.small else FULL).items():
        setattr(asked, name, value)
    return asked


if __name__ == "__main__":
    main()
