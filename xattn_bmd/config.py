"""Every setting of a comparison, as frozen dataclasses with named presets."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from xattn_bmd.config_checks import at_least, between, one_of, share, views_differ, withheld_shares
from xattn_bmd.config_image import AugmentConfig as AugmentConfig
from xattn_bmd.config_image import ImageConfig as ImageConfig
from xattn_bmd.config_image import check_volume_settings
from xattn_bmd.config_losses import HEAD_LOSSES as HEAD_LOSSES
from xattn_bmd.config_losses import ClassHeadName as ClassHeadName
from xattn_bmd.config_losses import HeadName as HeadName
from xattn_bmd.config_losses import LossName as LossName
from xattn_bmd.config_losses import Weighting as Weighting
from xattn_bmd.config_losses import check_head_loss as check_head_loss
from xattn_bmd.config_masks import MaskHeadName as MaskHeadName
from xattn_bmd.config_masks import TaskWeights as TaskWeights
from xattn_bmd.config_masks import check_mask_settings
from xattn_bmd.config_model import Freeze as Freeze
from xattn_bmd.config_model import ModelConfig as ModelConfig
from xattn_bmd.config_values import build, plain, yaml_mapping
from xattn_bmd.errors import ConfigError

Protocol = Literal["nested", "paper"]
Preset = Literal["quick", "paper", "ct_quick"]
Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
Averaging = Literal["none", "swa", "ema"]

ENSEMBLE_MEMBERS: dict[Preset, tuple[str, ...]] = {
    "paper": ("image_only@resnet50", "image_only@densenet161", "image_only@resnext50_32x4d"),
    "quick": tuple(f"image_only@tf_efficientnet_lite{size}" for size in (0, 1, 2)),
}
"""Models whose votes make an ensemble: those of a published classifier of vertebral fractures, and three small ones.

