"""Head, loss and weighting that fit what a cohort's target is: a density or classes."""

from __future__ import annotations

from dataclasses import replace

from xattn_bmd.config import HEAD_LOSSES, CompareConfig, HeadName, ModelConfig, TrainingConfig
from xattn_bmd.config_losses import CLASS_HEAD_NAMES
from xattn_bmd.data.roles import CohortRoles
from xattn_bmd.data.target_roles import ClassRole
from xattn_bmd.errors import ConfigError

_HEAD, _LOSS, _WEIGHTING = ModelConfig().head, TrainingConfig().loss, TrainingConfig().weighting


def settled_target(config: CompareConfig, roles: CohortRoles, *, default_reference: str) -> CompareConfig:
    """Return settings whose head, loss, weighting and reference are those of the cohort's target.

    Every preset names the point head and its loss.  For classes, where both were left so, the head becomes
    ``"ordinal"`` where the classes are ordered, else ``"classes"``, with its loss, and ``"t_score_bands"`` becomes
    ``"none"``.

    Args:
        config: settings of a preset or a file.
        roles: what the cohort declares.
        default_reference: reference population of a density where neither names one.

    Raises:
        ConfigError: if a setting is for the other kind of target.

    Example:
        >>> roles = CohortRoles.from_dict({"id": "a", "patient": "b", "target": {"column": "c", "classes": ["x", "y"]}})
        >>> settled = settled_target(CompareConfig(), roles, default_reference="")
        >>> settled.model.head, settled.training.loss, settled.training.weighting
        ('classes', 'cross_entropy', 'none')
    """
    if isinstance(roles.target, ClassRole):
        return _for_classes(config, roles.target)
    _refuse_class_settings(config)
    return replace(config, reference=config.reference or roles.reference or default_reference)


def _for_classes(config: CompareConfig, target: ClassRole) -> CompareConfig:
    head, loss, weighting = config.model.head, config.training.loss, config.training.weighting
    if (head, loss) == (_HEAD, _LOSS):
        head = "ordinal" if target.ordered else "classes"
        loss = HEAD_LOSSES[head][0]
    if head not in CLASS_HEAD_NAMES:
        raise ConfigError(
            f"The target {target.column} is a class, so model.head is {' or '.join(CLASS_HEAD_NAMES)}, but {head!r} "
            f"with training.loss={loss!r} was given; leave both out, or name a head of classes and its loss."
        )
    if config.model.class_head != "none":
        raise ConfigError(
            f"A class head beside the density's learns the classes of a density, but the target {target.column} is a "
            f"class already and model.class_head={config.model.class_head!r} was given; set class_head to 'none'."
        )
    _check_order(head, target)
    weighting = "none" if weighting == _WEIGHTING else weighting
    if weighting == "label_density":
        raise ConfigError(
            "training.weighting='label_density' follows a density, but the target is a class; use 'class_frequency' "
            "or 'none'."
        )
    if config.reference is not None:
        raise ConfigError(
            f"A reference population turns a density into a T-score, but the target {target.column} is a class and "
            f"reference={config.reference!r} was given; leave it out."
        )
    model, training = replace(config.model, head=head), replace(config.training, loss=loss, weighting=weighting)
    return replace(config, model=model, training=training)


def _check_order(head: HeadName, target: ClassRole) -> None:
    if head == "ordinal" and not target.ordered:
        raise ConfigError(
            f"The head 'ordinal' learns the order of the classes, but cohort.yaml does not say that those of "
            f"{target.column} have one; add target.ordered: true with the classes in their order, or use 'classes'."
        )


def _refuse_class_settings(config: CompareConfig) -> None:
    if config.model.head in CLASS_HEAD_NAMES:
        raise ConfigError(
            f"model.head={config.model.head!r} with training.loss={config.training.loss!r} learns classes, but the "
            "cohort's target is a density; use the head 'point', 'gaussian' or 'quantile', or declare target.classes "
            "in cohort.yaml."
        )
    if config.training.weighting == "class_frequency":
        raise ConfigError(
            "training.weighting='class_frequency' follows classes, but the cohort's target is a density; use "
            "'t_score_bands', 'label_density' or 'none'."
        )
