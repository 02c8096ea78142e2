"""Every setting of a volume segmenter's network, training and inference."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from xattn_bmd.config_checks import at_least, between, one_of, share
from xattn_bmd.config_values import build
from xattn_bmd.errors import ConfigError

KeepPieces = Literal["all", "largest"]
_MOST_LABELS = 255
_SIDES = ("left", "right")


@dataclass(frozen=True, kw_only=True)
class SegmenterConfig:
    """Settings of one volume segmenter.

    The defaults train on two cores.  A V-Net of the original size is ``width=16, levels=5`` with patches such as
    ``(64, 128, 128)``: for a GPU.

    Attributes:
        labels: names of what is to be found, as the label maps name it.
        spacing_mm: ``(slice, row, column)`` spacing at which the network sees a volume.
        patch: slices, rows and columns of a training patch and of a step of the sliding window, voxels at that spacing.
        window_hu: HU that become 0 and 1.
        width: channels at full resolution; they double with every level.
        levels: resolutions, the full one included; each next one halves all three axes.
        bottleneck: factor by which the 1 x 1 x 1 convolution reduces the channels before the 3 x 3 x 3 one.
        epochs: looks at the validation part.
        steps: batches between two looks.
        batch_size: patches of one batch.
        learning_rate: largest one of the one-cycle schedule (AdamW).
        validation_fraction: share of the patients held out to choose the epoch; 0 keeps the last epoch.
        foreground: share of the training patches that are centred on a voxel of a label, each label equally often.
        mirror: probability that left and right are exchanged in training; 0 where a label names a side of the body.
            No other axis is ever mirrored: nobody has the head below.
        rotation: largest turn about each axis in training, degrees.
        scale: largest relative change of size in training.
        shift_hu: largest shift of all HU of a patch in training.
        contrast: largest relative change of HU in training.
        noise_hu: largest standard deviation of the noise added in training.
        overlap: share by which neighbouring patches of the sliding window overlap along each axis.
        keep: ``"all"`` pieces of a label (vertebrae lie apart), or the ``"largest"`` of each label (one bone a label).
        smallest_ml: pieces below this volume are dropped.
        seed: of weights, patches, random changes and validation part.

    Raises:
        ConfigError: if a value is out of range, or does not go with another.

    Example:
        >>> SegmenterConfig(labels=("L1", "L2"), keep="largest").classes
        3
    """

    labels: tuple[str, ...] = ("vertebra",)
    spacing_mm: tuple[float, float, float] = (3.0, 2.0, 2.0)
    patch: tuple[int, int, int] = (32, 48, 48)
    window_hu: tuple[float, float] = (-200.0, 1000.0)
    width: int = 8
    levels: int = 3
    bottleneck: int = 4
    epochs: int = 20
    steps: int = 30
    batch_size: int = 2
    learning_rate: float = 5e-3
    validation_fraction: float = 0.2
    foreground: float = 0.67
    mirror: float = 0.5
    rotation: float = 10.0
    scale: float = 0.1
    shift_hu: float = 30.0
    contrast: float = 0.1
    noise_hu: float = 20.0
    overlap: float = 0.5
    keep: KeepPieces = "all"
    smallest_ml: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("width", 4), ("levels", 2), ("bottleneck", 1), ("epochs", 1), ("steps", 1)):
            at_least(name, getattr(self, name), least)
        at_least("batch_size", self.batch_size, 1)
        between("learning_rate", self.learning_rate, 0.0, 1.0)
        for name in ("foreground", "mirror"):
            share(name, getattr(self, name))
        for name in ("rotation", "scale", "shift_hu", "contrast", "noise_hu", "smallest_ml", "validation_fraction"):
            at_least(name, getattr(self, name), 0)
        one_of("keep", self.keep, ("all", "largest"))
        self._check_shares()
        self._check_labels()
        self._check_patch()

    def _check_shares(self) -> None:
        for name, below in (("validation_fraction", 0.5), ("overlap", 0.9), ("scale", 0.5), ("contrast", 0.5)):
            if not 0 <= getattr(self, name) <= below:
                raise ConfigError(f"{name} lies between 0 and {below}, but {getattr(self, name)} was given; lower it.")
        if not self.window_hu[0] < self.window_hu[1]:
            raise ConfigError(f"window_hu runs from low to high, but {self.window_hu} was given; exchange the two.")

    def _check_labels(self) -> None:
        if not self.labels or len(set(self.labels)) < len(self.labels) or len(self.labels) > _MOST_LABELS:
            raise ConfigError(
                f"labels are 1 to {_MOST_LABELS} different names, but {self.labels} was given; name each once."
            )
        sided = [name for name in self.labels if any(side in name.lower() for side in _SIDES)]
        if sided and self.mirror > 0:
            raise ConfigError(
                f"A label that names a side of the body ({sided[0]!r}) is wrong on a mirrored patient, but mirror is "
                f"{self.mirror:g}; set mirror to 0."
            )

    def _check_patch(self) -> None:
        if min(self.spacing_mm) <= 0:
            raise ConfigError(f"spacing_mm is three positive lengths, but {self.spacing_mm} was given; correct it.")
        if min(self.patch) < 2 * self.smallest_side or any(side % self.smallest_side for side in self.patch):
            raise ConfigError(
                f"With {self.levels} levels each side of a patch is a multiple of {self.smallest_side}, at least "
                f"{2 * self.smallest_side}, but {self.patch} was given; change the patch, or take fewer levels."
            )

    @property
    def classes(self) -> int:
        """Number of the network's classes: background and the labels."""
        return 1 + len(self.labels)

    @property
    def smallest_side(self) -> int:
        """Voxels that become one at the coarsest level."""
        return int(2 ** (self.levels - 1))

    def require_same_network(self, other: SegmenterConfig) -> None:
        """Check that the weights of a segmenter with the other settings mean the same here.

        Raises:
            ConfigError: naming the first setting that differs.
        """
        for name in ("labels", "spacing_mm", "window_hu", "width", "levels", "bottleneck"):
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours != theirs:
                raise ConfigError(
                    f"A segmenter goes on from one with the same {name}, but the settings have {ours!r} and start has "
                    f"{theirs!r}; take those of start."
                )

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> SegmenterConfig:
        """Return the settings that :meth:`to_dict` described.

        Raises:
            ConfigError: if a name is unknown or a value is impossible.
        """
        made: SegmenterConfig = build(cls, values, where="segmenter")
        return made
