"""Normal, old or freshly fractured?  Vertebrae are found, classified by an ensemble, and judged at another institution.

Run: python experiments/lumbar_fracture/measure.py --work FOLDER            (simulated spines; the README's tables)
     python experiments/lumbar_fracture/measure.py --work FOLDER --backbones paper --workers 1     (on a GPU)
     python experiments/lumbar_fracture/measure.py --work FOLDER --small --results trial.csv       (a trial)
A killed run is continued by the same command.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from figures import class_rows, detector_rows, patient_rows
from studies import CLASSES, TARGET, VOTES, Study
from table import stored, update, write_readme
from zones import zone_rows

from xattn_bmd import (
    Cohort,
    FoldPlan,
    Localiser,
    Predictor,
    Run,
    compare,
    crop_classes,
    evaluate,
    hard_vote,
    read_boxes,
    simulate_cohort,
    soft_vote,
)
from xattn_bmd.data.target_roles import ClassRole

HERE = Path(__file__).parent
HOME, ELSEWHERE = "internal", "external"
PRESETS = {HOME: "spine", ELSEWHERE: "spine_external"}


def main() -> None:
    """Simulate, find, classify, vote, judge elsewhere, look at the heat; store and print every figure."""
    asked = parsed()
    study = Study().small() if asked.small else Study()
    study = replace(study, backbones=asked.backbones)
    path = HERE / "results" / "simulated.csv" if asked.results is None else asked.results
    update(pd.concat(figures(study, asked), ignore_index=True), path=path, study=study, workers=asked.workers)
    print(stored(path))
    if asked.results is None:
        write_readme(path)


def figures(study: Study, asked: argparse.Namespace) -> list[pd.DataFrame]:
    """Return every figure of the study."""
    films = {where: simulated(study, where, asked) for where in PRESETS}
    localiser = fitted_localiser(study, asked)
    found = {where: located(localiser, films[where].cohort, where, asked) for where in PRESETS}
    rows = [
        detector_rows(found[where], films[where].vertebrae(), films[where].cohort, where=where) for where in PRESETS
    ]
    crops = {where: cropped(films[where], found[where], where, asked) for where in PRESETS}
    run = compared(study, crops[HOME], asked)
    predictions = {HOME: with_votes(run.predictions, study)}
    elsewhere = evaluated(study, run, crops[ELSEWHERE], asked)
    predictions[ELSEWHERE] = with_votes(elsewhere, study)
    rows += [class_rows(predictions[where], study, where=where) for where in PRESETS]
    rows += [patient_rows(predictions, study, where=where) for where in PRESETS]
    return [
        *rows,
        zone_rows(
            run,
            crops[HOME],
            study,
            out=asked.results.parent if asked.results else HERE / "results",
            cache=asked.work / "cache",
        ),
    ]


class Films(NamedTuple):
    """Simulated radiographs of an institution.

    Attributes:
        cohort: radiographs and record.
        folder: where they lie, with the boxes and what is known of every vertebra.
    """

    cohort: Cohort
    folder: Path

    def vertebrae(self) -> pd.DataFrame:
        """Return what is known of every vertebra."""
        return pd.read_csv(self.folder / "vertebrae.csv", dtype={"radiograph_id": str, "patient_id": str})


def simulated(study: Study, where: str, asked: argparse.Namespace, *, people: int = 0) -> Films:
    """Return simulated radiographs of an institution; other people of it where ``people`` is given."""
    n = people or (study.patients if where == HOME else study.external)
    seed = study.seed + (7 if people else 0) + (0 if where == HOME else 5000)
    folder = asked.work / "simulated" / f"{PRESETS[where]}_{n}_{study.picture}px_{seed}"
    made = {"n": n, "preset": PRESETS[where], "seed": seed, "size": study.picture, "workers": asked.workers}
    table = simulate_cohort(folder, **made)
    return Films(Cohort.from_csv(table).in_id_order(), folder)


def fitted_localiser(study: Study, asked: argparse.Namespace) -> Localiser:
    """Return the detector, trained on people who are in no other part of the study."""
    folder = asked.work / f"localiser_{study.found_by}"
    if not folder.exists():
        films = simulated(study, HOME, asked, people=study.found_by)
        boxes = read_boxes(films.folder / "boxes.csv")
        Localiser.fit(
            films.cohort, boxes, labels=("vertebra",), config=study.localiser(),
            on_epoch=lambda course: print("detector:", dict(course), flush=True),
        ).save(folder)  # fmt: skip
    return Localiser.load(folder)


def located(localiser: Localiser, cohort: Cohort, where: str, asked: argparse.Namespace) -> pd.DataFrame:
    """Return every detection in a cohort, down to the detector's floor."""
    file = asked.work / f"found_{where}_{len(cohort)}.csv"
    if not file.exists():
        localiser.locate(cohort, threshold=0.0, on_problem="warn", out=file)
    boxes = read_boxes(file)
    boxes["kept"] = boxes["score"] >= localiser.threshold
    return boxes


def cropped(films: Films, found: pd.DataFrame, where: str, asked: argparse.Namespace) -> Cohort:
    """Return the cohort of the vertebrae that were found, each with the class of the true one that it overlaps."""
    out = asked.work / "crops" / f"{where}_{len(films.cohort)}"
    if out.exists():
        return Cohort.from_csv(out / "cohort.csv").in_id_order()
    kept = found[found["kept"]].drop(columns="kept")
    role = ClassRole(column=TARGET, classes=CLASSES)
    truth = films.vertebrae()
    return crop_classes(films.cohort, truth, target=role, out=out, found=kept, margin=0.15, on_problem="warn")


def compared(study: Study, crops: Cohort, asked: argparse.Namespace) -> Run:
    """Return the comparison of all members on the same folds; a patient's vertebrae are in one fold."""
    config = study.config()
    plan = FoldPlan.make(crops, folds=config.folds, seed=config.seed, inner_fraction=config.inner_fraction)
    out = asked.work / "runs" / f"{study.backbones}_{len(crops)}_{study.epochs}"
    shared = {"plan": plan, "cache": asked.work / "cache", "workers": asked.workers, "progress": False}
    return compare(crops, out=out, config=config, **shared)


def evaluated(study: Study, run: Run, crops: Cohort, asked: argparse.Namespace) -> pd.DataFrame:
    """Return the predictions of every model at the other institution."""
    out = asked.work / "external" / f"{run.folder.name}_{len(crops)}"
    if not out.exists():
        predictors = [Predictor.from_run(run, name) for name in study.models]
        evaluate(predictors, crops, out=out, cache=asked.work / "cache", seed=study.seed)
    return pd.read_csv(out / "predictions.csv", dtype={"radiograph_id": str, "patient_id": str})


def with_votes(predictions: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return predictions with both ensembles of the members that see the picture alone."""
    rules = zip(VOTES, (soft_vote, hard_vote), strict=True)
    voted = [rule(predictions, members=study.members, classes=CLASSES, name=name) for name, rule in rules]
    return pd.concat([predictions, *voted], ignore_index=True)


def parsed() -> argparse.Namespace:
    """Return the command line's wishes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of cohorts, crops, runs and maps")
    parser.add_argument("--backbones", choices=("quick", "paper"), default="quick")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--small", action="store_true", help="a trial of minutes whose figures mean nothing")
    parser.add_argument("--results", type=Path, help="file of figures; the stored one unless named")
    asked = parser.parse_args()
    if asked.small and asked.results is None:
        parser.error("--small is a trial: name a --results file of its own")
    return asked


if __name__ == "__main__":
    main()
