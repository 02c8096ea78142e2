"""The folder of a comparison: opened once, continued after a kill, read back as a :class:`Run`."""

from __future__ import annotations

import difflib
import io
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from xattn_bmd.atomic import atomic_folder, atomic_write, disk_errors, remove_partials
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.config import CompareConfig, from_dict, to_dict
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.folds import FoldPlan
from xattn_bmd.errors import RunError
from xattn_bmd.metrics.predictions import read_predictions
from xattn_bmd.metrics.tables.comparisons import comparisons_table
from xattn_bmd.metrics.tables.regression import metrics_table
from xattn_bmd.metrics.tables.screening import screening_table
from xattn_bmd.training.fit import FoldResult, Job, reference_of

CONFIG, PLAN, COHORT = "config.yaml", "fold_plan.json", "cohort.json"
ENVIRONMENT, PREDICTIONS = "environment.json", "predictions.csv"
TABLES = ("metrics.csv", "screening.csv", "comparisons.csv")
PROTOCOL_LABELS = {"nested": "nested", "paper": "paper (optimistic)"}
"""How each protocol is named in every table."""

_LOCK = ".lock"
_PACKAGES = ("xattn-bmd", "torch", "torchvision", "timm", "pytorch-lightning", "scikit-learn", "numpy", "pandas")


@dataclass(frozen=True)
class Run:
    """A finished comparison.

    Attributes:
        folder: the run folder.
        config: the settings of the comparison.
        plan: the fold plan that every model was scored on.
        simulated: whether the radiographs are simulated.
    """

    folder: Path
    config: CompareConfig
    plan: FoldPlan
    simulated: bool

    @property
    def optimistic(self) -> bool:
        """True where checkpoints were chosen on the scored fold (protocol ``paper``)."""
        return self.config.protocol == "paper"

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Out-of-fold predictions of every model: one row per radiograph, model and repeat."""
        return read_predictions(self.folder / PREDICTIONS)

    def metrics(self) -> pd.DataFrame:
        """Regression metrics of every model, with patient-bootstrap 95 % intervals."""
        return _stored(self.folder / "metrics.csv")

    def screening(self) -> pd.DataFrame:
        """Screening metrics at T = -1 and -2.5, with the reference population named in every row."""
        return _stored(self.folder / "screening.csv")

    def comparisons(self) -> pd.DataFrame:
        """Every model compared with ``concat`` on the same radiographs; empty where ``concat`` was not run."""
        return _stored(self.folder / "comparisons.csv")

    def comparison(self, model_a: str, model_b: str = "concat") -> pd.DataFrame:
        """Paired comparison of two models: difference and relative change of each metric, with intervals.

        Args:
            model_a: the model of interest.
            model_b: the model it is compared with.

        Raises:
            RunError: if the run does not hold one of the models.
        """
        for name in (model_a, model_b):
            if name not in self.config.models:
                near = difflib.get_close_matches(name, self.config.models, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else "."
                raise RunError(
                    f"A comparison takes two models of the run ({', '.join(self.config.models)}), "
                    f"but {name!r} was given{hint}"
                )
        both = self.predictions[self.predictions["model"].isin([model_a, model_b])]
        return comparisons_table(both, against=model_b, seed=self.config.seed)


def load_run(folder: str | Path) -> Run:
    """Open a finished run folder.

    Args:
        folder: the folder that ``compare`` wrote.

    Raises:
        RunError: if it is no run folder, or the comparison in it is not finished.
    """
    folder = Path(folder)
    for name in (CONFIG, PLAN, COHORT):
        if not (folder / name).is_file():
            raise RunError(f"A run folder holds {name}, but {folder} does not; give the folder that `compare` wrote.")
    if not (folder / PREDICTIONS).is_file():
        raise RunError(
            f"A finished run holds {PREDICTIONS}, but {folder} does not; run the same `compare` command again to "
            "continue it."
        )
    config = from_dict(yaml.safe_load((folder / CONFIG).read_text()))
    cohort = json.loads((folder / COHORT).read_text())
    return Run(folder, config, FoldPlan.load(folder / PLAN), bool(cohort["simulated"]))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run folder for one process; the lock falls with the process, however it ends.

    Raises:
        RunError: if another process holds it.
    """
    import fcntl

    with disk_errors(folder / _LOCK):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / _LOCK).open("w")
    with lock as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as cause:
            raise RunError(
                f"A run folder is written by one process, but another one is working in {folder}; "
                "wait for it or choose another folder."
            ) from cause
        yield


