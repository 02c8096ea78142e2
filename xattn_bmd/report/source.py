"""What a report is made from: a run folder, or a predictions table that another tool made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xattn_bmd.bone.reference import Reference, get_reference
from xattn_bmd.errors import ConfigError, RunError
from xattn_bmd.report.record import OwnRecord, joined_record, record_within
from xattn_bmd.report.words import Words, words_of

if TYPE_CHECKING:
    import pandas as pd

    from xattn_bmd.metrics.crossfit import Calibration

PREDICTIONS, CALIBRATION, RECORD, ATTENTION = "predictions.csv", "calibration.csv", "record.csv", "attention.csv"
INPUTS, MASKS, CLASS_HEADS = "inputs.csv", "masks.csv", "class_heads.csv"
CARRIED = ("metrics", "screening", "agreement", "triage", "decision_curve", "conformal", "drop")
"""Tables of an external validation that cannot be made from its predictions alone."""

CONFIG, PLAN, COHORT, ENVIRONMENT = "config.yaml", "fold_plan.json", "cohort.json", "environment.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportSource:
    """What is known about the predictions; None where the source does not say.

    Attributes:
        path: the run folder, or the table.
        predictions: the valid predictions table.
        reference: the young-adult population of the T-scores, or the cut-offs of QCT.
        calibration: rows of the inner validation parts by (model, repeat, fold).
        record: the clinical record, one row per radiograph with ``radiograph_id``.
        unmatched: ids of the predictions without a row in the record.
        simulated: whether the radiographs are made up.
        protocol: "nested", or "paper" where checkpoints were chosen on the scored folds.
        plan: the fold plan.
        config: settings of the comparison.
        config_text: the same as it stands in the file.
        environment: versions and machine.
        cohort: roles of the columns and fingerprint of the data.
        attention: attention weights, as stored.
        inputs: predictions with picture or record withheld.
        masks: agreement of the masks found with those drawn.
        class_heads: how well classes are told apart by the density and by a class head; of models that have one.
        carried: result tables of an external validation, by name, in which everything fitted was carried over from the
            development cohort; empty for any other source.
    """

    path: Path
    predictions: pd.DataFrame
    reference: Reference
    calibration: Calibration | None = None
    record: pd.DataFrame | None = None
    unmatched: tuple[str, ...] = ()
    simulated: bool | None = None
    protocol: str | None = None
    plan: Mapping[str, Any] | None = None
    config: Mapping[str, Any] | None = None
    config_text: str = ""
    environment: Mapping[str, Any] | None = None
    cohort: Mapping[str, Any] | None = None
    attention: pd.DataFrame | None = None
    inputs: pd.DataFrame | None = None
    masks: pd.DataFrame | None = None
    class_heads: pd.DataFrame | None = None
    carried: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def is_run(self) -> bool:
        """Whether the source is a run folder of this library."""
        return self.cohort is not None

    @property
    def optimistic(self) -> bool:
        """Whether each checkpoint was chosen on the fold that is scored."""
        return self.protocol == "paper"

    @property
    def is_external(self) -> bool:
        """Whether the radiographs took no part in the models' development."""
        return bool(self.carried)

    @property
    def roles(self) -> Mapping[str, Any]:
        """Roles of the cohort's columns; empty where they are not known."""
        return (self.cohort or {}).get("roles") or {}

    @property
    def image_settings(self) -> Mapping[str, Any] | None:
        """How images became pixels; None where the source does not say, or no model of an evaluation saw one."""
        return image_settings(self.config, self.cohort)

    @property
    def words(self) -> Words:
        """What images are called, and how densities are written."""
        return words_of(self.reference, self.image_settings)

    @property
    def image_encoder(self) -> str:
        """What the image encoder had learnt from before, in words; empty where the source does not say."""
        recorded = (self.environment or {}).get("image_encoder")
        model = (self.config or {}).get("model") or {}
        named = f"{model.get('backbone')}, weights: {model.get('weights')}" if model else ""
        return str(recorded or named)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models, in the order of the table."""
        return tuple(dict.fromkeys(self.predictions["model"]))


def open_source(path: str | Path, *, reference: str | None = None, record: str | Path | None = None) -> ReportSource:
    """Open a run folder or a bare predictions table.

    A ``predictions.csv`` that lies in a run folder is taken as that run, so that what the run knows (that its
    radiographs are simulated, say) is not lost.

    Args:
        path: a finished run folder, or a CSV file with the columns of a predictions table; its further columns serve as
            the clinical record.
        reference: name of the reference population; a run knows its own.
        record: CSV file of clinical variables with ``radiograph_id``.

    Raises:
        RunError: if nothing is there, or a folder is no finished run, or a file of it is damaged.
        ConfigError: if no reference is named and the source has none, or its name is unknown.
        MetricError: if the table or the record cannot be used.
    """
    from xattn_bmd.metrics.predictions import read_predictions

    path = Path(path)
    if not path.exists():
        raise RunError(f"A report is made from a run folder or a table, but {path} does not exist; mend the path.")
    if path.name == PREDICTIONS and (path.parent / COHORT).is_file():
        path = path.parent
    if path.is_dir():
        return _open_run(path, reference=reference, record=record)
    population = get_reference(_required_reference(reference, path))
    table = read_predictions(path)
    own = joined_record(record, table) if record is not None else record_within(table)
    return ReportSource(path=path, predictions=table, reference=population, record=own.table, unmatched=own.unmatched)


def _open_run(folder: Path, *, reference: str | None, record: str | Path | None) -> ReportSource:
    from xattn_bmd.metrics.predictions import read_predictions

    if not (folder / PREDICTIONS).is_file():
        raise RunError(
            f"A finished run folder holds {PREDICTIONS}, but {folder} does not; let the comparison finish, or give the "
            "table's own path."
        )
    config_text = read_text_file(folder / CONFIG)
    config, cohort = read_yaml(folder / CONFIG), read_json(folder / COHORT)
    roles = (cohort or {}).get("roles", {})
    named = reference or (config or {}).get("reference") or roles.get("reference")
    table = read_predictions(folder / PREDICTIONS)
    own = _record_of_run(folder, table, record)
    return ReportSource(
        path=folder,
        predictions=table,
        reference=get_reference(_required_reference(named, folder)),
        calibration=_calibration(folder / CALIBRATION, table),
        record=own.table,
        unmatched=own.unmatched,
        simulated=(cohort or {}).get("simulated"),
        protocol=(config or {}).get("protocol"),
        plan=read_json(folder / PLAN),
        config=config,
        config_text=config_text,
        environment=read_json(folder / ENVIRONMENT),
        cohort=cohort,
        attention=_attention(folder / ATTENTION),
        inputs=_inputs(folder / INPUTS),
        masks=read_plain_table(folder / MASKS),
        class_heads=read_plain_table(folder / CLASS_HEADS),
        carried=_carried(folder, cohort or {}),
    )


def _record_of_run(folder: Path, table: pd.DataFrame, record: str | Path | None) -> OwnRecord:
    if record is None and (folder / RECORD).is_file():
        record = folder / RECORD
    return OwnRecord(None, ()) if record is None else joined_record(record, table)


def _required_reference(name: str | None, path: Path) -> str:
    from xattn_bmd.bone.reference import REFERENCES

    if name is None:
        raise ConfigError(
            f"T-scores need a named reference population, but {path.name} does not say which; "
            f"give --reference with one of {', '.join(REFERENCES)}."
        )
    return name


def _calibration(path: Path, predictions: pd.DataFrame) -> Calibration | None:
    from xattn_bmd.metrics.crossfit import calibration_rows
    from xattn_bmd.metrics.predictions import read_calibration, validate_calibration

    return calibration_rows(validate_calibration(read_calibration(path), predictions)) if path.is_file() else None


def _attention(path: Path) -> pd.DataFrame | None:
    table = read_plain_table(path)
    missing = set() if table is None else {"model", "repeat", "fold", "variable", "attention", "n"} - set(table.columns)
    if missing:
        raise RunError(f"{path.name} has a column {sorted(missing)[0]}, but it is missing; restore the file.")
    return table


def _inputs(path: Path) -> pd.DataFrame | None:
    from xattn_bmd.metrics.tables.inputs import read_inputs

    return read_inputs(path) if path.is_file() else None


def _carried(folder: Path, cohort: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    if cohort.get("validation") != "external":
        return {}
    found = {name: read_plain_table(folder / f"{name}.csv") for name in CARRIED}
    return {name: table for name, table in found.items() if table is not None}


def image_settings(config: Mapping[str, Any] | None, cohort: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return how images became pixels, from a run's ``config.yaml`` or an evaluation's ``cohort.json``.

    Returns:
        None where neither says, or no model of an evaluation saw an image.
    """
    if config:
        return config.get("image") or {}
    return next((one["image"] for one in (cohort or {}).get("predictors", ()) if one.get("image")), None)


