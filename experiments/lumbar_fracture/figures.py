"""Every figure of the fracture study as rows: detector, classes, ensembles against members, patients, heat by zone."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from studies import CLASSES, POSITIVE, TARGET, VOTES, Study

from xattn_bmd import Cohort, detection_table
from xattn_bmd.localise.crops.classes import match_classes
from xattn_bmd.metrics.tables.class_comparisons import class_comparisons_table
from xattn_bmd.metrics.tables.class_metrics import class_metrics_table
from xattn_bmd.metrics.tables.patient_decision import patient_decision_table, patient_metrics_table

PROBABILITIES = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Threshold probabilities of an MRI that the README shows, stated beforehand."""


def detector_rows(found: pd.DataFrame, truth: pd.DataFrame, films: Cohort, *, where: str) -> pd.DataFrame:
    """Return mAP, and how many true vertebrae are missed at the detector's own threshold."""
    people = dict(zip(films.radiograph_ids, films.patient_ids, strict=True))
    boxes = truth.assign(label="vertebra")
    table = detection_table(boxes, found.drop(columns="kept"), patients=people)
    kept = found[found["kept"]].drop(columns="kept")
    matched, _ = match_classes(kept, truth)
    shares = {
        "missed": 1.0 - len(matched) / len(truth),
        "false per radiograph": (len(kept) - len(matched)) / len(films),
    }
    rows = [
        {"metric": name, "value": value, "n": len(films), "patients": len(people)} for name, value in shares.items()
    ]
    missed = truth[~truth["vertebra_id"].isin(matched["vertebra_id"])]
    rows += [
        {"metric": "missed", "class": name, "value": float((missed[TARGET] == name).sum()), "n": len(films)}
        for name in CLASSES
    ]
    return pd.concat([table, pd.DataFrame(rows)], ignore_index=True).assign(table="detector", where=where)


def class_rows(predictions: pd.DataFrame, study: Study, *, where: str) -> pd.DataFrame:
    """Return the class metrics of every model, and each of them against the soft vote."""
    scored = class_metrics_table(predictions, classes=CLASSES, seed=study.seed)
    paired = class_comparisons_table(predictions, against=VOTES[0], classes=CLASSES, seed=study.seed)
    paired = paired.rename(columns={"difference": "value", "model_a": "model"})
    return pd.concat([scored.assign(table="classes"), paired.assign(table="against soft vote")]).assign(where=where)


def patient_rows(predictions: Mapping[str, pd.DataFrame], study: Study, *, where: str) -> pd.DataFrame:
    """Return how well patients with a fresh fracture are told from others, and what sending them to MRI is worth."""
    developed = None if where == "internal" else predictions["internal"]
    asked = {"positive": POSITIVE, "developed": developed, "seed": study.seed}
    scored = patient_metrics_table(predictions[where], **asked).assign(table="patients")
    curve = patient_decision_table(predictions[where], probabilities=PROBABILITIES, **asked)
    curve = curve.rename(columns={"net_benefit": "value"}).assign(table="decision", metric="net benefit")
    return pd.concat([scored, curve], ignore_index=True).assign(where=where)