def open_run(folder: Path, *, config: CompareConfig, plan: FoldPlan, cohort: Cohort, images: str) -> None:
    """Write the description of a new run, or check that an existing one has the same.

    Args:
        folder: the run folder.
        config: settings of the comparison.
        plan: fold plan.
        cohort: the cohort.
        images: digest of all decoded pictures.

    Raises:
        RunError: if the folder holds a run of other settings, folds or data; it is left as it is.
    """
    described = {
        CONFIG: yaml.safe_dump(to_dict(config), sort_keys=False),
        COHORT: _json(_cohort_record(cohort, images)),
        PLAN: plan.to_json(),
    }
    for name, content in described.items():
        present = folder / name
        if present.is_file() and present.read_text() != content:
            raise RunError(
                f"A run folder is continued only with the same settings, but {folder} holds another {name}"
                f"{_first_difference(present.read_text(), content)}; choose another output folder, or delete this one."
            )
    for place in (folder, *folder.glob("*/repeat_*")):
        remove_partials(place)
    for name, content in described.items():
        if not (folder / name).is_file():
            atomic_write(folder / name, content)
    if not (folder / ENVIRONMENT).is_file():
        atomic_write(folder / ENVIRONMENT, _json(environment()))


def fold_folder(folder: Path, job: Job) -> Path:
    """Return where one fit is stored; fold 1 and fold 10 never share a prefix."""
    return folder / job.model / f"repeat_{job.repeat:02d}" / f"fold_{job.fold:02d}"


def write_fold(target: Path, result: FoldResult) -> None:
    """Store one finished fit; it is whole or absent.

    Raises:
        RunError: if the disk is full; nothing is left behind.
    """
    with atomic_folder(target) as folder:
        for name, content in result.estimator.files().items():
            (folder / name).write_bytes(content)
        if result.history:
            pd.DataFrame(result.history).to_csv(folder / "history.csv", index=False)
        result.predictions.to_csv(folder / PREDICTIONS, index=False)


def has_results(folder: Path) -> bool:
    """Tell whether every table of the finished run is there."""
    return all((folder / name).is_file() for name in (PREDICTIONS, *TABLES))


def write_results(folder: Path, *, jobs: list[Job], config: CompareConfig, plan: FoldPlan, simulated: bool) -> None:
    """Join the folds' predictions in one table and score it; every scored row says under which conditions it arose."""
    parts = [fold_folder(folder, job) / PREDICTIONS for job in jobs]
    texts = [part.read_text().splitlines(keepends=True) for part in parts]
    rows = [line for text in texts for line in text[1:]]
    joined = "".join([texts[0][0], *rows])
    predictions = read_predictions(io.StringIO(joined))
    scored = (
        metrics_table(predictions, seed=config.seed),
        screening_table(predictions, get_reference(reference_of(config)), seed=config.seed),
        comparisons_table(predictions, against="concat", seed=config.seed),
    )
    protocol = PROTOCOL_LABELS[config.protocol]
    for name, table in zip(TABLES, scored, strict=True):
        labelled = table.assign(protocol=protocol, simulated=simulated, plan_hash=plan.hash)
        atomic_write(folder / name, labelled.to_csv(index=False))
    atomic_write(folder / PREDICTIONS, joined)


def environment() -> dict[str, Any]:
    """Return what a reader needs to repeat the run: versions and the kind of machine, nothing personal."""
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu_cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "gpus": gpus,
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cohort_record(cohort: Cohort, images: str) -> dict[str, Any]:
    return {
        "fingerprint": cohort.fingerprint,
        "images": images,
        "radiographs": len(cohort),
        "patients": len(set(cohort.patient_ids)),
        "simulated": cohort.roles.simulated,
        "roles": cohort.roles.to_dict(),
    }


def _stored(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise RunError(
            f"A finished run holds {path.name}, but {path.parent} does not; run `compare` again to write it."
        )
    return pd.read_csv(path)


def _first_difference(present: str, wanted: str) -> str:
    pairs = zip(present.splitlines(), wanted.splitlines(), strict=False)
    for here, there in pairs:
        if here != there:
            return f" ({here.strip()[:60]} there, {there.strip()[:60]} now)"
    return ""


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
