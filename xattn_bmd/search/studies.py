"""The study of Optuna behind a search, and the refusal to continue it with anything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xattn_bmd.errors import ConfigError, RunError
from xattn_bmd.search.objective import OBJECTIVES, ObjectiveName
from xattn_bmd.search.storage import open_storage, quiet_optuna, shown

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.storages import BaseStorage

_FINGERPRINT = "xattn_bmd"

P_THRESHOLD = 0.3
"""A trial is stopped between folds when a Wilcoxon signed-rank test calls it worse than the best one with this p.

A search of 16 fusions on ten folds needed 59 % of the fits with it (``experiments/fusion_search``); with 0.2, at commit
934b6ed of this repository, 79 %.  Both chose what the search that stops nothing chose.
"""


def open_study(
    storage: str | BaseStorage,
    *,
    name: str,
    objectives: Sequence[ObjectiveName],
    fingerprint: Mapping[str, str],
    prune: bool,
) -> Study:
    """Open a study, made where there is none.

    Args:
        storage: an opened storage, or its address.
        name: name of the study.
        objectives: what is made small or large.
        fingerprint: all that decides the result of a trial, by its name in words.
        prune: whether trials are stopped between folds.

    Raises:
        ConfigError: if a study of this name is of something else; it is left as it is.
        RunError: if the storage fails.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    where = shown(storage) if isinstance(storage, str) else "its storage"
    try:
        opened = open_storage(storage) if isinstance(storage, str) else storage
        with quiet_optuna():
            if name not in optuna.get_all_study_names(opened):  # a study that is there is opened without a trace
                directions = [OBJECTIVES[objective].direction for objective in objectives]
                made = optuna.create_study(storage=opened, study_name=name, directions=directions, load_if_exists=True)
                made.set_metric_names(list(objectives))
            study = optuna.load_study(storage=opened, study_name=name, pruner=_pruner(prune))
        check_same(study, fingerprint)
    except (SQLAlchemyError, OSError) as cause:
        raise RunError(
            f"The storage of a search must answer, but {where} failed ({type(cause).__name__}); mend it and run the "
            "same command again: nothing is lost."
        ) from cause
    return study


def check_same(study: Study, fingerprint: Mapping[str, str]) -> None:
    """Refuse a study of something else; a new one is marked.

    Raises:
        ConfigError: naming the first part that differs.
    """
    stored: Any = study.user_attrs.get(_FINGERPRINT)
    if stored is None:
        if study.get_trials(deepcopy=False):
            raise ConfigError(
                f"A search continues its own study, but the study {study.study_name!r} in its storage was made by "
                "another program; choose another name or storage."
            )
        study.set_user_attr(_FINGERPRINT, dict(fingerprint))
        stored = study.user_attrs[_FINGERPRINT]
    for part in sorted({*fingerprint, *stored}):
        if stored.get(part) != fingerprint.get(part):
            raise ConfigError(
                f"A study is continued only with what it was begun with, but {study.study_name!r} was begun with "
                f"another {part} ({_short(stored.get(part))} there, {_short(fingerprint.get(part))} now); choose "
                "another storage or name, or give the same again."
            )


def _pruner(prune: bool) -> BasePruner:
    import optuna

    with quiet_optuna():
        return optuna.pruners.WilcoxonPruner(p_threshold=P_THRESHOLD) if prune else optuna.pruners.NopPruner()


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:16]}..."