def read_text_file(path: Path) -> str:
    """Return the text of a file; empty where there is none."""
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def read_plain_table(path: Path) -> pd.DataFrame | None:
    """Return a CSV file of a run; None where there is none."""
    import pandas as pd

    if not path.is_file():
        return None
    try:
        texts = ("radiograph_id", "patient_id", "site", "model", "reason", "fitted_on", "average")
        return pd.read_csv(path, dtype=dict.fromkeys(texts, str)).fillna(dict.fromkeys(texts, ""))
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as cause:
        raise RunError(f"{path.name} is a CSV file in UTF-8, but it cannot be read as one; restore it.") from cause


def read_json(path: Path) -> Mapping[str, Any] | None:
    """Return the content of a JSON file of a run; None where there is none."""
    try:
        return _mapping(json.loads(read_text_file(path) or "null"), path)
    except ValueError as cause:
        raise RunError(f"{path.name} of a run is JSON, but it is damaged ({cause}); restore it.") from cause


def read_yaml(path: Path) -> Mapping[str, Any] | None:
    """Return the content of a YAML file of a run; None where there is none."""
    import yaml

    try:
        return _mapping(yaml.safe_load(read_text_file(path)), path)
    except yaml.YAMLError as cause:
        raise RunError(f"{path.name} of a run is YAML, but it is damaged; restore it.") from cause


def _mapping(value: object, path: Path) -> Mapping[str, Any] | None:
    if value is None or isinstance(value, Mapping):
        return value
    raise RunError(f"{path.name} of a run holds names and values, but something else was found; restore it.")