The trunks of ``quick`` are those whose ImageNet weights a package carries, as that preset asks for; those of ``paper``
begin with random weights unless the settings name others.
"""

DEMO_MODELS = ("xattn", "concat", "image_only", "metadata_only", "ridge", "boosted_trees")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How every network of a comparison is trained.

    Attributes:
        loss: training loss on density in the cohort's unit, or on classes; each head has its own, see
            :data:`HEAD_LOSSES`.
        beta: width of the quadratic part of Smooth L1, in the unit of the density: 0.05 g/cm², or 15 mg/cm³ of QCT.
        weighting: how the loss weights follow the density of the training folds, which ``weighted_smooth_l1`` alone
            uses; ``"class_frequency"`` gives every class the same weight in all, however rare.
        epochs: largest number of epochs.
        patience: epochs without a better validation loss before training stops.
        batch_size: radiographs a step.
        learning_rate: peak of the one-cycle schedule (AdamW).
        weight_decay: AdamW weight decay.
        augment: random changes of the training images.
        precision: Lightning precision of the Trainer; ``"auto"`` takes bfloat16 where the device multiplies it in
            hardware, and is settled when a comparison begins.
        accelerator: Lightning accelerator; ``"auto"`` takes a GPU when there is one.
        threads: CPU threads of one fit.  Results repeat to the last digit only with the same number, whatever the
            number of workers.
        devices: devices that share one fit (Lightning DDP); each step's ``batch_size`` is divided among them.
        compile: compile the network with ``torch.compile``; pays on a GPU, in long fits.
        seeds: networks of one fit, from different seeds, whose predictions are averaged.
        averaging: ``"swa"`` takes the mean of the weights of the last ``averaged_epochs`` epochs, ``"ema"`` an
            exponential mean of those of all steps with that mean age; ``"none"`` the weights of one epoch.
        averaged_epochs: length of that mean, epochs.
        test_views: views of a picture whose predictions are averaged: :func:`~xattn_bmd.data.views.prediction_views`.
        mask_weight: weight of the mask loss (Dice + cross-entropy, about 1.4 at first) beside the density loss (about
            0.1); read with a mask head.
        class_weight: weight of the class loss beside the density loss; 1 makes the two about alike at first, whatever
            the unit of the density (:data:`~xattn_bmd.losses.joint.FIRST_DENSITY_LOSS`); read with a class head.
        task_weights: ``"fixed"`` keeps these weights, ``"uncertainty"`` begins with them and learns the weights of all
            losses (Kendall 2018).
    """

    loss: LossName = "weighted_smooth_l1"
    beta: float = 0.05
    weighting: Weighting = "t_score_bands"
    epochs: int = 60
    patience: int = 15
    batch_size: int = 16
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    precision: Precision = "auto"
    accelerator: str = "auto"
    threads: int = 1
    devices: int = 1
    compile: bool = False
    seeds: int = 1
    averaging: Averaging = "none"
    averaged_epochs: int = 5
    test_views: int = 1
    mask_weight: float = 0.1
    class_weight: float = 1.0
    task_weights: TaskWeights = "fixed"


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """One comparison: models, folds and everything the models share.

    Attributes:
        models: names from the registry of fusions and of scikit-learn baselines.
        folds: number of folds.
        repeats: repetitions of the cross-validation with other folds.
        inner_fraction: share of each training part that is held out for early stopping (protocol ``nested``).
        seed: seed of folds, initial weights, batches and augmentation.
        protocol: ``"nested"`` (nothing about the scored fold is used) or ``"paper"`` (checkpoint chosen on the scored
            fold; optimistic, and labelled so).
        reference: name of the young-adult reference population for T-scores; None takes the one that the cohort
            declares, and where it declares none the Lunar femoral neck of the source study.
        image: image settings.
        model: network settings.
        training: training settings.
    """

    models: tuple[str, ...] = DEMO_MODELS
    folds: int = 10
    repeats: int = 1
    inner_fraction: float = 0.15
    seed: int = 0
    protocol: Protocol = "nested"
    reference: str | None = None
    image: ImageConfig = field(default_factory=ImageConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        """Refuse values that no comparison can be run with.

        Raises:
            ConfigError: naming the setting, its rule and the value found.
        """
        model, training = self.model, self.training
        at_least("folds", self.folds, 2)
        at_least("repeats", self.repeats, 1)
        at_least("seed", self.seed, 0)
        at_least("image.size", self.image.size, 32)
        check_volume_settings(self.image)
        at_least("model.layers", model.layers, 1)
        at_least("model.heads", model.heads, 1)
        at_least("training.epochs", training.epochs, 1)
        at_least("training.patience", training.patience, 1)
        at_least("training.batch_size", training.batch_size, 2)
        at_least("training.threads", training.threads, 1)
        at_least("training.devices", training.devices, 1)
        at_least("training.seeds", training.seeds, 1)
        at_least("training.averaged_epochs", training.averaged_epochs, 1)
        at_least("training.test_views", training.test_views, 1)
        one_of("protocol", self.protocol, get_args(Protocol))
        one_of("training.precision", training.precision, get_args(Precision))
        one_of("model.freeze", model.freeze, get_args(Freeze))
        one_of("model.head", model.head, get_args(HeadName))
        one_of("training.loss", training.loss, get_args(LossName))
        check_head_loss(model.head, training.loss)
        one_of("training.weighting", training.weighting, get_args(Weighting))
        one_of("training.averaging", training.averaging, get_args(Averaging))
        views_differ(
            training.test_views,
            moved=bool(training.augment.rotation or training.augment.translation),
            mirrored=training.augment.flip > 0,
        )
        share("training.augment.flip", training.augment.flip)
        share("training.augment.cutout", training.augment.cutout)
        withheld_shares(image=model.image_dropout, record=model.record_dropout, variable=model.variable_dropout)
        check_mask_settings(
            model.mask_head, model.mask_width, training.mask_weight, training.task_weights, loss=training.loss
        )
        one_of("model.class_head", model.class_head, get_args(ClassHeadName))
        between("training.class_weight", training.class_weight, 0.0, 100.0)
        between("inner_fraction", self.inner_fraction, 0.0, 0.5)
        between("training.beta", training.beta, 0.0, 1000.0)
        between("training.learning_rate", training.learning_rate, 0.0, 1.0)
        if model.width % model.heads:
            raise ConfigError(
                f"model.width must be a multiple of model.heads, but {model.width} and {model.heads} were given; "
                "choose a width such as 128 with 4 heads."
            )

    @classmethod
    def from_preset(cls, preset: Preset) -> CompareConfig:
        """Return the settings of a named preset.

        ``quick``: an ImageNet trunk, frozen, on small images; minutes on two CPU cores.  ``paper``: ResNet-34, 224
        pixels, 3 layers, 4 heads, Weighted Smooth L1, as far as the source states them; the rest is our choice.
        ``ct_quick``: CT volumes with densities in mg/cm³, the frozen ImageNet trunk of ``quick`` on each of 16 slices;
        Hounsfield units are not changed at random.

        Raises:
            ConfigError: if the name is unknown.

        Example:
            >>> CompareConfig.from_preset("paper").model.backbone
            'resnet34'
        """
        if preset == "paper":
            return cls()
        if preset == "quick":
            return _quick()
        if preset == "ct_quick":
            return _ct_quick()
        raise ConfigError(f"A preset is 'quick', 'paper' or 'ct_quick', but {preset!r} was given; choose one of them.")


def _quick() -> CompareConfig:
    return CompareConfig(
        image=ImageConfig(size=128),
        model=ModelConfig(backbone="tf_efficientnet_lite0", weights="pretrained", freeze="trunk", width=64),
        training=TrainingConfig(epochs=80, patience=30, learning_rate=2e-3, precision="32-true"),
    )


def _ct_quick() -> CompareConfig:
    quick = _quick()
    return replace(
        quick,
        image=ImageConfig(size=96, slices=16),
        model=replace(quick.model, width=32),
        training=replace(quick.training, beta=15.0, augment=AugmentConfig(contrast=0.0, gamma=0.0)),
    )


def to_dict(config: CompareConfig) -> dict[str, Any]:
    """Return a configuration as plain lists and dictionaries, ready for YAML or JSON.

    Example:
        >>> to_dict(CompareConfig())["model"]["heads"]
        4
    """
    return plain(asdict(config))  # type: ignore[no-any-return]


def from_dict(values: dict[str, Any]) -> CompareConfig:
    """Return the configuration that :func:`to_dict` wrote.

    Raises:
        ConfigError: if a key is unknown.

    Example:
        >>> from_dict(to_dict(CompareConfig())) == CompareConfig()
        True
    """
    return build(CompareConfig, values, where="configuration")  # type: ignore[no-any-return]


def load_config(path: str | Path) -> CompareConfig:
    """Read settings from a YAML file such as a run's ``config.yaml``; what it does not name keeps its default.

    Raises:
        ConfigError: if the file is missing, is no YAML mapping, or has an unknown key.
    """
    return from_dict(yaml_mapping(Path(path)))
