"""Change one thing at a time in simulated people and print how far trained models follow.

Prints the tables of the README, and writes them there where it is asked to; of the pictures nothing is kept.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from xattn_bmd import Predictor, counterfactual_slopes, draw_hips
from xattn_bmd.atomic import atomic_replace, atomic_write
from xattn_bmd.explanation.counterfactual.figure import slope_figure
from xattn_bmd.report.figures.save import save_figure
from xattn_bmd.training.environment import commit, machine

HERE = Path(__file__).parent
README, STORED = HERE / "README.md", HERE / "results" / "counterfactual.csv"
BEGIN, END = "<!-- answer: begin -->", "<!-- answer: end -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("predictors", nargs="+", type=Path, help="RUN/MODEL of models trained on simulated hips")
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--preset", default="hcs", choices=["hcs", "screening"])
    parser.add_argument("--seed", type=int, default=4711, help="of the people, whom no training may have seen")
    parser.add_argument("--size", type=int, default=512, help="of the simulated pictures")
    parser.add_argument("--figures", type=Path, help="folder for one figure for each model")
    parser.add_argument("--readme", action="store_true", help="write the tables to results/ and the README")
    chosen = parser.parse_args()
    people = draw_hips(n=chosen.people, preset=chosen.preset, seed=chosen.seed)
    tables, lines = [], []
    for folder in chosen.predictors:
        predictor = Predictor.load(folder)
        slopes = counterfactual_slopes(predictor, people, size=chosen.size)
        slopes = slopes.assign(trunk=predictor.image_encoder, seed=chosen.seed, commit=commit(HERE), machine=machine())
        tables.append(slopes)
        lines += markdown(slopes)
        print("\n".join(markdown(slopes)), flush=True)
        if chosen.figures:
            save_figure(slope_figure(slopes), chosen.figures / f"{len(tables)}_{folder.name}_slopes")
    if chosen.readme:
        STORED.parent.mkdir(exist_ok=True)
        atomic_write(STORED, pd.concat(tables, ignore_index=True).to_csv(index=False, float_format="%.5f"))
    if chosen.readme:
        atomic_replace(README, "\n".join(lines).strip(), begin=BEGIN, end=END)


def markdown(slopes: pd.DataFrame) -> list[str]:
    """Return one row for each change: the whole slope, and the part that each region of the picture carries."""
    regions = [name for name in slopes["region"].unique() if name != "whole"]
    first = slopes.iloc[0]
    areas = {name: slopes.loc[slopes["region"] == name, "area"].iloc[0] for name in regions}
    head = ["change", "one step", "ideal", "slope [95 %]", *(f"{name} ({100 * areas[name]:.0f} %)" for name in regions)]
    lines = [
        f"\n**{first['model']}**, trunk: {first['trunk']}; {first['n']} hips of {first['patients']} people:\n",
        f"| {' | '.join(head)} |",
        "|---" * len(head) + "|",
    ]
    for (change, step), part in slopes.groupby(["change", "step"], sort=False):
        by_region = part.set_index("region")
        whole = by_region.loc["whole"]
        digits = 2 if whole["ideal"] else 4
        cells = [f"{by_region.loc[name, 'slope']:+.{digits}f}" for name in regions]
        shown = f"{whole['slope']:+.{digits}f} [{whole['low']:+.{digits}f}, {whole['high']:+.{digits}f}]"
        row = [str(change), str(step), f"{whole['ideal']:.0f}", shown, *cells]
        lines.append(f"| {' | '.join(row)} |")
    lines += ["", f"Seed {first['seed']}; commit {first['commit']}; machine: {first['machine']}."]
    return [line.replace("-0.", "−0.") for line in lines]


if __name__ == "__main__":
    main()
