"""The localiser: learns boxes, finds them in new radiographs, and is kept in a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save as save_tensors

from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.plans.split import Split, refuse_leak
from xattn_bmd.data.plans.stratify import draw, group_patients
from xattn_bmd.data.seen import Seen
from xattn_bmd.errors import ConfigError, LocaliseError
from xattn_bmd.localise.boxes.files import write_boxes
from xattn_bmd.localise.boxes.table import in_reading_order, require_boxes
from xattn_bmd.localise.config import LocaliserConfig
from xattn_bmd.localise.detectors.detector import Boxes, Detector
from xattn_bmd.localise.detectors.fit import Course, Sample, fit_detector
from xattn_bmd.localise.found import best_threshold, find_boxes, keep_expected
from xattn_bmd.localise.pictures import SeenRadiograph, see_cohort
from xattn_bmd.localise.problems import OnProblem, tell
from xattn_bmd.metrics.tables.detection import detection_table
from xattn_bmd.models.network_folder import NetworkFolder
from xattn_bmd.models.place import torch_place
from xattn_bmd.seeds import derive_seed
from xattn_bmd.types import BOX_COLUMNS

FILES = NetworkFolder("localiser", "xattn-bmd-localiser-2", LocaliseError)


@dataclass(frozen=True, eq=False)
class Localiser:
    """A fitted detector of bones in radiographs.

    Attributes:
        detector: the network, in evaluation mode.
        labels: names of the kinds of box.
        config: settings that it was fitted with.
        threshold: score from which a detection counts, the best F1 (overlap 0.5) on the validation part.
        history: course of every epoch: ``epoch``, ``loss``, ``score`` (mAP@0.5:0.95 of the validation part),
            ``seconds``.
        fitted_on: salted hashes of every patient and picture of the fit, those held out too: they chose the epoch.
    """

    detector: Detector
    labels: tuple[str, ...]
    config: LocaliserConfig
    threshold: float
    history: tuple[Course, ...]
    fitted_on: Seen

    @classmethod
    def fit(
        cls,
        cohort: Cohort,
        boxes: pd.DataFrame,
        *,
        labels: Sequence[str],
        config: LocaliserConfig | None = None,
        device: str = "cpu",
        on_epoch: Callable[[Course], None] | None = None,
    ) -> Localiser:
        """Learn from radiographs whose boxes are all drawn.

        A part of the patients is held out: it chooses the epoch (highest mAP@0.5:0.95) and the score threshold.  On one
        CPU and number of threads, the same data and seed give the same localiser to the last bit.

        Args:
            cohort: radiographs with their images; no target is needed.
            boxes: every box of every one of them.
            labels: names of the kinds of box.
            config: settings; None takes the default ones.
            device: where to train, as torch names it: ``"cpu"``, ``"cuda"``.
            on_epoch: called with each epoch's course as it ends.

        Raises:
            CohortError: listing every problem of the cohort and its images.
            LocaliseError: listing every problem of the boxes, also radiographs without any.
            FoldPlanError: if one picture is filed under two patients and would be on both sides.
            ConfigError: if the device is not there, or fewer than two patients are given.
            ModelError: if the first weights cannot be had.
        """
        config = config or LocaliserConfig()
        place = torch_place(device)
        seen = see_cohort(cohort, size=config.size)
        require_boxes(
            boxes, labels=labels, sizes={name: radiograph.shape for name, radiograph in seen.items()}, all_boxed=True
        )
        patients = dict(zip(cohort.radiograph_ids, cohort.patient_ids, strict=True))
        split = _held_out(boxes, patients, config=config)
        refuse_leak(split, {name: each.content_hash for name, each in seen.items()}, shared="picture", place="this fit")
        validation = {name: seen[name] for name in split.validation}
        true = boxes[boxes["radiograph_id"].isin(split.validation)]

        def score(detector: Detector) -> float:
            found = find_boxes(detector, validation, labels=labels, device=place)
            return _map50_95(true, found, {name: patients[name] for name in validation})

        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(config.seed, "localiser"))
            detector = Detector(labels=len(labels), config=config)
            training = _samples(split.train, seen, boxes, labels=labels)
            history = fit_detector(detector, training, config=config, device=place, judge=score, on_epoch=on_epoch)
        found = find_boxes(detector, validation, labels=labels, device=place)
        fitted_on = _fitted_on(cohort, seen)
        return cls(detector.cpu(), tuple(labels), config, best_threshold(true, found), tuple(history), fitted_on)

    def locate(
        self,
        cohort: Cohort,
        *,
        expected: Mapping[str, tuple[int, int]] | None = None,
        threshold: float | None = None,
        on_problem: OnProblem = "raise",
        out: str | Path | None = None,
        device: str = "cpu",
    ) -> pd.DataFrame:
        """Find the boxes of new radiographs.

        A radiograph in which nothing is found, or fewer or more boxes of a label than expected, is a problem.  With
        ``"warn"`` one warning lists them all; of too many boxes the most certain are kept, too few stay as they are,
        and a radiograph without any has no row.

        Args:
            cohort: radiographs with their images; no target is needed.
            expected: lowest and highest number of boxes in a radiograph by label, such as ``{"femur": (1, 2)}``.
            threshold: score from which a detection counts; None takes that of the fit.
            on_problem: ``"raise"`` or ``"warn"``.
            out: file to write the boxes to, if there is no problem or it is only a warning: ``.csv`` or ``.json``.
            device: where to run, as torch names it.

        Returns:
            One row per box: ``radiograph_id, label, x0, y0, x1, y1, score``, pixels of the radiograph as displayed; in
            the order of the cohort, then of the labels, then from top to bottom.

        Raises:
            CohortError: listing every problem of the cohort and its images.
            LocaliseError: listing every problem of what was found, with ``on_problem="raise"``.
            ConfigError: if a setting is impossible.
        """
        place = torch_place(device)
        seen = see_cohort(cohort, size=self.config.size)
        found = find_boxes(self.detector.to(place), seen, labels=self.labels, device=place)
        kept = found[found["score"] >= (self.threshold if threshold is None else threshold)]
        names = cohort.radiograph_ids
        kept, problems = keep_expected(kept, radiographs=names, labels=self.labels, expected=expected or {})
        tell([problem.message for problem in problems], on_problem=on_problem, what="What was found")
        table = in_reading_order(kept, names, self.labels)
        if out is not None:
            write_boxes(table, out, labels=self.labels, sizes={name: each.shape for name, each in seen.items()})
        return table

    def save(self, folder: str | Path) -> None:
        """Write the localiser as ``network.safetensors`` and ``localiser.json`` into a new folder, in one step.

        Raises:
            LocaliseError: if the folder exists or cannot be written.
        """
        values = self._decided() | {"history": [dict(course) for course in self.history]}
        FILES.save(Path(folder), values, self.detector.state_dict())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that what it finds follows from, and of whom it was fitted on; a saved copy has the same."""
        digest = hashlib.sha256(json.dumps(self._decided(), sort_keys=True).encode())
        digest.update(save_tensors({name: one.contiguous() for name, one in self.detector.state_dict().items()}))
        return digest.hexdigest()

    def _decided(self) -> dict[str, Any]:
        return {
            "labels": list(self.labels),
            "threshold": self.threshold,
            "config": self.config.to_dict(),
            "fitted_on": self.fitted_on.to_dict(),
        }

    @classmethod
    def load(cls, folder: str | Path) -> Localiser:
        """Read what :meth:`save` wrote; nothing is unpickled.

        Raises:
            LocaliseError: if a file is missing, damaged, or of another format.
        """
        values, state = FILES.load(Path(folder))
        config = LocaliserConfig.from_dict(values["config"])
        labels = tuple(values["labels"])
        blank = LocaliserConfig.from_dict(values["config"] | {"weights": "none"})
        detector = Detector(labels=len(labels), config=blank)
        detector.load_state_dict(state)
        detector.to(memory_format=torch.channels_last)  # as it was fitted: another layout rounds differently
        fitted_on = Seen.from_dict(values["fitted_on"])
        return cls(detector.eval(), labels, config, float(values["threshold"]), tuple(values["history"]), fitted_on)


