"""Bone density from CT at home and in three other hospitals: networks against mean HU, on simulated volumes.

Run: python experiments/ct_density/measure.py --work FOLDER                            (the README's tables)
     python experiments/ct_density/measure.py --work FOLDER --quick --workers 2        (all of it in half an hour)
     python experiments/ct_density/measure.py --work FOLDER --small --results T.csv    (a trial, minutes)
A killed run is continued by the same command.  Figures go to results/simulated.csv, those of the quick preset to
results/quick.csv, and the tables to the README.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")  # another number gives other bits, and so another segmenter

import numpy as np
import pandas as pd
from classify import class_networks
from figures import figures, training_rows
from levels import find_levels
from studies import (
    AS_READ,
    AUGMENTED,
    CALIBRATED,
    ELSEWHERE,
    HOME,
    NETWORK,
    PRESETS,
    READINGS,
    TRAINING,
    Study,
)  # fmt: skip
from table import stored, update, write_readme

from xattn_bmd import (
    Cohort,
    CompareConfig,
    FoldPlan,
    Predictor,
    VolumeSegmenter,
    compare,
    crop_volumes,
    evaluate,
    group_labels,
    read_labels,
    read_volume,
    simulate_ct,
)
from xattn_bmd.atomic import atomic_write
from xattn_bmd.bone.calibration import DensityLine
from xattn_bmd.data.roles import NumericRole

HERE = Path(__file__).parent


def main() -> None:
    """Simulate, segment, cut, fit, judge elsewhere; store and print every figure."""
    asked = parsed()
    started = None if asked.work.exists() else time.perf_counter()
    study = Study().small() if asked.small else Study().quick() if asked.quick else Study()
    path = asked.results or HERE / "results" / ("quick.csv" if asked.quick else "simulated.csv")
    found = {where: bones(study, where, asked) for where in PRESETS}
    cohorts = {where: fields(study, where, found[where], asked, mended=False) for where in PRESETS}
    plan = FoldPlan.make(
        cohorts[HOME], folds=study.folds, seed=study.seed, inner_fraction=study.config().inner_fraction
    )
    predictions = predicted(study, found, cohorts, plan, asked)
    training = predictions.pop(TRAINING)
    parts = [training_rows(training, study), figures(predictions, found, study)]
    rows = pd.concat([*parts, class_networks(study, cohorts, plan, asked)], ignore_index=True)
    minutes = None if started is None else (time.perf_counter() - started) / 60
    update(rows, path=path, study=study, workers=asked.workers, minutes=minutes)
    print(stored(path))
    if asked.results is None:
        write_readme(path, quick=asked.quick)


def simulated(study: Study, where: str, asked: argparse.Namespace, *, others: int = 0) -> Path:
    """Return the folder of simulated scans of a place; of other people there where ``others`` is given."""
    n = others or (study.home if where == HOME else study.elsewhere)
    seed = study.seed + (7 if others else 0) + (0 if where == HOME else 5000)
    folder: Path = asked.work / "simulated" / f"{PRESETS[where]}_{n}_{seed}"
    simulate_ct(folder, n=n, preset=PRESETS[where], seed=seed, workers=asked.workers)
    return folder


def opened(folder: Path) -> Cohort:
    """Return the scans of a folder in the order of their ids."""
    return Cohort.from_csv(folder / "cohort.csv").in_id_order()


def segmenter(study: Study, asked: argparse.Namespace) -> VolumeSegmenter:
    """Return the segmenter of vertebral bodies, trained on people who are in no other part of the study."""
    place = asked.work / f"segmenter_{study.drawn}_of_{study.drawn_from}_{study.rounds}"
    if not place.exists():
        folder = simulated(study, HOME, asked, others=study.drawn_from)
        cohort = spread(opened(folder), study.drawn)
        numbers = tuple(json.loads((folder / "truth" / "labels.json").read_text()).values())
        volumes = [read_volume(path) for path in cohort.image_paths.values()]
        labels = [
            group_labels(read_labels(folder / "truth" / "bodies" / f"{name}.nii.gz", like=volume), {"body": numbers})
            for name, volume in zip(cohort.radiograph_ids, volumes, strict=True)
        ]
        VolumeSegmenter.fit(
            volumes, labels, patients=cohort.patient_ids, config=study.segmenter(),
            on_epoch=lambda course: print("segmenter:", dict(course), flush=True),
        ).save(place)  # fmt: skip
    return VolumeSegmenter.open(place)


def spread(cohort: Cohort, n: int) -> Cohort:
    """Return the scans whose densities lie nearest to ``n`` values from the lowest to the highest, evenly apart."""
    left = dict(zip(cohort.radiograph_ids, cohort.targets, strict=True))
    values = np.linspace(min(left.values()), max(left.values()), n)
    chosen = []
    for value in values:
        chosen.append(min(left, key=lambda name: abs(left[name] - value)))
        del left[chosen[-1]]
    return cohort.subset(chosen)


def bones(study: Study, where: str, asked: argparse.Namespace) -> pd.DataFrame:
    """Return what was found in every scan of a place, with its scanner and measured density."""
    folder = simulated(study, where, asked)
    cohort = opened(folder)
    place = asked.work / "bones" / folder.name
    file = place / "found.csv"
    if not file.exists():
        found = find_levels(cohort, segmenter(study, asked), truth=folder / "truth" / "bodies", out=place / "labels")
        atomic_write(file, found.to_csv(index=False))
        print(f"{where}: bone found in {int((found['reason'] == '').sum())} of {len(found)} scans", flush=True)
    found = pd.read_csv(file, dtype={"scan_id": str}, keep_default_na=True).fillna({"reason": ""})
    return found.merge(cohort.table[["scan_id", "patient_id", "scanner", "qct"]], on="scan_id", validate="1:1")


def fields(study: Study, where: str, found: pd.DataFrame, asked: argparse.Namespace, *, mended: bool) -> Cohort:
    """Return the cohort of the fields around L1 and L2, with what was measured there.

    Args:
        study: sizes.
        where: which place.
        found: what was found there.
        asked: command line.
        mended: whether HU are put right by the phantom of each scan first.
    """
    folder = simulated(study, where, asked)
    out = asked.work / "fields" / (folder.name + ("_calibrated" if mended else ""))
    kept = found[found["reason"] == ""]
    if not out.exists():
        lines = {
            str(row.scan_id): DensityLine(float(row.slope), float(row.intercept), 0.0) for row in kept.itertuples()
        }
        crop_volumes(
            opened(folder).subset(kept["scan_id"]), asked.work / "bones" / folder.name / "labels", out=out,
            field_mm=study.field_mm, keep="labels", lines=lines if mended else None,
        )  # fmt: skip
    cohort = opened(out)
    columns = ["scan_id", "mean_hu", "density_assumed", "density_phantom"]
    return replace(cohort, table=cohort.table.merge(kept[columns], on="scan_id", validate="1:1"))


class Judged(NamedTuple):
    """Predictions of a run: out of fold at home, elsewhere, and at home by fold models trained on the patient."""

    home: pd.DataFrame
    elsewhere: pd.DataFrame
    training: pd.DataFrame


def predicted(
    study: Study,
    found: dict[str, pd.DataFrame],
    cohorts: dict[str, Cohort],
    plan: FoldPlan,
    asked: argparse.Namespace,
) -> dict[str, pd.DataFrame]:
    """Return the predictions of every model, in training, out of fold and elsewhere, with the scanner of each scan."""
    parts = [
        *networks(study, cohorts, found, plan, asked),
        *readings(study, cohorts, plan, asked),
        *as_read(cohorts, plan),
    ]
    made = {}
    for where, tables in zip((HOME, ELSEWHERE, TRAINING), zip(*parts, strict=True), strict=True):
        scans = found[ELSEWHERE if where == ELSEWHERE else HOME]
        scanners = dict(zip(scans["scan_id"], scans["scanner"], strict=True))
        whole = pd.concat(tables, ignore_index=True)
        made[where] = whole.assign(scanner=whole["radiograph_id"].map(scanners))
    return made


def networks(
    study: Study,
    cohorts: dict[str, Cohort],
    found: dict[str, pd.DataFrame],
    plan: FoldPlan,
    asked: argparse.Namespace,
) -> Iterator[Judged]:
    """Yield the predictions of the networks; of the one that sees the volume alone also in its two variants."""
    yield judged(study.config(), cohorts, plan, asked, name="networks")
    augmented = study.config((NETWORK,), augmented=True)
    yield judged(augmented, cohorts, plan, asked, name="augmented", called=AUGMENTED)
    mended = {where: fields(study, where, found[where], asked, mended=True) for where in PRESETS}
    yield judged(study.config((NETWORK,)), mended, plan, asked, name="calibrated", called=CALIBRATED)


def readings(study: Study, cohorts: dict[str, Cohort], plan: FoldPlan, asked: argparse.Namespace) -> Iterator[Judged]:
    """Yield the predictions of ridge regression on what was measured in the segmented bone."""
    for called, (column, record) in READINGS.items():
        read = {where: with_reading(cohort, column, record=record) for where, cohort in cohorts.items()}
        name = called.replace(" ", "_")
        yield judged(study.config(("ridge",)), read, plan, asked, name=name, called=called)


def with_reading(cohort: Cohort, column: str, *, record: bool) -> Cohort:
    """Return the cohort whose only clinical variable is a measurement, or that has it beside its record."""
    roles = cohort.roles
    if record:
        return replace(cohort, roles=replace(roles, numeric=(*roles.numeric, NumericRole(name=column))))
    return replace(cohort, roles=replace(roles, numeric=(NumericRole(name=column),), categorical=(), stratify=()))


def judged(
    config: CompareConfig,
    cohorts: dict[str, Cohort],
    plan: FoldPlan,
    asked: argparse.Namespace,
    *,
    name: str,
    called: str | None = None,
) -> Judged:
    """Return the predictions of a run at home and of its predictors elsewhere.

    Args:
        config: models and settings.
        cohorts: of each place.
        plan: folds at home.
        asked: command line.
        name: of the run's folder.
        called: name of its one model in the tables; None keeps the models' own.
    """
    cache = asked.work / "cache"
    run = compare(
        cohorts[HOME], out=asked.work / "runs" / name, config=config, plan=plan, cache=cache, workers=asked.workers,
        progress=False,
    )  # fmt: skip
    predictors = [Predictor.from_run(run, model) for model in config.models]
    out = asked.work / "external" / name
    if not out.exists():
        evaluate(predictors, cohorts[ELSEWHERE], out=out, cache=cache, seed=config.seed)
    print(f"{name}: fitted and evaluated", flush=True)
    away = pd.read_csv(out / "predictions.csv", dtype={"radiograph_id": str, "patient_id": str})
    training = in_training(predictors, run.predictions, cohorts[HOME], plan, cache=cache)
    return Judged(
        *(table if called is None else table.assign(model=called) for table in (run.predictions, away, training))
    )


def in_training(
    predictors: Sequence[Predictor], scored: pd.DataFrame, cohort: Cohort, plan: FoldPlan, *, cache: Path
) -> pd.DataFrame:
    """Return what a fold model that was trained on each patient predicts for them: the first such fold's.

    With few folds, a patient may be in the validation part whenever they are not scored; they are left out.
    """
    fold_of = {name: fold for fold in reversed(range(plan.folds)) for name in plan.split(0, fold).train}
    column = {name: place for place, name in enumerate(cohort.radiograph_ids)}
    parts = []
    for predictor in predictors:
        each = predictor.estimate_folds(cohort, cache=cache).each
        own = scored[(scored["model"] == predictor.model) & scored["radiograph_id"].isin(fold_of)]
        folds = own["radiograph_id"].map(fold_of)
        values = each[folds.to_numpy(), own["radiograph_id"].map(column).to_numpy()]
        parts.append(own.assign(fold=folds, prediction=values))
    return pd.concat(parts, ignore_index=True)


def as_read(cohorts: dict[str, Cohort], plan: FoldPlan) -> Iterator[Judged]:
    """Yield the densities that were measured, as if they were predictions; nothing is fitted."""
    for called, column in AS_READ.items():
        home, away = (_as_predictions(cohort, column, called) for cohort in (cohorts[HOME], cohorts[ELSEWHERE]))
        folds = {name: fold for fold in range(plan.folds) for name in plan.split(0, fold).test}
        yield Judged(home.assign(fold=home["radiograph_id"].map(folds)), away, home.head(0))


def _as_predictions(cohort: Cohort, column: str, called: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "radiograph_id": cohort.radiograph_ids, "patient_id": cohort.patient_ids, "site": cohort.sites,
            "model": called, "repeat": 0, "fold": 0, "target": cohort.targets,
            "prediction": cohort.table[column].to_numpy(dtype=np.float64), "unit": "mg/cm3",
        }
    )  # fmt: skip


def parsed() -> argparse.Namespace:
    """Return the command line's wishes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of scans, fields and runs")
    parser.add_argument("--workers", type=int, default=1)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="the whole study on two cores in half an hour")
    size.add_argument("--small", action="store_true", help="a trial of minutes whose figures mean nothing")
    parser.add_argument("--results", type=Path, help="file of figures; the stored one unless named")
    asked = parser.parse_args()
    if asked.small and asked.results is None:
        parser.error("--small is a trial: name a --results file of its own")
    return asked


if __name__ == "__main__":
    main()
