"""What a report of classes is made from: a finished run or evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xattn_bmd.errors import ConfigError, RunError
from xattn_bmd.report.numbers import count
from xattn_bmd.report.record import OwnRecord, joined_record
from xattn_bmd.report.source import (
    COHORT,
    CONFIG,
    ENVIRONMENT,
    PLAN,
    PREDICTIONS,
    RECORD,
    image_settings,
    read_json,
    read_plain_table,
    read_text_file,
    read_yaml,
)
from xattn_bmd.report.words import Words, image_word

if TYPE_CHECKING:
    import pandas as pd

DROP = "drop.csv"


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassSource:
    """What is known about class predictions.

    Attributes:
        path: the run or evaluation folder.
        classes: names of the classes, in their order.
        predictions: the valid table of class predictions.
        cohort: content of ``cohort.json``.
        config: settings of the comparison; None for an evaluation.
        config_text: the same as it stands in the file.
        plan: the fold plan; None for an evaluation.
        environment: versions and machine.
        record: the clinical record, one row per radiograph.
        drop: internal beside external values; None for a comparison.
    """

    path: Path
    classes: tuple[str, ...]
    predictions: pd.DataFrame
    cohort: Mapping[str, Any]
    config: Mapping[str, Any] | None
    config_text: str
    plan: Mapping[str, Any] | None
    environment: Mapping[str, Any] | None
    record: OwnRecord
    drop: pd.DataFrame | None

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models, in the order of the table."""
        return tuple(dict.fromkeys(self.predictions["model"]))

    @property
    def target(self) -> Mapping[str, Any]:
        """What ``cohort.yaml`` declares of the target."""
        declared: Mapping[str, Any] = self.cohort["roles"]["target"]
        return declared

    @property
    def simulated(self) -> bool:
        """Whether the radiographs are made up."""
        return bool(self.cohort["simulated"])

    @property
    def optimistic(self) -> bool:
        """Whether each checkpoint was chosen on the fold that is scored."""
        return (self.config or {}).get("protocol") == "paper"

    @property
    def words(self) -> Words:
        """What images are called."""
        return Words(image=image_word(image_settings(self.config, self.cohort) or {}))

    @property
    def counted(self) -> str:
        """How many images and patients were scored."""
        radiographs, patients = (self.predictions[name].nunique() for name in ("radiograph_id", "patient_id"))
        return f"n = {count(radiographs)} {self.words.images} of {count(patients)} patients"

    def caption(self, text: str, *, counted: str = "") -> str:
        """Return a caption that ends with n and with what is simulated.

        Args:
            text: whole sentences.
            counted: n in words where it is not that of the whole table.
        """
        return f"{text} {'; '.join(filter(None, (counted or self.counted, 'simulated' * self.simulated)))}."


def classes_of(path: Path) -> tuple[str, ...]:
    """Return the classes of a finished run or evaluation, or of one whose predictions table is named; else none."""
    folder = _folder(path)
    if not (folder / COHORT).is_file():
        return ()
    target = ((read_json(folder / COHORT) or {}).get("roles") or {}).get("target") or {}
    return tuple(target.get("classes", ()))


def refuse_reference(reference: str | None) -> None:
    """Refuse a reference population for a report of classes.

    Raises:
        ConfigError: if one was named.
    """
    if reference is not None:
        raise ConfigError(
            f"A reference population turns a density into a T-score, but the report is of classes and {reference!r} "
            "was given; leave it out."
        )


def open_class_source(path: Path, *, classes: tuple[str, ...], record: str | Path | None) -> ClassSource:
    """Open a finished run or evaluation.

    Args:
        path: its folder, or the predictions table in it.
        classes: from :func:`classes_of`.
        record: CSV file of clinical variables with ``radiograph_id``; None takes the folder's own.

    Raises:
        RunError: if it is not finished, or a file of it is damaged.
        MetricError: if the table or the record cannot be used.
    """
    from xattn_bmd.metrics.class_predictions import read_class_predictions

    folder = _folder(path)
    if not (folder / PREDICTIONS).is_file():
        raise RunError(
            f"A finished run folder holds {PREDICTIONS}, but {folder} does not; let the comparison finish first."
        )
    predictions = read_class_predictions(folder / PREDICTIONS, classes=classes)
    given = record or (folder / RECORD if (folder / RECORD).is_file() else None)
    return ClassSource(
        path=folder,
        classes=classes,
        predictions=predictions,
        cohort=read_json(folder / COHORT) or {},
        config=read_yaml(folder / CONFIG),
        config_text=read_text_file(folder / CONFIG),
        plan=read_json(folder / PLAN),
        environment=read_json(folder / ENVIRONMENT),
        record=OwnRecord(None, ()) if given is None else joined_record(given, predictions),
        drop=read_plain_table(folder / DROP),
    )


def _folder(path: Path) -> Path:
    return path.parent if path.name == PREDICTIONS else path