def _held_out(boxes: pd.DataFrame, patients: Mapping[str, str], *, config: LocaliserConfig) -> Split:
    """Return whole patients for training and validation, alike in the number of boxes; nothing is scored here."""
    names = sorted(patients)
    count = boxes["radiograph_id"].value_counts()
    grouped = group_patients(
        [patients[name] for name in names], target=[float(count[name]) for name in names], strata=[""] * len(names)
    )
    if len(grouped) < 2:
        raise ConfigError(
            "A localiser holds patients out to choose its epoch, but there is one patient only; give two or more."
        )
    rng = np.random.default_rng(derive_seed(config.seed, "localiser validation"))
    rows = draw(grouped, fraction=config.validation_fraction, bins=None, rng=rng)
    chosen = {grouped.names[row] for row in rows}
    train = tuple(name for name in names if patients[name] not in chosen)
    return Split(train=train, validation=tuple(name for name in names if patients[name] in chosen), test=())


def _fitted_on(cohort: Cohort, seen: Mapping[str, SeenRadiograph]) -> Seen:
    pictures = sorted(each.content_hash for each in seen.values())
    salt = hashlib.sha256(" ".join(pictures).encode()).hexdigest()
    return Seen.of(salt=salt, patients=cohort.patient_ids, pictures=pictures)


def _samples(
    names: Iterable[str], seen: Mapping[str, SeenRadiograph], boxes: pd.DataFrame, *, labels: Sequence[str]
) -> list[Sample]:
    samples = []
    parts = dict(iter(boxes.groupby("radiograph_id")))
    for name in names:
        corners = seen[name].seen(parts[name][list(BOX_COLUMNS[2:])].to_numpy(np.float64))
        codes = [labels.index(label) for label in parts[name]["label"]]
        truth = Boxes(torch.from_numpy(corners.astype(np.float32)), torch.tensor(codes, dtype=torch.int64))
        samples.append(Sample(seen[name].tensor(), truth))
    return samples


def _map50_95(true: pd.DataFrame, found: pd.DataFrame, patients: Mapping[str, str]) -> float:
    table = detection_table(true, found, patients=patients, replicates=0)
    return float(table.loc[(table["metric"] == "map50_95") & (table["label"] == "all"), "value"].iloc[0])
