"""Every setting of a localiser's network and training."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from xattn_bmd.config_checks import at_least, between, one_of, share
from xattn_bmd.config_values import build
from xattn_bmd.errors import ConfigError

DetectorName = Literal["light", "strong"]
LIGHT_BACKBONE = "tf_efficientnet_lite0"


@dataclass(frozen=True, kw_only=True)
class LocaliserConfig:
    """Settings of one localiser.

    Attributes:
        detector: ``"light"``: FCOS on a feature pyramid of a timm trunk, trains on two cores; ``"strong"``:
            torchvision's Faster R-CNN v2 on a ResNet-50, for a GPU.
        backbone: timm trunk of the light detector; None takes ``tf_efficientnet_lite0``.  The strong one has its own.
        weights: first weights.  Light: of the trunk, as in :class:`~xattn_bmd.config.ModelConfig`.  Strong: ``"none"``,
            or a ``.safetensors`` file with torchvision's state dict, whose class scores are left out.  Nothing is ever
            downloaded, but by ``"hub"``.  None takes ``"pretrained"`` (ImageNet) for the light one with its own trunk,
            else ``"none"``.
        size: longer side of the picture that the network sees, pixels; boxes are found in full-size pixels.
        width: channels of the light detector's pyramid, a multiple of 32.
        epochs: passes over the training part.
        batch_size: radiographs of one step.
        learning_rate: largest one of the one-cycle schedule (AdamW).
        validation_fraction: share of the patients held out to choose the epoch and the score threshold.
        scale: largest relative change of size in training.
        shift: largest shift in training, share of the picture.
        contrast: largest relative change of brightness and contrast in training.
        flip: probability of a mirror image in training; 0 where a label names a side of the body.
        seed: of weights, order, random changes and validation part.

    Raises:
        ConfigError: if a value is out of range, or does not go with the detector.

    Example:
        >>> LocaliserConfig(epochs=5).trunk
        'tf_efficientnet_lite0'
    """

    detector: DetectorName = "light"
    backbone: str | None = None
    weights: str | None = None
    size: int = 512
    width: int = 64
    epochs: int = 12
    batch_size: int = 4
    learning_rate: float = 1e-3
    validation_fraction: float = 0.15
    scale: float = 0.15
    shift: float = 0.05
    contrast: float = 0.2
    flip: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        one_of("detector", self.detector, ("light", "strong"))
        at_least("size", self.size, 64)
        at_least("epochs", self.epochs, 1)
        at_least("batch_size", self.batch_size, 1)
        between("learning_rate", self.learning_rate, 0.0, 1.0)
        between("validation_fraction", self.validation_fraction, 0.0, 0.5)
        for name in ("scale", "shift", "contrast", "flip"):
            share(name, getattr(self, name))
        if self.width < 32 or self.width % 32:
            raise ConfigError(f"width is a multiple of 32, but {self.width} was given; choose 64 or 128.")
        if self.detector == "strong" and self.backbone is not None:
            raise ConfigError(
                f"The strong detector has its own ResNet-50, but backbone {self.backbone!r} was given; leave it out, "
                "or choose detector='light'."
            )

    @property
    def trunk(self) -> str:
        """Name of the light detector's trunk."""
        return self.backbone or LIGHT_BACKBONE

    @property
    def first_weights(self) -> str:
        """Where the first weights come from, None settled."""
        if self.weights is not None:
            return self.weights
        return "pretrained" if self.detector == "light" and self.trunk == LIGHT_BACKBONE else "none"

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> LocaliserConfig:
        """Return the settings that :meth:`to_dict` described.

        Raises:
            ConfigError: if a name is unknown or a value is impossible.
        """
        made: LocaliserConfig = build(cls, values, where="localiser")
        return made
