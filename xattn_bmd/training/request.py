"""What is asked of a comparison: settled, and refused early where it cannot be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from xattn_bmd.bone.density_classes import class_names
from xattn_bmd.bone.reference import QCT_SPINE, Unit, get_reference
from xattn_bmd.config import CompareConfig, Protocol
from xattn_bmd.data.checks.flip import check_flip
from xattn_bmd.data.checks.volume_files import require_kind
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.folds import FoldPlan
from xattn_bmd.data.target_roles import ClassRole
from xattn_bmd.data.variables import VariableEncoder
from xattn_bmd.errors import CohortError, ConfigError, FoldPlanError, ModelError
from xattn_bmd.metrics.classification import who_codes
from xattn_bmd.models.fusion import Fusion
from xattn_bmd.models.fusions.named import fusion_name, is_fusion
from xattn_bmd.models.network import build_network
from xattn_bmd.models.volume_backbones import VOLUME_BACKBONES
from xattn_bmd.training.device import torch_device
from xattn_bmd.training.fits.precision import settled_precision
from xattn_bmd.training.fits.stacking import members_of
from xattn_bmd.training.fits.tabular import TABULAR
from xattn_bmd.training.fits.trainer import check_devices
from xattn_bmd.training.registry import check_models, uses_images
from xattn_bmd.training.runs.result_tables import has_class_heads
from xattn_bmd.training.study import reference_of
from xattn_bmd.training.target_settings import settled_target
from xattn_bmd.types import Variables

DEFAULT_REFERENCES: dict[Unit, str] = {"g/cm2": "lunar_femoral_neck_white_female", "mg/cm3": QCT_SPINE.name}
"""Reference where neither settings nor cohort name one, by unit: that of the source study, and the cut-offs of QCT."""


def settled_config(
    cohort: Cohort,
    base: CompareConfig,
    *,
    models: Sequence[str | type[Fusion]] | None,
    folds: int | None,
    repeats: int | None,
    seed: int | None,
    protocol: Protocol | None,
    plan: FoldPlan | None,
) -> CompareConfig:
    """Return all settings of a comparison, with nothing left for later to choose.

    Args:
        cohort: its target is a density or a class, and it may name the reference population.
        base: settings of a preset or a file.
        models: as given to ``compare``, classes become their names; None keeps the base's, and so for the others.
        folds: number of folds.
        repeats: number of repeats.
        seed: seed.
        protocol: protocol.
        plan: the user's own plan, which sets folds and repeats.

    Raises:
        ConfigError: if the accelerator is unknown or absent, or head, loss or weighting are for another kind of target.
        FoldPlanError: if the plan has another number of folds or repeats than asked for.
    """
    device = torch_device(base.training.accelerator)
    wanted = replace(
        base,
        models=base.models if models is None else tuple(_name(model) for model in models),
        folds=base.folds if folds is None else folds,
        repeats=base.repeats if repeats is None else repeats,
        seed=base.seed if seed is None else seed,
        protocol=protocol or base.protocol,
        training=replace(base.training, precision=settled_precision(base.training.precision, device)),
    )
    wanted = settled_target(wanted, cohort.roles, default_reference=DEFAULT_REFERENCES[_unit(cohort)])
    if plan is None:
        return wanted
    for name, asked, planned in (("folds", folds, plan.folds), ("repeats", repeats, plan.repeats)):
        if asked is not None and asked != planned:
            raise FoldPlanError(
                f"Your own plan sets the number of {name}, but {asked} was asked for and the plan has {planned}; "
                f"leave {name} out, or give another plan."
            )
    return replace(wanted, folds=plan.folds, repeats=plan.repeats)


def _unit(cohort: Cohort) -> Unit:
    return cohort.roles.unit or "g/cm2"


def _name(model: str | type[Fusion]) -> str:
    return model if isinstance(model, str) else fusion_name(model)


def check_request(cohort: Cohort, config: CompareConfig, *, workers: int) -> None:
    """Refuse what cannot be run before anything is decoded or written.

    Args:
        cohort: radiographs and record.
        config: settled settings.
        workers: processes that fit at the same time.

    Raises:
        CohortError: listing every problem of the cohort.
        ConfigError: if a setting does not fit the cohort or this machine.
        ModelError: if a model is unknown or the cohort has nothing for it.
    """
    check_models(config.models)
    if not isinstance(cohort.roles.target, ClassRole):
        _check_unit(cohort, reference_of(config))
    check_devices(config.training, workers=workers)
    check_flip(config.training.augment.flip, cohort.roles)
    if any(uses_images(name) for name in config.models):
        _check_image_model(cohort, config)
    if config.model.mask_head != "none" and not cohort.masks.paths:
        raise ConfigError(
            f"model.mask_head={config.model.mask_head!r} learns from masks of the cohort's radiographs, but it has "
            "none; give masks=FOLDER with the cohort (files named by radiograph id), or set mask_head to 'none'."
        )
    if cohort.roles.classes and (config.model.image_dropout or config.model.record_dropout):
        raise ConfigError(
            "Results without the picture or the record are made for a density, but the target is a class and "
            "model.image_dropout or model.record_dropout is above 0; set both to 0."
        )
    stacks = [name for name in config.models if members_of(name)]
    if stacks and cohort.roles.classes:
        raise ConfigError(
            f"A stack is a weighted mean of densities, but the target is a class and {stacks[0]!r} was given; leave it "
            "out, and let the finished models vote: soft_vote(run.predictions)."
        )
    if stacks and config.protocol == "paper":
        raise ConfigError(
            f"The weights of a stack are fitted on the inner validation part, which the protocol 'paper' has not, but "
            f"{stacks[0]!r} was given; use the protocol 'nested', or leave the stack out."
        )
    tabular = [name for name in config.models if name in TABULAR]
    if tabular and not cohort.schema.names:
        raise ModelError(
            f"The model {tabular[0]!r} sees the clinical record alone, but cohort.yaml declares no variable; declare "
            "numeric or categorical ones, or leave the model out."
        )
    cohort.require_valid(require_images=any(uses_images(name) for name in config.models))


def _check_unit(cohort: Cohort, reference: str) -> None:
    """Refuse a reference that is not in the unit of the cohort's densities."""
    known, unit = get_reference(reference), _unit(cohort)
    if cohort.roles.target is not None and known.unit != unit:
        raise CohortError(
            f"Densities are in the unit of their reference, but cohort.yaml declares {unit} and {reference} is in "
            f"{known.unit}; leave the reference out, or name one in {unit}."
        )


def _check_image_model(cohort: Cohort, config: CompareConfig) -> None:
    """Refuse image settings, backbone or mask head that do not go with the cohort's radiographs or CT volumes."""
    require_kind(cohort.image_paths, config.image)
    check_backbone(config)
    if config.image.is_volume and config.model.mask_head != "none":
        raise ConfigError(
            f"A mask head draws on radiographs, but image.slices is {config.image.slices}; set mask_head to 'none'."
        )


def check_backbone(config: CompareConfig) -> None:
    """Refuse a backbone of CT volumes for radiographs.

    Raises:
        ConfigError: naming the backbone.
    """
    if config.model.backbone in VOLUME_BACKBONES and not config.image.is_volume:
        raise ConfigError(
            f"The backbone {config.model.backbone!r} sees CT volumes, but image.slices is 1; set image.slices for a "
            "cohort of volumes, or take a timm model."
        )


def check_classes(cohort: Cohort, plan: FoldPlan, config: CompareConfig) -> None:
    """Refuse a plan of which a training part lacks a class, of the target or of a class head: nothing could learn it.

    Args:
        cohort: radiographs with densities or classes.
        plan: the folds.
        config: settled settings.

    Raises:
        FoldPlanError: naming fold and class.
    """
    classes, places, way_out = cohort.roles.classes, cohort.targets.tolist(), "join classes"
    if has_class_heads(config):
        reference = get_reference(reference_of(config))
        classes, places = class_names(reference), who_codes(cohort.targets, reference=reference).tolist()
        way_out = "set model.class_head to 'none'"
    place = dict(zip(cohort.radiograph_ids, places, strict=True))
    for repeat in range(plan.repeats):
        for fold in range(plan.folds):
            met = {place[name] for name in plan.split(repeat, fold, config.protocol).train}
            for code, name in enumerate(classes):
                if code not in met:
                    raise FoldPlanError(
                        f"Every training part holds radiographs of each class, but that of repeat {repeat}, fold "
                        f"{fold} has none that is {name!r}; use fewer folds, or {way_out}."
                    )


def check_networks(cohort: Cohort, config: CompareConfig) -> None:
    """Build each network and show it one empty picture, so that a misfit is refused before anything is written.

    Raises:
        ModelError: if a network cannot be built, or not for pictures of this size.
    """
    encoder = VariableEncoder.fit(cohort.table.iloc[:1], cohort.schema)
    row = encoder.transform(cohort.table.iloc[:1])
    record = Variables(*(torch.from_numpy(part) for part in (row.numeric, row.codes, row.missing)))
    picture = torch.zeros(1, config.image.slices, config.image.size, config.image.size)
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        for name in config.models:
            if is_fusion(name):
                network = build_network(
                    fusion=name,
                    schema=cohort.schema,
                    config=config.model,
                    class_shares=(1.0,) * len(cohort.roles.classes),
                )
                network.eval()(picture, record)
